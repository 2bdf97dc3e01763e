//! The plan for a guest, from domain and command line.

use domain_model::Domain;
use domain_model::device::watchdog::WatchdogAction;
use domain_model::pm::LifecycleAction;
use runner::supervise::{Action, Dumps, Plan};

use crate::args::Run;
use crate::state;

/// The plan for a guest.
pub(super) fn plan(domain: &Domain, args: &Run) -> Plan {
    let dump_on_crash =
        matches!(domain.on_crash, Some(LifecycleAction::CoredumpDestroy | LifecycleAction::CoredumpRestart));
    // All watchdogs of a guest have the same action.
    let watchdog = domain.devices.watchdogs.first().and_then(|watchdog| watchdog.spec.action);
    let dump_on_watchdog = watchdog == Some(WatchdogAction::Dump);
    Plan {
        on_poweroff: action(domain.on_poweroff, Action::Destroy),
        on_reboot: action(domain.on_reboot, Action::Restart),
        on_crash: action(domain.on_crash, Action::Destroy),
        dumps: dumps(domain).filter(|_| dump_on_crash || dump_on_watchdog),
        dump_on_crash,
        dump_on_watchdog,
        timeout: args.timeout,
        ..Plan::default()
    }
}

/// Where the guest's memory can be written to; what an earlier run of this guest could not finish is removed.
fn dumps(domain: &Domain) -> Option<Dumps> {
    let dumps = Dumps::of(domain.name.as_deref()?, state::directory()?.join("dump"));
    dumps.sweep();
    Some(dumps)
}

fn action(action: Option<LifecycleAction>, default: Action) -> Action {
    match action {
        None => default,
        Some(
            LifecycleAction::Restart | LifecycleAction::RenameRestart | LifecycleAction::CoredumpRestart,
        ) => Action::Restart,
        Some(LifecycleAction::Destroy | LifecycleAction::CoredumpDestroy) => Action::Destroy,
        Some(LifecycleAction::Preserve) => Action::Preserve,
    }
}
