//! CPUs of POWER guests: the host's own, or an older one's mode.

use domain_model::cpu::{Cpu, CpuCheck, CpuMode};
use domain_model::{Code, Diagnostic};

use crate::resolve::Resolving;

/// The generations of POWER that a newer one can act as.
const GENERATIONS: std::ops::RangeInclusive<u32> = 6..=10;

/// The generation in a name such as `POWER9` (a CPU) or `power9` (a mode).
fn generation(name: &str, prefix: &str) -> Option<u32> {
    let number = name.strip_prefix(prefix)?.parse().ok()?;
    GENERATIONS.contains(&number).then_some(number)
}

/// Refuses a CPU that the host's cannot act as.
pub(super) fn check(cpu: &Cpu, cx: &Resolving<'_>) -> Result<(), Diagnostic> {
    let wanted = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let (Some(CpuCheck::Partial), Some(wanted), Some(host)) = (cpu.check, wanted, cx.inputs.host.cpu())
    else {
        return Ok(());
    };
    let refuse = |code, message: String| Err(Diagnostic::error(code, cpu.meta.at("model"), message));
    if cpu.mode != Some(CpuMode::HostModel) {
        if wanted.eq_ignore_ascii_case(&host.model) {
            return Ok(());
        }
        let message = format!("the host's CPU is a `{}`, not a `{wanted}`", host.model);
        return refuse(Code::CpuIncompatible, message);
    }
    match (generation(&host.model, "POWER"), generation(wanted, "power")) {
        (Some(host), Some(mode)) if mode <= host => Ok(()),
        (Some(_), Some(_)) => {
            let message = format!("the host's CPU, a `{}`, cannot act as the newer `{wanted}`", host.model);
            refuse(Code::CpuIncompatible, message)
        }
        (None, _) => {
            let message = format!("the host's CPU, a `{}`, acts as no other", host.model);
            refuse(Code::HostFact, message)
        }
        (_, None) => {
            let message = format!("`{wanted}` is no mode of POWER CPUs; `power6` to `power10` are");
            refuse(Code::HostFact, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_in_the_names() {
        let check =
            |name: &str, expected: Option<u32>| assert_eq!(generation(name, "POWER"), expected, "{name}");
        check("POWER9", Some(9));
        check("POWER10", Some(10));
        check("POWER5", None);
        check("power9", None);
        check("POWERPC_e5500", None);
    }
}
