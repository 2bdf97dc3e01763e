//! SD cards: `-drive …,if=sd`, which boards take for their slots.

use domain_model::device::disk::{Discard, Disk};

use super::{images, name};
use crate::arg::Args;
use crate::context::{Context, Resolved};

/// Adds a card. Boards have slots of their own, so there is no `-device`, and no node that it could show.
pub(super) fn args(device: &Resolved<'_, Disk>, cx: &Context<'_>, out: &mut Args) {
    let disk = device.spec;
    let image = images::top(device, device.alias.to_owned());
    let Some(source) = image.drive(cx, out) else { return };
    let driver = disk.driver.as_ref();
    let at = |path| device.at(path);
    let zeroes = image.detect_zeroes();
    let props = source
        .set_at("format", image.format.as_str(), at("driver/@type"))
        .set_at("if", "sd", at("target/@bus"))
        .set_at("index", name::index(&disk.target.dev), at("target/@dev"))
        .set_at("readonly", disk.readonly.then_some(true), at("readonly"))
        .set_at(
            "cache",
            driver.and_then(|driver| driver.cache).map(|cache| cache.as_str()),
            at("driver/@cache"),
        )
        .set_at("copy-on-read", driver.and_then(|driver| driver.copy_on_read), at("driver/@copy_on_read"))
        .set_at(
            "discard",
            driver.and_then(|driver| driver.discard).map(Discard::as_str),
            at("driver/@discard"),
        )
        .set_at("detect-zeroes", zeroes.0.map(|zeroes| zeroes.as_str()), zeroes.1)
        .set_at("aio", driver.and_then(|driver| driver.io).map(|io| io.as_str()), at("driver/@io"));
    out.props("-drive", props);
}
