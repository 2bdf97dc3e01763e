//! `<os>`: what the guest boots, and from what firmware.

use crate::storage::Source;
use crate::values;
use crate::words;
use crate::xml::text::YesNo;
use crate::xml::{Element, Meta, Xml};
use crate::{Code, Diagnostic};

words! {
    /// The text of `<type>`: what kind of interface the guest's system is written for.
    pub enum OsType: UnknownWord {
        /// Full virtualization: a system for real machines.
        Hvm = "hvm",
        /// A system written for Xen.
        Xen = "xen",
        /// An old name for `xen`.
        Linux = "linux",
        /// A system written for Xen with hardware virtualization; since libvirt 4.10.
        Xenpvh = "xenpvh",
        /// A program in a container.
        Exe = "exe",
        /// User mode Linux.
        Uml = "uml",
    }

    /// `arch` of `<type>`: the guest's architecture, by libvirt's names.
    pub enum Arch: UnknownWord {
        /// Alpha.
        Alpha = "alpha",
        /// 32-bit Arm, version 6.
        Armv6l = "armv6l",
        /// 32-bit Arm, version 7.
        Armv7l = "armv7l",
        /// 32-bit Arm, version 7, big-endian.
        Armv7b = "armv7b",
        /// 64-bit Arm.
        Aarch64 = "aarch64",
        /// Axis CRIS.
        Cris = "cris",
        /// 32-bit x86.
        I686 = "i686",
        /// Itanium.
        Ia64 = "ia64",
        /// LatticeMico32.
        Lm32 = "lm32",
        /// 64-bit LoongArch; since libvirt 10.2.
        Loongarch64 = "loongarch64",
        /// Motorola 68000.
        M68k = "m68k",
        /// MicroBlaze.
        Microblaze = "microblaze",
        /// MicroBlaze, little-endian.
        Microblazeel = "microblazeel",
        /// 32-bit MIPS.
        Mips = "mips",
        /// 32-bit MIPS, little-endian.
        Mipsel = "mipsel",
        /// 64-bit MIPS.
        Mips64 = "mips64",
        /// 64-bit MIPS, little-endian.
        Mips64el = "mips64el",
        /// OpenRISC.
        Openrisc = "openrisc",
        /// PA-RISC.
        Parisc = "parisc",
        /// 64-bit PA-RISC.
        Parisc64 = "parisc64",
        /// 32-bit PowerPC.
        Ppc = "ppc",
        /// 64-bit PowerPC.
        Ppc64 = "ppc64",
        /// 64-bit PowerPC, little-endian.
        Ppc64le = "ppc64le",
        /// 32-bit PowerPC, little-endian.
        Ppcle = "ppcle",
        /// Embedded PowerPC.
        Ppcemb = "ppcemb",
        /// 32-bit RISC-V.
        Riscv32 = "riscv32",
        /// 64-bit RISC-V.
        Riscv64 = "riscv64",
        /// 31-bit IBM Z.
        S390 = "s390",
        /// 64-bit IBM Z.
        S390x = "s390x",
        /// SuperH.
        Sh4 = "sh4",
        /// SuperH, big-endian.
        Sh4eb = "sh4eb",
        /// 32-bit SPARC.
        Sparc = "sparc",
        /// 64-bit SPARC.
        Sparc64 = "sparc64",
        /// UniCore.
        Unicore32 = "unicore32",
        /// 64-bit x86.
        X86_64 = "x86_64",
        /// Xtensa.
        Xtensa = "xtensa",
        /// Xtensa, big-endian.
        Xtensaeb = "xtensaeb",
    }

    /// `firmware` of `<os>`: which kind of firmware is chosen automatically; since libvirt 5.2.
    pub enum Firmware {
        /// A BIOS.
        Bios = "bios",
        /// UEFI.
        Efi = "efi",
    }

    /// `name` of a `<feature>` of the firmware; since libvirt 7.2.
    pub enum FirmwareFeatureName {
        /// The vendor's keys are there from the start.
        EnrolledKeys = "enrolled-keys",
        /// The firmware can do Secure Boot.
        SecureBoot = "secure-boot",
    }

    /// `type` of `<loader>`: how the firmware is put into memory.
    pub enum LoaderType {
        /// As read-only memory.
        Rom = "rom",
        /// As flash memory.
        Pflash = "pflash",
    }

    /// The format of a firmware file; since libvirt 9.2.
    pub enum FirmwareFormat {
        /// As it is.
        Raw = "raw",
        /// A qcow2 image.
        Qcow2 = "qcow2",
    }

    /// `dev` of `<boot>`: a kind of device to boot from.
    #[derive(Default)]
    pub enum BootDeviceKind {
        /// A floppy disk.
        Fd = "fd",
        /// A disk.
        #[default]
        Hd = "hd",
        /// A CD-ROM.
        Cdrom = "cdrom",
        /// The network.
        Network = "network",
    }

    /// `mode` of `<smbios>`: where the tables come from that describe the machine.
    pub enum SmbiosMode: UnknownWord {
        /// From QEMU.
        Emulate = "emulate",
        /// From the host.
        Host = "host",
        /// From `<sysinfo>`.
        Sysinfo = "sysinfo",
        /// As if nothing were said.
        None = "none",
    }

    /// `type` of an ACPI `<table>`.
    pub enum AcpiTableType {
        /// A complete table; since libvirt 11.2.
        Raw = "raw",
        /// Several complete tables, one behind the other; since libvirt 11.2.
        Rawset = "rawset",
        /// A software licence; since libvirt 1.3.5.
        Slic = "slic",
        /// A digital marker of Windows; since libvirt 11.2.
        Msdm = "msdm",
    }
}

