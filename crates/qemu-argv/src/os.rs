//! `<os>`: architecture, machine type, what the guest boots.

pub(crate) mod descriptor;
pub(crate) mod firmware;

use caps_parser::Capability;
use domain_model::os::{AcpiTableType, Arch, BootDevice, BootDeviceKind, Os, OsType, SmbiosMode};
use domain_model::xml::Meta;
use domain_model::xml::text::{OnOff, YesNo};
use domain_model::{Code, Diagnostic, Domain, Origin};

use crate::arg::Args;
use crate::check::Problems;
use crate::context::Context;
use crate::dialect::Era;
use crate::needs::Access;
use crate::props::Props;
use crate::resolve::Resolving;

/// Fills in architecture, machine type, boot device and emulator.
pub(crate) fn defaults(cx: &mut Resolving<'_>) {
    let origin = cx.domain.meta.at("os/type");
    if cx.domain.os.kind.is_none() {
        cx.domain.os.kind = Some(OsType::Hvm);
    }
    if cx.domain.os.bootmenu != Some(YesNo::Yes) {
        cx.domain.os.bootmenu_timeout = None;
    }
    let runs_xen = cx.dialect.era == Era::Historic && crate::historic::is_xen(&cx.domain);
    if cx.domain.os.kind != Some(OsType::Hvm) && !runs_xen {
        let message = "only guests of `<os>` type `hvm` can run on QEMU";
        cx.problems.push(Diagnostic::error(Code::Unsupported, origin, message));
    }
    let caps = cx.inputs.caps;
    let qemu_arch =
        caps.facts.libvirt_arch().and_then(|arch| <Arch as domain_model::xml::Text>::parse(arch).ok());
    let arch = *cx.domain.os.arch.get_or_insert(qemu_arch.unwrap_or(Arch::X86_64));
    // QEMU for newer machines runs guests of some older ones as well.
    let runs = |qemu: Arch| {
        qemu == arch
            || matches!(
                (qemu, arch),
                (Arch::X86_64, Arch::I686)
                    | (Arch::Aarch64, Arch::Armv7l)
                    | (Arch::Armv7l, Arch::Armv6l)
                    | (Arch::Ppc64, Arch::Ppc64le)
            )
    };
    if let Some(qemu) = qemu_arch
        && !runs(qemu)
    {
        let message = format!("{} runs guests of architecture `{qemu}`, not `{arch}`", cx.inputs.qemu());
        cx.problems.push(Diagnostic::error(Code::Unsupported, cx.domain.meta.at("os/type/@arch"), message));
    }
    machine(cx);
    forget(&mut cx.domain.os);
    let boots_by_device = crate::device::has_boot_order(&cx.domain);
    if cx.domain.os.boot.is_empty() && !boots_by_device && !runs_xen {
        let rule = Origin::always("a guest boots from its disk unless something else is said");
        let meta = Meta::from_origin(rule);
        cx.domain.os.boot.push(BootDevice { dev: BootDeviceKind::Hd, meta });
    }
    if cx.domain.devices.emulator.is_none() {
        cx.domain.devices.emulator = Some(format!("/usr/bin/qemu-system-{}", qemu_word(arch)));
    }
}

/// A guest boots from so many kinds of devices; libvirt drops the rest.
const MAX_BOOT: usize = 4;

/// Drops what says nothing.
fn forget(os: &mut Os) {
    for text in [&mut os.kernel, &mut os.initrd, &mut os.cmdline, &mut os.shim, &mut os.dtb, &mut os.root] {
        text.take_if(|text| text.is_empty());
    }
    os.boot.truncate(MAX_BOOT);
    if os.bootmenu != Some(YesNo::Yes) {
        os.bootmenu_timeout = None;
    }
    os.smbios.take_if(|mode| *mode == SmbiosMode::None);
}

