//! What the guest boots: `-boot`, a kernel, or a boot loader.

use caps_parser::Capability;
use domain_model::os::{BootDeviceKind, OsType};
use domain_model::xml::text::YesNo;

use crate::arg::Args;
use crate::context::Context;
use crate::gate;
use crate::props::Props;

/// `-boot`, then a kernel that QEMU loads by itself; or the boot loader of a Xen guest.
pub(crate) fn args(cx: &Context<'_>, out: &mut Args) {
    match &cx.domain.bootloader {
        Some(bootloader) => out.text("-bootloader", bootloader, cx.domain.meta.at("bootloader")),
        None => {
            order(cx, out);
            crate::os::kernel(cx, out);
        }
    }
}

/// The order of the kinds of devices, a letter each.
fn order(cx: &Context<'_>, out: &mut Args) {
    let os = &cx.domain.os;
    let Some(first) = os.boot.first() else {
        // Then devices have places of their own, or the guest boots from nothing but its kernel.
        if os.kind == Some(OsType::Hvm) && !cx.has(Capability::BootIndex) {
            let origin = cx.domain.meta.at("os");
            out.problem(gate::missing(Capability::BootIndex, "<boot order>", origin, cx.inputs.caps));
        }
        return;
    };
    let order: String = os.boot.iter().map(|boot| letter(boot.dev)).collect();
    let origin = first.meta.origin;
    match os.bootmenu.filter(|_| cx.has(Capability::BootMenu)) {
        Some(menu) => {
            let props = Props::plain(origin).set("order", order);
            out.props(
                "-boot",
                props.set_at("menu", menu == YesNo::Yes, cx.domain.meta.at("os/bootmenu/@enable")),
            );
        }
        None => out.text("-boot", order, origin),
    }
}

fn letter(kind: BootDeviceKind) -> char {
    match kind {
        BootDeviceKind::Fd => 'a',
        BootDeviceKind::Hd => 'c',
        BootDeviceKind::Cdrom => 'd',
        BootDeviceKind::Network => 'n',
    }
}