/// `<os>`: what the guest boots.
///
/// ```
/// use domain_model::os::{BootDeviceKind, Firmware, Os};
/// use domain_model::{Document, xml};
///
/// let document = Document::parse("", "<os firmware='efi'><type machine='q35'>hvm</type><boot dev='hd'/></os>")?;
/// let (os, problems) = xml::read::<Os>(document.root());
/// assert!(problems.is_empty());
/// assert_eq!((os.firmware, os.machine.as_deref()), (Some(Firmware::Efi), Some("q35")));
/// assert_eq!(os.boot[0].dev, BootDeviceKind::Hd);
/// # Ok::<(), domain_model::SyntaxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Os {
    /// Which kind of firmware is chosen automatically; since libvirt 5.2.
    pub firmware: Option<Firmware>,
    /// What kind of system it is; the text of `<type>`; since libvirt 0.0.1.
    pub kind: Option<OsType>,
    /// The guest's architecture.
    pub arch: Option<Arch>,
    /// The machine type, by QEMU's name.
    pub machine: Option<String>,
    /// What the chosen firmware must or must not have; since libvirt 7.2.
    pub firmware_features: Vec<FirmwareFeature>,
    /// `<loader>`: the firmware itself; since libvirt 0.1.
    pub loader: Option<Loader>,
    /// `<nvram>`: where the firmware keeps its variables; since libvirt 1.2.8.
    pub nvram: Option<Nvram>,
    /// A kernel that is booted directly; a path on the host.
    pub kernel: Option<String>,
    /// The kernel's initial RAM disk; a path on the host.
    pub initrd: Option<String>,
    /// What the kernel is told.
    pub cmdline: Option<String>,
    /// The program that checks and starts the kernel under UEFI; a path on the host. Since libvirt 11.2.
    pub shim: Option<String>,
    /// A device tree; a path on the host. Since libvirt 1.0.4.
    pub dtb: Option<String>,
    /// The root device that a Xen kernel is told.
    pub root: Option<String>,
    /// ACPI tables that the guest gets besides QEMU's own; since libvirt 1.3.5.
    pub acpi_tables: Vec<AcpiTable>,
    /// Kinds of devices to boot from, in order; since libvirt 0.1.3.
    pub boot: Vec<BootDevice>,
    /// Whether the guest offers a menu of devices to boot from; since libvirt 0.8.3.
    pub bootmenu: Option<YesNo>,
    /// How long the menu waits, 0 to 65535 ms; since libvirt 1.2.8.
    pub bootmenu_timeout: Option<u32>,
    /// Whether the BIOS can be seen on the first serial port; since libvirt 0.9.4.
    pub bios_useserial: Option<YesNo>,
    /// After how long the BIOS starts over if nothing boots, up to 65535 ms, or -1 for never; since libvirt
    /// 0.10.2; since libvirt 0.10.2.
    pub bios_reboot_timeout: Option<i32>,
    /// Where the tables come from that describe the machine; since libvirt 0.8.7.
    pub smbios: Option<SmbiosMode>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Os {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.joined(&["firmware", "acpi", "smbios"]);
        xml.optional("firmware", &mut self.firmware);
        xml.nested("type", |xml| {
            xml.attribute("arch", &mut self.arch);
            xml.attribute("machine", &mut self.machine);
            xml.text(&mut self.kind);
        });
        xml.nested("firmware", |xml| xml.children("feature", &mut self.firmware_features));
        xml.child("loader", &mut self.loader);
        xml.child("nvram", &mut self.nvram);
        xml.value("kernel", &mut self.kernel);
        xml.value("initrd", &mut self.initrd);
        xml.value("cmdline", &mut self.cmdline);
        xml.value("shim", &mut self.shim);
        xml.value("dtb", &mut self.dtb);
        xml.value("root", &mut self.root);
        xml.nested("acpi", |xml| xml.children("table", &mut self.acpi_tables));
        xml.children("boot", &mut self.boot);
        xml.nested("bootmenu", |xml| {
            xml.attribute("enable", &mut self.bootmenu);
            xml.attribute("timeout", &mut self.bootmenu_timeout);
            if self.bootmenu_timeout.is_some_and(|timeout| timeout > 65535) {
                let origin = xml.at("@timeout");
                let message = "the boot menu waits 65535 ms at most";
                xml.report(Diagnostic::error(Code::Unsupported, origin, message));
            }
        });
        xml.nested("bios", |xml| {
            xml.attribute("useserial", &mut self.bios_useserial);
            xml.attribute("rebootTimeout", &mut self.bios_reboot_timeout);
            if self.bios_reboot_timeout.is_some_and(|timeout| !(-1..=65535).contains(&timeout)) {
                let origin = xml.at("@rebootTimeout");
                let message = "the BIOS waits from 0 to 65535 ms, or for ever with -1";
                xml.report(Diagnostic::error(Code::Unsupported, origin, message));
            }
        });
        xml.nested("smbios", |xml| xml.attribute("mode", &mut self.smbios));
        if X::READS {
            self.check_firmware(xml);
        }
    }
}

