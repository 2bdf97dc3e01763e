//! What kind of machine a machine type is.

use domain_model::Domain;
use domain_model::os::Arch;

/// The boards whose built-in devices and buses matter to addresses and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Board {
    /// A PC with the 440FX and PIIX3 chips: QEMU's `pc`.
    I440fx,
    /// A PC with the Q35 and ICH9 chips.
    Q35,
    /// A PC of the time before PCI.
    Isapc,
    /// An x86 machine of virtio-mmio devices only.
    Microvm,
    /// Any other PC.
    Pc,
    /// The `virt` machine of Arm.
    ArmVirt,
    /// The `virt` machine of RISC-V.
    RiscvVirt,
    /// LoongArch, which has only a `virt` machine.
    LoongarchVirt,
    /// Arm's `versatilepb`, which has PCI and USB built in.
    Versatile,
    /// Arm's RealView boards, which have USB and only seemingly PCI.
    Realview,
    /// Arm's Versatile Express boards.
    Vexpress,
    /// pSeries.
    Pseries,
    /// Other 64-bit PowerPC machines, such as `powernv9` or `mac99`.
    Ppc64,
    /// IBM Z with channel I/O.
    S390Ccw,
    /// MIPS's Malta.
    Malta,
    /// Any other MIPS machine.
    Mips,
    /// Machines of architectures that QEMU gives a PCI bus and USB: Alpha, PowerPC, SuperH, SPARC64.
    WithPci,
    /// Arm and RISC-V boards of which libvirt knows no PCI bus.
    Bare,
    /// Anything else. There is no PCI bus, and PCI devices ask for one.
    Other,
}

impl Board {
    /// The board of a domain whose architecture and machine type are filled in.
    pub(crate) fn of(domain: &Domain) -> Self {
        let machine = domain.os.machine.as_deref().unwrap_or_default();
        let versioned = |name: &str| {
            machine.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        match domain.os.arch.unwrap_or(Arch::X86_64) {
            Arch::X86_64 | Arch::I686 => match machine {
                _ if crate::os::is_q35(domain) => Board::Q35,
                "isapc" => Board::Isapc,
                "microvm" => Board::Microvm,
                _ if crate::os::is_i440fx(domain) => Board::I440fx,
                _ => Board::Pc,
            },
            Arch::Armv6l | Arch::Armv7l | Arch::Armv7b | Arch::Aarch64 => match machine {
                _ if versioned("virt") => Board::ArmVirt,
                "versatilepb" => Board::Versatile,
                _ if machine.starts_with("realview-") => Board::Realview,
                _ if machine.starts_with("vexpress-") => Board::Vexpress,
                _ => Board::Bare,
            },
            Arch::Riscv32 | Arch::Riscv64 if versioned("virt") => Board::RiscvVirt,
            Arch::Riscv32 | Arch::Riscv64 => Board::Bare,
            Arch::Loongarch64 => Board::LoongarchVirt,
            Arch::Ppc64 | Arch::Ppc64le if versioned("pseries") => Board::Pseries,
            Arch::Ppc64 | Arch::Ppc64le => Board::Ppc64,
            Arch::S390 | Arch::S390x => Board::S390Ccw,
            Arch::Mips | Arch::Mipsel | Arch::Mips64 | Arch::Mips64el => match machine {
                "malta" => Board::Malta,
                _ => Board::Mips,
            },
            Arch::Alpha | Arch::Ppc | Arch::Ppcemb | Arch::Sh4 | Arch::Sh4eb | Arch::Sparc64 => {
                Board::WithPci
            }
            _ => Board::Other,
        }
    }

    /// Whether PCI devices get addresses; on boards without PCI, addresses stay as they were written.
    pub(crate) fn has_pci(self) -> bool {
        !matches!(self, Board::Vexpress | Board::Realview | Board::Bare)
    }

    /// Whether the guest is an Arm machine.
    pub(crate) fn is_arm(domain: &Domain) -> bool {
        matches!(domain.os.arch, Some(Arch::Armv6l | Arch::Armv7l | Arch::Armv7b | Arch::Aarch64))
    }

    /// Whether the machine has a SCSI controller of model NCR 53C90 built in.
    pub(crate) fn has_ncr53c90(domain: &Domain) -> bool {
        let machine = domain.os.machine.as_deref().unwrap_or_default();
        match domain.os.arch {
            Some(Arch::Mips | Arch::Mipsel | Arch::Mips64 | Arch::Mips64el) => {
                matches!(machine, "magnum" | "pica61")
            }
            Some(Arch::M68k) => machine == "q800",
            Some(Arch::Sparc) => true,
            _ => false,
        }
    }
}
