//! The states of a guest and what moves it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::plan::{Action, Plan};
use super::words::{End, Event, Means, Notice, State, Step};
use crate::qmp;

/// The state machine of one guest. It does nothing itself: it is told what happened and says what to do.
#[derive(Debug)]
pub struct Lifecycle {
    plan: Plan,
    state: State,
    end: Option<End>,
    /// When the patience of the current state is over.
    patience: Option<Instant>,
    /// When the time of the guest is over.
    timeout: Option<Instant>,
}

impl Lifecycle {
    /// A guest whose QEMU has just been started.
    pub fn new(plan: Plan, now: Instant) -> Self {
        let timeout = plan.timeout.and_then(|time| now.checked_add(time));
        let patience = now.checked_add(plan.greeting_limit);
        Self { plan, state: State::Starting, end: None, patience, timeout }
    }

    /// The commands that have to succeed before it may run.
    pub(super) fn setup(&self) -> Vec<(String, Value)> {
        self.plan.setup.clone()
    }

    /// Where the guest is.
    pub fn state(&self) -> State {
        self.state
    }

    /// When to tell it [`Event::Deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        [self.patience, self.timeout].into_iter().flatten().min()
    }

    /// How it ended; [`End::Failed`] as long as nothing says otherwise.
    pub fn end(&self) -> End {
        self.end.clone().unwrap_or(End::Failed)
    }

    /// Takes note of what happened and says what to do, in order.
    pub fn handle(&mut self, event: &Event, now: Instant) -> Vec<Step> {
        if self.state == State::Ended {
            return Vec::new();
        }
        match event {
            Event::Negotiated => self.negotiated(),
            Event::Qmp(event) => self.reported(event, now),
            Event::Refused(command, why) => {
                let mut steps = vec![Step::Tell(Notice::Refused(command, why.clone()))];
                steps.extend(match (self.state, *command) {
                    (State::Stopping(Means::PowerDown), "system_powerdown") => {
                        self.stop(Means::Quit, None, now)
                    }
                    (State::Stopping(_), "quit") => self.stop(Means::Kill, None, now),
                    (State::Stopping(_), _) => Vec::new(),
                    // A guest that cannot be reset or resumed gets nowhere by itself.
                    _ => {
                        self.end = Some(End::Failed);
                        self.stop(Means::Quit, None, now)
                    }
                });
                steps
            }
            Event::ChannelLost => {
                // Usually the first sign of QEMU's end, which says more; without it, there is no way to talk.
                if !matches!(self.state, State::Stopping(_)) {
                    self.end = self.end.take().or(Some(End::Failed));
                    self.enter(Means::Quit, Some(Duration::from_secs(1)), now);
                }
                Vec::new()
            }
            Event::Exited(_) => {
                (self.state, self.patience, self.timeout) = (State::Ended, None, None);
                Vec::new()
            }
            Event::Deadline => self.late(now),
            Event::Signal => self.insist(now),
            Event::Stop(means, limit) => self.stop(*means, *limit, now),
        }
    }

    fn negotiated(&mut self) -> Vec<Step> {
        if self.state != State::Starting {
            return Vec::new();
        }
        (self.state, self.patience) = (State::Paused, None);
        if self.plan.start_paused { vec![Step::Tell(Notice::Paused)] } else { vec![Step::Execute("cont")] }
    }

    fn reported(&mut self, event: &qmp::Event, now: Instant) -> Vec<Step> {
        let is_stopping = matches!(self.state, State::Stopping(_));
        let guest = || event.data.get("guest").and_then(Value::as_bool);
        match event.name.as_str() {
            "RESUME" if !is_stopping => {
                // One that was kept for someone to look at may have been set going again.
                (self.state, self.end) = (State::Running, None);
                vec![Step::Tell(Notice::Running)]
            }
            "STOP" if self.state == State::Running => {
                self.state = State::Paused;
                vec![Step::Tell(Notice::Paused)]
            }
            "RESET" if guest() == Some(true) && !is_stopping => match self.plan.on_reboot {
                // QEMU has rebooted it already.
                Action::Restart => Vec::new(),
                Action::Destroy => self.finish(End::Rebooted, now),
                Action::Preserve => {
                    let mut steps = vec![Step::Execute("stop")];
                    steps.extend(self.act(Action::Preserve, End::Rebooted, now));
                    steps
                }
            },
            "GUEST_PANICKED" => {
                let info = event.data.get("info").cloned().unwrap_or(Value::Null);
                let mut steps = vec![Step::Tell(Notice::Panicked(info.clone()))];
                self.end = Some(End::Panicked(info.clone()));
                if !is_stopping {
                    steps.extend(self.act(self.plan.on_crash, End::Panicked(info), now));
                }
                steps
            }
            "GUEST_CRASHLOADED" => vec![Step::Tell(Notice::CrashKernel)],
            "BLOCK_IO_ERROR" => vec![Step::Tell(Notice::DiskFailed(event.data.clone()))],
            "SHUTDOWN" => self.shut_down(event, now),
            _ => Vec::new(),
        }
    }

    /// The machine is off. QEMU ends now by itself, unless it runs with `-no-shutdown`.
    fn shut_down(&mut self, event: &qmp::Event, now: Instant) -> Vec<Step> {
        // The reason is told since QEMU 4.0 and who wanted it since 2.10; before, it can only have been the guest.
        let reason = event.data.get("reason").and_then(Value::as_str).unwrap_or_default();
        let by_guest = event.data.get("guest").and_then(Value::as_bool).unwrap_or(true);
        if let State::Stopping(means) = self.state {
            // What was asked for has happened; what is left is QEMU's own end.
            if means == Means::PowerDown {
                self.enter(Means::Quit, None, now);
                return vec![Step::Execute("quit")];
            }
            return Vec::new();
        }
        match reason {
            // The panic itself has been reported before.
            "guest-panic" if matches!(self.end, Some(End::Panicked(_))) => Vec::new(),
            "guest-panic" => self.act(self.plan.on_crash, End::Panicked(Value::Null), now),
            // With `-no-reboot` a reboot is a shutdown.
            "guest-reset" => self.act(self.plan.on_reboot, End::Rebooted, now),
            _ if by_guest => self.act(self.plan.on_poweroff, End::PoweredOff, now),
            _ => self.finish(End::Stopped(Means::Quit), now),
        }
    }

    fn act(&mut self, action: Action, end: End, now: Instant) -> Vec<Step> {
        match action {
            Action::Destroy => self.finish(end, now),
            Action::Restart => {
                self.end = None;
                self.state = State::Paused;
                vec![Step::Execute("system_reset"), Step::Execute("cont"), Step::Tell(Notice::Restarted)]
            }
            Action::Preserve => {
                self.state = State::Preserved;
                self.end = Some(end);
                vec![Step::Tell(Notice::Preserved)]
            }
        }
    }

    /// The guest is at its end, so QEMU is to follow. Nobody has to be told that it is told to quit.
    fn finish(&mut self, end: End, now: Instant) -> Vec<Step> {
        self.end = Some(end);
        self.enter(Means::Quit, None, now);
        vec![Step::Execute("quit")]
    }

    fn late(&mut self, now: Instant) -> Vec<Step> {
        if self.timeout.is_some_and(|timeout| now >= timeout) {
            self.timeout = None;
            if !matches!(self.state, State::Stopping(_)) {
                self.end = Some(End::TimedOut);
                let mut steps = vec![Step::Tell(Notice::TimedOut)];
                steps.extend(self.stop(Means::Quit, None, now));
                return steps;
            }
        }
        if self.patience.is_none_or(|patience| now < patience) {
            return Vec::new();
        }
        match self.state {
            State::Stopping(means) => self.stop(next(means), None, now),
            // It never said a word, so it will not understand `quit`.
            State::Starting => {
                self.end = Some(End::Silent);
                self.stop(Means::Kill, None, now)
            }
            _ => {
                self.patience = None;
                Vec::new()
            }
        }
    }

    /// Someone asks again, or for the first time.
    fn insist(&mut self, now: Instant) -> Vec<Step> {
        match self.state {
            State::Stopping(means) => self.stop(next(means), None, now),
            _ => self.stop(Means::PowerDown, None, now),
        }
    }

    /// Ends the guest by these means, or by stronger ones where these cannot work.
    fn stop(&mut self, means: Means, limit: Option<Duration>, now: Instant) -> Vec<Step> {
        let means = match self.state {
            // Only a running guest hears its power button, and only a QEMU that has spoken understands `quit`.
            State::Starting => Means::Kill,
            State::Paused | State::Preserved => means.max(Means::Quit),
            // What is under way already has its limit, and keeps it.
            State::Stopping(current) if current >= means && current != Means::Kill => return Vec::new(),
            _ => means,
        };
        // A panic, a timeout, silence or a refusal stays the reason, whatever it takes to end the guest after it.
        if matches!(self.end, None | Some(End::Stopped(_) | End::PoweredOff | End::Rebooted)) {
            self.end = Some(End::Stopped(means));
        }
        self.enter(means, limit, now);
        let step = match means {
            Means::PowerDown => Step::Execute("system_powerdown"),
            Means::Quit => Step::Execute("quit"),
            Means::Kill => Step::Kill,
        };
        vec![Step::Tell(Notice::Stopping(means)), step]
    }

    fn enter(&mut self, means: Means, limit: Option<Duration>, now: Instant) {
        let limit = limit.unwrap_or(match means {
            Means::PowerDown => self.plan.powerdown_limit,
            Means::Quit => self.plan.quit_limit,
            Means::Kill => Duration::from_secs(5),
        });
        self.state = State::Stopping(means);
        self.patience = now.checked_add(limit);
    }
}

fn next(means: Means) -> Means {
    match means {
        Means::PowerDown => Means::Quit,
        Means::Quit | Means::Kill => Means::Kill,
    }
}

#[cfg(test)]
mod tests {
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
            "cont (Running) (Stopping(PowerDown)) system_powerdown -> Stopping(PowerDown) Stopped(PowerDown) Some(32)",
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
            "cont (Running) (Stopping(PowerDown)) system_powerdown -> Stopping(PowerDown) Stopped(PowerDown) Some(49)",
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
            &after_running(&[
                (2, Event::Stop(Means::Quit, Some(Duration::from_secs(1)))),
                (3, Event::Deadline),
            ]),
            "cont (Running) (Stopping(Quit)) quit (Stopping(Kill)) KILL -> Stopping(Kill) Stopped(Kill) Some(8)",
        );
    }
}