fn machine(cx: &mut Resolving<'_>) {
    let kind = cx.domain.kind;
    match cx.domain.os.machine.as_deref() {
        None => {
            let machines = cx.inputs.machines(kind);
            let usual = usual_machine(cx.inputs.caps.facts.libvirt_arch());
            let usual = usual.and_then(|name| cx.inputs.machine(kind, name));
            let default = machines.iter().find(|machine| machine.default);
            let chosen = usual.or(default).or(machines.first());
            cx.domain.os.machine = chosen.map(|machine| machine.name.clone());
            if cx.domain.os.machine.is_none() {
                let message = format!("{} has no default machine type; name one", cx.inputs.qemu());
                let origin = cx.domain.meta.at("os/type");
                cx.problems.push(Diagnostic::error(Code::Unsupported, origin, message));
            }
        }
        Some(name) => match cx.inputs.machine(kind, name) {
            Some(machine) => cx.domain.os.machine = Some(machine.name.clone()),
            None if !cx.inputs.machines(kind).is_empty() => {
                let message = format!("{} has no machine type `{name}`", cx.inputs.qemu());
                let origin = cx.domain.meta.at("os/type/@machine");
                let problem = Diagnostic::error(Code::Unsupported, origin, message)
                    .help("`domx caps` lists the machine types");
                cx.problems.push(problem);
            }
            None => {}
        },
    }
}

/// The machine type of a QEMU, by its architecture, that guests get who name none, whatever QEMU's own default is.
///
/// QEMU has changed some defaults, has none for many architectures, and no promise about the order of its list.
fn usual_machine(qemu_arch: Option<&str>) -> Option<&'static str> {
    Some(match qemu_arch? {
        "alpha" => "clipper",
        "armv6l" => "integratorcp",
        "armv7l" | "armv7b" | "aarch64" | "loongarch64" | "riscv32" | "riscv64" => "virt",
        "cris" => "axis-dev88",
        "i686" | "x86_64" => "pc",
        "lm32" => "lm32-evr",
        "m68k" => "mcf5208evb",
        "microblaze" | "microblazeel" => "petalogix-s3adsp1800",
        "mips" | "mipsel" | "mips64" | "mips64el" => "malta",
        "openrisc" => "or1k-sim",
        "ppc" => "g3beige",
        "ppc64" | "ppc64le" => "pseries",
        "ppcemb" => "bamboo",
        "s390x" => "s390-ccw-virtio",
        "sh4" | "sh4eb" => "shix",
        "sparc" => "SS-5",
        "sparc64" => "sun4u",
        "unicore32" => "puv3",
        "xtensa" | "xtensaeb" => "sim",
        _ => return None,
    })
}

/// Reports what the machine type or its firmware cannot do.
pub(crate) fn check(out: &mut Problems<'_>) {
    let domain = out.cx.domain;
    let at = |path| domain.meta.at(path);
    let wants_acpi = domain.features.as_ref().is_some_and(|features| features.acpi);
    if wants_acpi && out.cx.machine().is_some_and(|machine| machine.acpi == Some(false)) {
        let message = format!("there is no ACPI on {}", out.machine());
        out.unsupported(at("features/acpi"), message);
    }
    if domain.os.bios_useserial == Some(YesNo::Yes) {
        let origin = at("os/bios/@useserial");
        if !is_x86(domain) {
            let message = format!("the firmware of {} cannot be told to use a serial port", out.machine());
            out.unsupported(origin, message);
        } else if domain.devices.serials.is_empty() {
            out.refuse(Code::MissingElement, origin, "a BIOS on the serial port needs a `<serial>`");
        }
    }
    for table in domain.os.acpi_tables.iter().filter(|table| table.kind == Some(AcpiTableType::Rawset)) {
        let message =
            "an ACPI table of the type `rawset` is for Xen; each table has a `<table type='raw'>` on QEMU";
        out.unsupported(table.meta.at("@type"), message);
    }
    if let Some(problem) = firmware::features_without_choice(domain) {
        out.refuse(problem.code, problem.origin, problem.message);
    }
    firmware::check_variables(out);
    if domain.bootloader.is_some() || domain.bootloader_args.is_some() {
        out.unsupported(at("bootloader"), "QEMU knows no boot loader on the host; `<bootloader>` is for Xen");
    }
    let secure = domain.os.loader.as_ref().filter(|loader| loader.secure == Some(YesNo::Yes));
    let Some(loader) = secure else { return };
    let smm = domain.features.as_ref().and_then(|features| features.smm.as_ref());
    let message = if !is_q35(domain) {
        "firmware that is protected by system management mode needs a Q35 machine"
    } else if domain.os.arch != Some(Arch::X86_64) {
        "firmware that is protected by system management mode needs a 64-bit x86 guest"
    } else if domain.os.firmware.is_none() && smm.is_none_or(|smm| smm.state != OnOff::On) {
        "firmware that is protected by system management mode needs `<smm state='on'/>`"
    } else {
        return;
    };
    out.unsupported(loader.meta.at("@secure"), message);
}