impl Os {
    /// Reports what does not go together in the choice of the firmware.
    fn check_firmware<X: Xml>(&self, xml: &mut X) {
        let feature = |name| {
            self.firmware_features.iter().rfind(|feature| feature.name == name).map(|feature| feature.enabled)
        };
        if feature(FirmwareFeatureName::EnrolledKeys) == Some(YesNo::Yes)
            && feature(FirmwareFeatureName::SecureBoot) == Some(YesNo::No)
        {
            let message = "firmware with `enrolled-keys` is never without `secure-boot`";
            xml.report(Diagnostic::error(Code::Conflict, xml.at("firmware"), message));
        }
        let names_part = self.loader.is_some() || self.nvram.is_some();
        let has_path = self.loader.as_ref().is_some_and(|loader| loader.path.is_some());
        if names_part && self.firmware.is_none() && !has_path {
            let origin = xml.at(if self.loader.is_some() { "loader" } else { "nvram" });
            let message = "`<loader>` needs a path, because no firmware is chosen with `<os firmware=…>`";
            xml.report(Diagnostic::error(Code::MissingElement, origin, message));
            return;
        }
        let nvram = self.nvram.as_ref();
        let has_nvram = nvram.is_some_and(|nvram| nvram.path.is_some() || nvram.source.is_some());
        let is_other = self.firmware.is_some_and(|firmware| firmware != Firmware::Efi);
        let none = Loader::default();
        let loader = self.loader.as_ref().unwrap_or(&none);
        let stores = !is_other && (self.firmware.is_some() || loader.kind == Some(LoaderType::Pflash));
        // libvirt passes over the NVRAM of a ROM that is named.
        if has_nvram && is_other || !stores && loader.stateless == Some(YesNo::No) {
            xml.report(Diagnostic::error(
                Code::Conflict,
                xml.at(if self.loader.is_some() { "loader" } else { "nvram" }),
                "only UEFI in `pflash` keeps variables in an NVRAM",
            ));
        }
        if loader.stateless == Some(YesNo::Yes)
            && (has_nvram || nvram.is_some_and(|nvram| nvram.template.is_some()))
        {
            xml.report(Diagnostic::error(
                Code::Conflict,
                xml.at("nvram"),
                "firmware that is `stateless` has no NVRAM",
            ));
        }
    }
}

