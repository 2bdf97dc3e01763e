//! What the name of the program says of the machine.

use domain_model::DomainType;
use domain_model::os::{Arch, OsType};

use super::Importing;
use crate::os::qemu_word;

/// Fills in what the name of the binary says; `unnamed` is the architecture of a plain `qemu`.
pub(super) fn read(cx: &mut Importing<'_>, unnamed: Arch) {
    let path = cx.program.clone();
    let base = path.rsplit('/').next().unwrap_or_default().to_owned();
    cx.domain.os.kind = Some(OsType::Hvm);
    // Xenner runs guests for Xen on KVM.
    let is_xenner = base.contains("xenner");
    let is_kvm = base.contains("kvm") || is_xenner;
    if is_xenner {
        cx.domain.os.kind = Some(OsType::Xen);
    }
    cx.domain.kind = if is_kvm { DomainType::Kvm } else { DomainType::Qemu };
    cx.domain.os.arch = match base.strip_prefix("qemu-system-") {
        Some(word) => {
            let exact = Arch::ALL.iter().find(|arch| arch.as_str() == word);
            exact.or_else(|| Arch::ALL.iter().find(|arch| qemu_word(**arch) == word)).copied()
        }
        None if is_kvm => Some(Arch::X86_64),
        None => Some(unnamed),
    };
    cx.domain.devices.emulator = (!path.is_empty()).then_some(path);
}
