//! What moves a guest, and what it causes.

use serde_json::json;

use super::*;
use crate::process::Status;

fn qmp(name: &str, data: Value) -> Event {
    Event::Qmp(qmp::Event { name: name.into(), data })
}

/// Plays events, each some seconds after the start, and writes down what they cause.
fn check(plan: Plan, events: &[(u64, Event)], expected: &str) {
    let start = Instant::now();
    let mut guest = Lifecycle::new(plan, start);
    let mut log = Vec::new();
    for (seconds, event) in events {
        let now = start + Duration::from_secs(*seconds);
        for step in guest.handle(event, now) {
            log.push(match step {
                Step::Execute(command) => command.to_owned(),
                Step::Kill => "KILL".to_owned(),
                Step::Dump => "DUMP".to_owned(),
                Step::AskForDump => "HOW-FAR".to_owned(),
                Step::EndDump(result) => format!("{result:?}"),
                Step::Tell(notice) => format!("({notice:?})"),
            });
        }
    }
    let left = guest.deadline().map(|at| (at - start).as_secs());
    assert_eq!(format!("{} -> {:?} {:?} {left:?}", log.join(" "), guest.state(), guest.end()), expected);
}

fn running() -> Vec<(u64, Event)> {
    vec![(1, Event::Negotiated), (1, qmp("RESUME", Value::Null))]
}

fn after_running(more: &[(u64, Event)]) -> Vec<(u64, Event)> {
    running().into_iter().chain(more.iter().cloned()).collect()
}

fn shutdown(guest: bool, reason: &str) -> Event {
    qmp("SHUTDOWN", json!({"guest": guest, "reason": reason}))
}

const EXIT: Event = Event::Exited(Status::Code(0));

#[test]
fn starts_and_ends_by_itself() {
    let plan = Plan::default;
    check(plan(), &[], " -> Starting Failed Some(30)");
    check(plan(), &[(2, Event::Exited(Status::Code(1)))], " -> Ended Failed None");
    check(plan(), &[(30, Event::Deadline)], "(Stopping(Kill)) KILL -> Stopping(Kill) Silent Some(35)");
    check(plan(), &running(), "cont (Running) -> Running Failed None");
    let paused = Plan { start_paused: true, ..plan() };
    check(paused.clone(), &[(1, Event::Negotiated)], "(Paused) -> Paused Failed None");
    check(paused, &running(), "(Paused) (Running) -> Running Failed None");
    check(
        plan(),
        &after_running(&[(5, shutdown(true, "guest-shutdown"))]),
        "cont (Running) quit -> Stopping(Quit) PoweredOff Some(10)",
    );
    check(
        plan(),
        &after_running(&[(5, qmp("SHUTDOWN", Value::Null)), (5, EXIT)]),
        "cont (Running) quit -> Ended PoweredOff None",
    );
    check(plan(), &after_running(&[(5, EXIT)]), "cont (Running) -> Ended Failed None");
    check(
        plan(),
        &after_running(&[(5, shutdown(false, "host-signal")), (5, EXIT)]),
        "cont (Running) quit -> Ended Stopped(Quit) None",
    );
    check(
        plan(),
        &after_running(&[(2, qmp("STOP", Value::Null))]),
        "cont (Running) (Paused) -> Paused Failed None",
    );
}

#[test]
fn stops_politely_then_firmly() {
    let plan = Plan::default;
    check(
        plan(),
        &after_running(&[(2, Event::Signal)]),
        "cont (Running) (Stopping(PowerDown)) system_powerdown -> Stopping(PowerDown) Stopped(PowerDown) Some(2)",
    );
    check(
        plan(),
        &after_running(&[(2, Event::Signal), (3, shutdown(true, "guest-shutdown")), (3, EXIT)]),
        "cont (Running) (Stopping(PowerDown)) system_powerdown quit -> Ended Stopped(PowerDown) None",
    );
    check(
        plan(),
        &after_running(&[(2, Event::Signal), (3, Event::Signal), (4, Event::Signal)]),
        "cont (Running) (Stopping(PowerDown)) system_powerdown (Stopping(Quit)) quit (Stopping(Kill)) KILL \
         -> Stopping(Kill) Stopped(Kill) Some(9)",
    );
    check(
        plan(),
        &after_running(&[(2, Event::Signal), (32, Event::Deadline), (37, Event::Deadline)]),
        "cont (Running) (Stopping(PowerDown)) system_powerdown (Stopping(Quit)) quit (Stopping(Kill)) KILL \
         -> Stopping(Kill) Stopped(Kill) Some(42)",
    );
    check(plan(), &[(1, Event::Signal)], "(Stopping(Kill)) KILL -> Stopping(Kill) Stopped(Kill) Some(6)");
}

