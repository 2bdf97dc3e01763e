//! What runs a guest: KVM or translation.

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
            return Err(Stop::new(Status::Unsupported, format!("cannot open `/dev/kvm`: {error}")));
        }
        (AccelName::Auto, DomainType::Kvm, Some(error)) => {
            report.warning(&format!(
                "cannot open `/dev/kvm` ({error}); the guest runs under TCG, which is slow"
            ));
            translate(domain, report);
        }
        (AccelName::Kvm, ..) => domain.kind = DomainType::Kvm,
        (AccelName::Auto, ..) => {}
    }
    Ok(if domain.kind == DomainType::Kvm { "KVM" } else { "TCG" })
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
