//! What runs a guest: KVM or translation.

use std::io;

use domain_model::cpu::CpuMode;
use domain_model::{Domain, DomainType};

use crate::args::AccelName;
use crate::host;
use crate::report::{Report, Status, Stop};

/// Decides what runs the guest, changes the domain to match, and says what it is.
pub(super) fn choose(domain: &mut Domain, wanted: AccelName, report: &Report) -> Result<&'static str, Stop> {
    let why_not = host::why_no_kvm();
    match (wanted, domain.kind, why_not) {
        (AccelName::Tcg, ..) => translate(domain, report),
        (AccelName::Kvm, _, Some(error)) => {
            return Err(Stop::new(Status::Unsupported, format!("{}; {}", unusable(&error), help(&error))));
        }
        (AccelName::Auto, DomainType::Kvm, Some(error)) => {
            let (why, help) = (unusable(&error), help(&error));
            report.warning(&format!("{why}, so that the guest runs under TCG, which is slow; {help}"));
            translate(domain, report);
        }
        (AccelName::Kvm, ..) => domain.kind = DomainType::Kvm,
        (AccelName::Auto, ..) => {}
    }
    Ok(if domain.kind == DomainType::Kvm { "KVM" } else { "TCG" })
}

fn unusable(error: &io::Error) -> String {
    format!("cannot open `/dev/kvm`: {error}")
}

/// What would let this user have KVM.
fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the user has to be in the group that it belongs to, usually `kvm`"
        }
        io::ErrorKind::NotFound => {
            "the kernel has no KVM here: it needs the module `kvm_intel` or `kvm_amd`, and virtualization switched on \
             in the firmware; a container needs the device"
        }
        _ => "something else may use the processor's virtualization",
    }
}

/// Makes a domain that QEMU's own translation can run.
fn translate(domain: &mut Domain, report: &Report) {
    domain.kind = DomainType::Qemu;
    if let Some(cpu) = &mut domain.cpu
        && matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::HostModel))
    {
        report.warning("TCG cannot pass on the host's CPU; the guest gets all that TCG can do (`max`)");
        cpu.mode = Some(CpuMode::Maximum);
        cpu.migratable = None;
        cpu.model = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_not_use_kvm_is_told_what_would_help() {
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, "group that it belongs to, usually `kvm`"),
            (io::ErrorKind::NotFound, "`kvm_intel` or `kvm_amd`"),
            (io::ErrorKind::ResourceBusy, "something else"),
        ] {
            let error = io::Error::from(kind);
            assert!(help(&error).contains(expected), "{kind}");
            assert!(unusable(&error).starts_with("cannot open `/dev/kvm`: "), "{kind}");
        }
    }
}