#[test]
fn presses_the_power_button_until_the_guest_reacts() {
    let start = Instant::now();
    let mut guest = Lifecycle::new(Plan::default(), start);
    running().iter().for_each(|(_, event)| drop(guest.handle(event, start)));
    guest.handle(&Event::Signal, start);
    let mut presses = Vec::new();
    while let Some(at) = guest.deadline().filter(|_| guest.state() == State::Stopping(Means::PowerDown)) {
        if guest.handle(&Event::Deadline, at) == [Step::Execute("system_powerdown")] {
            presses.push((at - start).as_millis());
        }
    }
    assert_eq!(presses, [250, 750, 1750, 3750, 7750, 11750, 15750, 19750, 23750, 27750]);
    assert_eq!(guest.state(), State::Stopping(Means::Quit), "at its limit");
}

#[test]
fn bounds_the_life_of_a_guest() {
    let plan = Plan { timeout: Some(Duration::from_secs(20)), ..Plan::default() };
    check(plan.clone(), &running(), "cont (Running) -> Running Failed Some(20)");
    check(
        plan.clone(),
        &after_running(&[(20, Event::Deadline), (25, Event::Deadline), (25, EXIT)]),
        "cont (Running) (TimedOut) (Stopping(Quit)) quit (Stopping(Kill)) KILL -> Ended TimedOut None",
    );
    check(
        plan.clone(),
        &[(20, Event::Deadline)],
        "(TimedOut) (Stopping(Kill)) KILL -> Stopping(Kill) TimedOut Some(25)",
    );
    // A timeout does not cut short a stop that is under way.
    check(
        plan,
        &after_running(&[(19, Event::Signal), (20, Event::Deadline)]),
        "cont (Running) (Stopping(PowerDown)) system_powerdown system_powerdown -> Stopping(PowerDown) Stopped(PowerDown) Some(20)",
    );
}

#[test]
fn follows_the_actions_of_the_plan() {
    let panic = || qmp("GUEST_PANICKED", json!({"action": "pause", "info": {"type": "x"}}));
    let off = || shutdown(true, "guest-shutdown");
    let reset = || qmp("RESET", json!({"guest": true, "reason": "guest-reset"}));
    let plan =
        |on_poweroff, on_reboot, on_crash| Plan { on_poweroff, on_reboot, on_crash, ..Plan::default() };
    use Action::{Destroy, Preserve, Restart};
    let restarts = plan(Restart, Restart, Restart);
    check(
        restarts.clone(),
        &after_running(&[(2, off()), (3, qmp("RESUME", Value::Null))]),
        "cont (Running) system_reset cont (Restarted) (Running) -> Running Failed None",
    );
    check(restarts.clone(), &after_running(&[(2, reset())]), "cont (Running) -> Running Failed None");
    // The firmware resets a machine once more that it finds reset, at once; whoever does it later reboots.
    let resumed = || qmp("RESUME", Value::Null);
    let events = |more: &[(u64, Event)]| {
        let twice = [(2, off()), (3, resumed()), (3, reset()), (3, reset())];
        after_running(&[&twice, more].concat())
    };
    let once = plan(Restart, Destroy, Destroy);
    let again = "cont (Running) system_reset cont (Restarted) (Running)";
    check(once.clone(), &events(&[]), &format!("{again} -> Running Failed None"));
    check(
        once.clone(),
        &events(&[(4, reset())]),
        &format!("{again} quit -> Stopping(Quit) Rebooted Some(9)"),
    );
    let late = after_running(&[(2, off()), (3, resumed()), (5, reset())]);
    check(once, &late, &format!("{again} quit -> Stopping(Quit) Rebooted Some(10)"));
    check(
        restarts,
        &after_running(&[(2, panic())]),
        "cont (Running) (Panicked(Object {\"type\": String(\"x\")})) system_reset cont (Restarted) -> Paused Failed None",
    );
    let destroys = plan(Destroy, Destroy, Destroy);
    check(
        destroys.clone(),
        &after_running(&[(2, reset()), (2, shutdown(false, "host-qmp-quit")), (2, EXIT)]),
        "cont (Running) quit -> Ended Rebooted None",
    );
    check(
        destroys.clone(),
        &after_running(&[(2, shutdown(true, "guest-reset"))]),
        "cont (Running) quit -> Stopping(Quit) Rebooted Some(7)",
    );
    check(
        destroys.clone(),
        &after_running(&[(2, panic()), (2, shutdown(true, "guest-panic")), (2, EXIT)]),
        "cont (Running) (Panicked(Object {\"type\": String(\"x\")})) quit -> Ended Panicked(Object {\"type\": String(\"x\")}) None",
    );
    check(
        destroys,
        &after_running(&[(2, shutdown(true, "guest-panic"))]),
        "cont (Running) quit -> Stopping(Quit) Panicked(Null) Some(7)",
    );
    let preserves = plan(Preserve, Preserve, Preserve);
    check(
        preserves.clone(),
        &after_running(&[(2, off()), (3, Event::Signal)]),
        "cont (Running) (Preserved) (Stopping(Quit)) quit -> Stopping(Quit) Stopped(Quit) Some(8)",
    );
    check(
        preserves,
        &after_running(&[(2, reset()), (2, qmp("STOP", Value::Null))]),
        "cont (Running) stop (Preserved) -> Preserved Rebooted None",
    );
}

