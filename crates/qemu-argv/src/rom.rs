//! The option ROM of a PCI device.

use domain_model::address::Place;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{Code, DeviceInfo, Diagnostic};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;

/// Adds what `<rom>` says; only devices on PCI have such a ROM.
pub(crate) fn rom(props: Props, info: &DeviceInfo, cx: &Context<'_>, out: &mut Args) -> Props {
    let Some(rom) = &info.rom else { return props };
    if !matches!(info.address.as_ref().map(|address| &address.place), Some(Place::Pci(_)) | None) {
        let message = "`<rom>` is for devices on a PCI bus";
        out.problem(Diagnostic::error(Code::Unsupported, rom.meta.origin, message));
        return props;
    }
    if rom.enabled == Some(YesNo::No) {
        return props.set_at("romfile", "", rom.meta.at("@enabled"));
    }
    let file = rom.file.as_deref().map(|file| cx.config().path(file));
    props.set_at("rombar", rom.bar.map(|bar| u8::from(bar == OnOff::On)), rom.meta.at("@bar")).set_at(
        "romfile",
        file,
        rom.meta.at("@file"),
    )
}