/// `<feature>` of the firmware: what it must or must not have; since libvirt 7.2.
#[derive(Debug, Clone, PartialEq)]
pub struct FirmwareFeature {
    /// Whether it must be there; if not, it must not.
    pub enabled: YesNo,
    /// Which feature.
    pub name: FirmwareFeatureName,
    /// Where it was written.
    pub meta: Meta,
}

impl Default for FirmwareFeature {
    fn default() -> Self {
        FirmwareFeature {
            enabled: YesNo::Yes,
            name: FirmwareFeatureName::EnrolledKeys,
            meta: Meta::default(),
        }
    }
}

impl Element for FirmwareFeature {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("enabled", &mut self.enabled);
        xml.required("name", &mut self.name);
    }
}

/// `<loader>`: the firmware itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loader {
    /// Whether the file is only read.
    pub readonly: Option<YesNo>,
    /// Whether the firmware is protected by system management mode; since libvirt 2.1.
    pub secure: Option<YesNo>,
    /// How it is put into memory.
    pub kind: Option<LoaderType>,
    /// Whether the firmware goes without an NVRAM; since libvirt 8.6.
    pub stateless: Option<YesNo>,
    /// The format of the file.
    pub format: Option<FirmwareFormat>,
    /// The file on the host.
    pub path: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Loader {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("readonly", &mut self.readonly);
        xml.attribute("secure", &mut self.secure);
        xml.attribute("type", &mut self.kind);
        xml.attribute("stateless", &mut self.stateless);
        xml.attribute("format", &mut self.format);
        values::unless_empty(xml, &mut self.path);
    }
}

/// `<nvram>`: where the firmware keeps its variables; since libvirt 1.2.8.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nvram {
    /// The file that a new NVRAM is copied from.
    pub template: Option<String>,
    /// The format of the template; since libvirt 10.10.
    pub template_format: Option<FirmwareFormat>,
    /// The format in which the variables are kept.
    pub format: Option<FirmwareFormat>,
    /// The file on the host, if there is no `<source>`.
    pub path: Option<String>,
    /// `type` and `<source>`: where the variables are kept; since libvirt 8.5.
    pub source: Option<Source>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for Nvram {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("template", &mut self.template);
        xml.attribute("templateFormat", &mut self.template_format);
        if X::READS {
            let mut kind: Option<String> = None;
            xml.attribute("type", &mut kind);
            self.source = kind.map(|_| Source::default());
        }
        if let Some(source) = &mut self.source {
            xml.tag("type", &mut source.kind);
        }
        xml.attribute("format", &mut self.format);
        match &mut self.source {
            Some(source) => {
                let has_source = source.describe(xml);
                values::need_element(xml, has_source, "nvram", "source");
            }
            None => values::unless_empty(xml, &mut self.path),
        }
    }
}

/// `<table>` in `<acpi>`: an ACPI table in a file; since libvirt 1.3.5.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AcpiTable {
    /// Which table.
    pub kind: Option<AcpiTableType>,
    /// The file on the host.
    pub path: Option<String>,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for AcpiTable {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.attribute("type", &mut self.kind);
        values::unless_empty(xml, &mut self.path);
        if X::READS && self.kind.is_none() {
            values::missing(xml, "table", "type");
        }
    }
}

/// `<boot>` in `<os>`: a kind of device to boot from; since libvirt 0.1.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BootDevice {
    /// The kind of device.
    pub dev: BootDeviceKind,
    /// Where it was written.
    pub meta: Meta,
}

impl Element for BootDevice {
    fn meta(&mut self) -> &mut Meta {
        &mut self.meta
    }

    fn describe<X: Xml>(&mut self, xml: &mut X) {
        xml.required("dev", &mut self.dev);
    }
}
