//! `domx stop`: the end of a guest.

use std::time::Duration;

use runner::control::{Farewell, Request};
use runner::supervise::Means;

use crate::args;
use crate::guests;
use crate::report::{Report, Status, Stop};

/// How long QEMU's end may take, be it told to quit or killed: the supervisor's own limits, and some more.
const QEMU: Duration = Duration::from_secs(20);

/// Ends a guest and waits for it.
pub fn run(args: &args::Stop, report: &Report) -> Result<Status, Stop> {
    let mut supervisor = guests::supervisor(&args.name)?;
    let (means, limit_ms) = match args.force {
        true => (Means::Quit, None),
        false => (Means::PowerDown, Some(u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX))),
    };
    let refused = |error| guests::unanswered(&args.name, &error);
    supervisor.ask(&Request::Stop { means, limit_ms }, guests::ANSWER).map_err(refused)?;
    let farewell = supervisor.next(args.timeout.saturating_add(QEMU)).map_err(refused)?;
    let farewell: Farewell = serde_json::from_value(farewell).map_err(|error| {
        Stop::new(Status::Failed, format!("`{}` ended, and nobody knows how: {error}", args.name))
    })?;
    let how = match (farewell.means, means) {
        (Some(Means::Quit), Means::PowerDown) => "QEMU was told to quit, as the guest did not power down",
        (Some(Means::Kill), _) => "QEMU was killed, as it did not quit",
        (Some(Means::Quit), _) => "QEMU was told to quit",
        (Some(Means::PowerDown), _) => "it powered down",
        // Something else was faster, or came before: `panicked`, `timed out`.
        (None, _) => &farewell.end,
    };
    report.note(&format!("`{}` has ended: {how} ({})", args.name, farewell.status));
    Ok(Status::Ok)
}