/// QEMU's word for an architecture, as in the names of its binaries.
pub(crate) fn qemu_word(arch: Arch) -> &'static str {
    match arch {
        Arch::I686 => "i386",
        Arch::Armv6l | Arch::Armv7l | Arch::Armv7b => "arm",
        Arch::Ppc64le => "ppc64",
        Arch::Openrisc => "or32",
        Arch::Parisc | Arch::Parisc64 => "hppa",
        other => other.as_str(),
    }
}

/// Whether the guest is a PC.
pub(crate) fn is_x86(domain: &Domain) -> bool {
    matches!(domain.os.arch, Some(Arch::X86_64 | Arch::I686))
}

fn machine_is(domain: &Domain, family: &str) -> bool {
    let machine = domain.os.machine.as_deref().unwrap_or_default();
    machine == family || machine.strip_prefix(family).is_some_and(|rest| rest.starts_with('-'))
}

/// Whether the machine is a PC with the Q35 chipset.
pub(crate) fn is_q35(domain: &Domain) -> bool {
    is_x86(domain) && (machine_is(domain, "q35") || machine_is(domain, "pc-q35"))
}

/// Whether the machine is a PC with the 440FX chipset. Names without a chipset, such as `pc-1.0`, are of old
/// versions, when there was no other.
pub(crate) fn is_i440fx(domain: &Domain) -> bool {
    is_x86(domain) && !is_q35(domain) && (machine_is(domain, "pc") || machine_is(domain, "rhel"))
}

/// `-boot`, and a kernel that QEMU loads by itself.
pub(crate) fn boot(cx: &Context<'_>, out: &mut Args) {
    let os = &cx.domain.os;
    let at = |path| cx.domain.meta.at(path);
    let strict = Origin::always("a guest boots from the devices of its boot order and no others");
    let props = Props::plain(strict)
        .set_at("menu", os.bootmenu, at("os/bootmenu/@enable"))
        .set_at("splash-time", os.bootmenu_timeout, at("os/bootmenu/@timeout"))
        .requires(
            Capability::RebootTimeout,
            "reboot-timeout",
            os.bios_reboot_timeout,
            at("os/bios/@rebootTimeout"),
        )
        .set("strict", cx.has(Capability::BootStrict).then_some(true));
    if !props.items().is_empty() {
        out.props("-boot", props);
    }
    if os.kernel.is_some() || os.firmware.is_none() {
        kernel(cx, out);
    }
    for table in &os.acpi_tables {
        if let Some(path) = &table.path {
            out.file(cx.config().path(path), Access::Read, table.meta.origin);
        }
        let signature = match table.kind {
            Some(AcpiTableType::Slic) => Some("SLIC"),
            Some(AcpiTableType::Msdm) => Some("MSDM"),
            Some(AcpiTableType::Raw | AcpiTableType::Rawset) | None => None,
        };
        // A file with several tables is passed on as it is; a single raw one may be as well.
        let props = Props::plain(table.meta.origin)
            .set_at("sig", signature, table.meta.at("@type"))
            .set("file", table.path.as_deref().map(|path| cx.config().path(path)));
        out.props("-acpitable", props);
    }
}

/// A kernel that QEMU loads by itself.
pub(crate) fn kernel(cx: &Context<'_>, out: &mut Args) {
    let os = &cx.domain.os;
    let at = |path| cx.domain.meta.at(path);
    for (flag, value, path) in [
        ("-kernel", &os.kernel, "os/kernel"),
        ("-initrd", &os.initrd, "os/initrd"),
        ("-append", &os.cmdline, "os/cmdline"),
        ("-dtb", &os.dtb, "os/dtb"),
        ("-shim", &os.shim, "os/shim"),
    ] {
        if let Some(value) = value {
            if flag == "-append" {
                out.text(flag, value.clone(), at(path));
                continue;
            }
            let value = cx.config().path(value);
            out.file(&value, Access::Read, at(path));
            out.text(flag, value, at(path));
        }
    }
}