#[test]
fn writes_memory_before_it_acts() {
    let dumps = || Some(crate::supervise::Dumps::of("g", "/dumps".into()));
    let panic = || qmp("GUEST_PANICKED", Value::Null);
    let written = || qmp("DUMP_COMPLETED", json!({"result": {"status": "completed"}}));
    let plan = |on_crash| Plan { on_crash, dumps: dumps(), dump_on_crash: true, ..Plan::default() };
    let destroys = || plan(Action::Destroy);
    check(
        destroys(),
        &after_running(&[(2, panic()), (3, Event::Deadline), (3, written())]),
        "cont (Running) (Panicked(Null)) DUMP HOW-FAR Ok(()) quit -> Stopping(Quit) Panicked(Null) Some(8)",
    );
    // QEMU may have begun before the guest stood still, and resumes it then.
    check(
        plan(Action::Restart),
        &after_running(&[(2, panic()), (3, qmp("RESUME", Value::Null)), (3, written())]),
        "cont (Running) (Panicked(Null)) DUMP Ok(()) system_reset cont (Restarted) -> Paused Failed None",
    );
    let failed = qmp("DUMP_COMPLETED", json!({"result": {"status": "failed"}, "error": "disk full"}));
    check(
        destroys(),
        &after_running(&[(2, panic()), (3, failed)]),
        "cont (Running) (Panicked(Null)) DUMP Err(\"disk full\") quit -> Stopping(Quit) Panicked(Null) Some(8)",
    );
    check(
        plan(Action::Restart),
        &after_running(&[
            (2, panic()),
            (2, Event::DumpFailed("no".into())),
            (2, Event::DumpFailed("no".into())),
        ]),
        "cont (Running) (Panicked(Null)) DUMP Err(\"no\") system_reset cont (Restarted) -> Paused Failed None",
    );
    // As long as QEMU gets on, it has time.
    check(
        plan(Action::Restart),
        &after_running(&[
            (2, panic()),
            (30, Event::DumpedSoFar(9)),
            (32, Event::Deadline),
            (50, Event::DumpedSoFar(9)),
            (60, Event::Deadline),
        ]),
        "cont (Running) (Panicked(Null)) DUMP HOW-FAR Err(\"QEMU does not get on with it\") quit \
         -> Stopping(Quit) Panicked(Null) Some(65)",
    );
    check(
        destroys(),
        &after_running(&[(2, panic()), (3, Event::Signal), (4, written())]),
        "cont (Running) (Panicked(Null)) DUMP Err(\"the guest is ended before\") (Stopping(Quit)) quit \
         -> Stopping(Quit) Panicked(Null) Some(8)",
    );
    let watchdog = || qmp("WATCHDOG", json!({"action": "pause"}));
    check(Plan::default(), &after_running(&[(2, watchdog())]), "cont (Running) -> Running Failed None");
    check(
        Plan { dumps: dumps(), dump_on_watchdog: true, ..Plan::default() },
        &after_running(&[(2, watchdog()), (3, written()), (3, qmp("RESUME", Value::Null))]),
        "cont (Running) (Hanging) DUMP Ok(()) cont (Running) -> Running Failed None",
    );
}

#[test]
fn copes_with_refusals_and_a_lost_channel() {
    let refused = |command| Event::Refused(command, "no".into());
    check(
        Plan::default(),
        &[(1, Event::Negotiated), (1, refused("cont"))],
        "cont (Refused(\"cont\", \"no\")) (Stopping(Quit)) quit -> Stopping(Quit) Failed Some(6)",
    );
    check(
        Plan::default(),
        &after_running(&[(2, Event::Signal), (2, refused("system_powerdown")), (2, refused("quit"))]),
        "cont (Running) (Stopping(PowerDown)) system_powerdown (Refused(\"system_powerdown\", \"no\")) \
         (Stopping(Quit)) quit (Refused(\"quit\", \"no\")) (Stopping(Kill)) KILL -> Stopping(Kill) Stopped(Kill) Some(7)",
    );
    check(
        Plan::default(),
        &after_running(&[(2, Event::ChannelLost)]),
        "cont (Running) -> Stopping(Quit) Failed Some(3)",
    );
    check(
        Plan::default(),
        &after_running(&[(2, Event::Stop(Means::Quit, Some(Duration::from_secs(1)))), (3, Event::Deadline)]),
        "cont (Running) (Stopping(Quit)) quit (Stopping(Kill)) KILL -> Stopping(Kill) Stopped(Kill) Some(8)",
    );
}
