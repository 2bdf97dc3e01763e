//! `<features>`: `-machine`, and properties that it gives `-accel` and `-cpu`.

use caps_parser::Capability;
use domain_model::Origin;
use domain_model::features::{Features, IoapicDriver};

use crate::arg::Args;
use crate::context::Context;
use crate::props::Props;
use crate::resolve::Resolving;

/// Fills in what machine types imply.
pub(crate) fn defaults(_: &mut Resolving<'_>) {}

/// `-machine`
pub(crate) fn machine(cx: &Context<'_>, out: &mut Args) {
    let none = Features::default();
    let features = cx.domain.features.as_ref().unwrap_or(&none);
    let at = |path| cx.domain.meta.at(path);
    let machine = cx.domain.os.machine.as_deref().unwrap_or_default();
    let usb = Origin::always("USB controllers are devices of the domain; the machine brings none along");
    let core = Origin::always("core dumps of QEMU leave the guest's memory out");
    let irqchip = features.ioapic.map(|driver| match driver {
        IoapicDriver::Qemu => "split",
        IoapicDriver::Kvm => "on",
    });
    let props = Props::new("type", machine, at("os/type/@machine"))
        .set_at("usb", false, usb)
        .requires(Capability::MachineVmportOpt, "vmport", features.vmport, at("features/vmport/@state"))
        .requires(
            Capability::Smm,
            "smm",
            features.smm.as_ref().map(|smm| smm.state),
            at("features/smm/@state"),
        )
        .set_at("kernel_irqchip", irqchip, at("features/ioapic/@driver"))
        .set_at("dump-guest-core", cx.config().dump_guest_core, core)
        .set_at("memory-backend", crate::memory::backend_id(cx), at("memory"))
        .set_at("acpi", acpi(cx, features), at("features/acpi"));
    out.props("-machine", props);
}

/// Whether the guest has ACPI, for machine types that let one choose.
fn acpi(cx: &Context<'_>, features: &Features) -> Option<bool> {
    let machine = cx.machine()?;
    (machine.acpi == Some(true)).then_some(features.acpi)
}

/// Adds what features ask of `-accel`.
pub(crate) fn accelerator_options(_: &Context<'_>, props: Props) -> Props {
    props
}

/// Adds what features ask of `-cpu`.
pub(crate) fn cpu_properties(_: &Context<'_>, props: Props) -> Props {
    props
}

/// The device that tells a crashed kernel where to leave its dump.
pub(crate) fn vmcoreinfo(_: &Context<'_>, _: &mut Args) {}
