//! The plan for a guest, from domain and command line.

use domain_model::Domain;
use domain_model::pm::LifecycleAction;
use runner::supervise::{Action, Plan};

use crate::args::Run;
use crate::report::Report;

/// The plan for a guest.
pub(super) fn plan(domain: &Domain, args: &Run, report: &Report) -> Plan {
    Plan {
        on_poweroff: action(domain.on_poweroff, Action::Destroy, report),
        on_reboot: action(domain.on_reboot, Action::Restart, report),
        on_crash: action(domain.on_crash, Action::Destroy, report),
        timeout: args.timeout,
        ..Plan::default()
    }
}

fn action(action: Option<LifecycleAction>, default: Action, report: &Report) -> Action {
    let Some(action) = action else { return default };
    if matches!(action, LifecycleAction::CoredumpDestroy | LifecycleAction::CoredumpRestart) {
        report.warning(&format!("the guest's memory is not dumped yet, whatever `{}` says", action.as_str()));
    }
    match action {
        LifecycleAction::Restart | LifecycleAction::RenameRestart | LifecycleAction::CoredumpRestart => {
            Action::Restart
        }
        LifecycleAction::Destroy | LifecycleAction::CoredumpDestroy => Action::Destroy,
        LifecycleAction::Preserve => Action::Preserve,
    }
}
