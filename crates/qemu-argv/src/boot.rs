//! The boot order: `bootindex` of each device.

use domain_model::os::BootDeviceKind;
use domain_model::{DeviceInfo, Origin};

use crate::context::Context;
use crate::dialect::Era;
use crate::props::Props;

/// The place in the boot order that `<os><boot dev=…>` gives to the first device of a class, from 1.
///
/// Before QEMU had `bootindex`, `-boot` said this.
pub(crate) fn of_class(kind: BootDeviceKind, cx: &Context<'_>) -> Option<(u32, Origin)> {
    if cx.dialect.era == Era::Historic {
        return None;
    }
    let boot = &cx.domain.os.boot;
    // What is named twice has its last place.
    let place = boot.iter().rposition(|device| device.dev == kind)?;
    let origin = boot.get(place)?.meta.origin;
    Some((u32::try_from(place).ok()?.checked_add(1)?, origin))
}

/// Adds a device's place in the boot order: its own, or else the one that its class gives it.
pub(crate) fn bootindex(props: Props, info: &DeviceInfo, class: Option<(u32, Origin)>) -> Props {
    let own = info.boot.as_ref().map(|boot| (boot.order, boot.meta.at("@order")));
    match own.or(class) {
        Some((index, origin)) => props.set_at("bootindex", index, origin),
        None => props,
    }
}
