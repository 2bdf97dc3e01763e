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
    /// When the power button is pressed again, and how long after the time before.
    press: Option<(Instant, Duration)>,
    /// Until when a reset is that of the firmware of a machine which we have reset.
    firmware: Option<Instant>,
    dump: Dump,
}

/// What is under way while memory is written.
#[derive(Debug, Default)]
struct Dump {
    /// What is done then; without it, the guest runs on.
    then: Option<(Action, End)>,
    /// How much was written when it was asked last.
    written: u64,
    /// When QEMU's time to get on is over.
    limit: Option<Instant>,
}

/// How often QEMU is asked how far it is.
const ASKING: Duration = Duration::from_secs(1);
/// The power button is pressed again after this time, then after twice that, and so on. QEMU forgets what a guest that
/// is still booting has not asked to be told of, and nobody says whether it was heard.
const FIRST_PRESS: Duration = Duration::from_millis(250);
/// How long after a reset from outside the firmware may reset the machine once more: SeaBIOS does so with its first
/// instructions where it finds that it has booted before, and nobody has rebooted then.
const FIRMWARE: Duration = Duration::from_secs(2);
/// It may do so in more than one way, one right after the other. Who reboots later has been booted again.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The longest time between two presses.
const LAST_PRESS: Duration = Duration::from_secs(4);

impl Lifecycle {
    /// A guest whose QEMU has just been started.
    pub fn new(plan: Plan, now: Instant) -> Self {
        let timeout = plan.timeout.and_then(|time| now.checked_add(time));
        let patience = now.checked_add(plan.greeting_limit);
        let (end, press, firmware, dump) = (None, None, None, Dump::default());
        Self { plan, state: State::Starting, end, patience, timeout, press, firmware, dump }
    }

    /// What is to happen with it.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the guest is.
    pub fn state(&self) -> State {
        self.state
    }

    /// When to tell it [`Event::Deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        [self.patience, self.timeout, self.press.map(|(next, _)| next)].into_iter().flatten().min()
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
            Event::DumpedSoFar(written) => {
                if self.state == State::Dumping && *written > self.dump.written {
                    self.dump.written = *written;
                    self.dump.limit = self.dump_limit(now);
                }
                Vec::new()
            }
            Event::DumpFailed(why) if self.state == State::Dumping => self.dumped(Err(why.clone()), now),
            Event::DumpFailed(_) => Vec::new(),
            Event::ChannelLost => {
                // Usually the first sign of QEMU's end, which says more; without it, there is no way to talk.
                if !matches!(self.state, State::Stopping(_)) {
                    self.end = self.end.take().or(Some(End::Failed));
                    self.enter(Means::Quit, Some(Duration::from_secs(1)), now);
                }
                Vec::new()
            }
            Event::Exited(_) => {
                self.state = State::Ended;
                (self.patience, self.timeout, self.press) = (None, None, None);
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
        // A dump that QEMU has begun while the guest was still on its way to a standstill ends by resuming it.
        let is_stopping = matches!(self.state, State::Stopping(_) | State::Dumping);
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
            "RESET" if guest() == Some(true) && self.is_firmwares(now) => Vec::new(),
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
                    steps.extend(self.crashed(info, now));
                }
                steps
            }
            "WATCHDOG" if self.plan.dump_on_watchdog && !is_stopping => {
                let mut steps = vec![Step::Tell(Notice::Hanging)];
                steps.extend(self.begin_dump(None, now));
                steps
            }
            "DUMP_COMPLETED" if self.state == State::Dumping => {
                let error = event.data.get("error").and_then(Value::as_str);
                self.dumped(error.map_or(Ok(()), |error| Err(error.to_owned())), now)
            }
            "GUEST_CRASHLOADED" => vec![Step::Tell(Notice::CrashKernel)],
            "BLOCK_IO_ERROR" => vec![Step::Tell(Notice::DiskFailed(event.data.clone()))],
            "SHUTDOWN" => self.shut_down(event, now),
            _ => Vec::new(),
        }
    }

    /// Whether a reset that has just been reported is the firmware's, of a machine that we have reset.
    fn is_firmwares(&mut self, now: Instant) -> bool {
        let Some(until) = self.firmware.filter(|until| now < *until) else { return false };
        self.firmware = now.checked_add(AT_ONCE).map(|soon| soon.min(until));
        true
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
            "guest-panic" => self.crashed(Value::Null, now),
            // With `-no-reboot` a reboot is a shutdown.
            "guest-reset" => self.act(self.plan.on_reboot, End::Rebooted, now),
            _ if by_guest => self.act(self.plan.on_poweroff, End::PoweredOff, now),
            _ => self.finish(End::Stopped(Means::Quit), now),
        }
    }

    fn crashed(&mut self, info: Value, now: Instant) -> Vec<Step> {
        let (action, end) = (self.plan.on_crash, End::Panicked(info));
        if self.plan.dump_on_crash {
            return self.begin_dump(Some((action, end)), now);
        }
        self.act(action, end, now)
    }

    fn begin_dump(&mut self, then: Option<(Action, End)>, now: Instant) -> Vec<Step> {
        self.state = State::Dumping;
        self.dump = Dump { then, written: 0, limit: self.dump_limit(now) };
        self.patience = now.checked_add(ASKING);
        vec![Step::Dump]
    }

    fn dump_limit(&self, now: Instant) -> Option<Instant> {
        now.checked_add(self.plan.dumps.as_ref()?.patience)
    }

    /// The dump is complete, or will never be.
    fn dumped(&mut self, result: Result<(), String>, now: Instant) -> Vec<Step> {
        (self.state, self.patience) = (State::Paused, None);
        let mut steps = vec![Step::EndDump(result)];
        steps.extend(match std::mem::take(&mut self.dump).then {
            Some((action, end)) => self.act(action, end, now),
            None => vec![Step::Execute("cont")],
        });
        steps
    }

    fn act(&mut self, action: Action, end: End, now: Instant) -> Vec<Step> {
        match action {
            Action::Destroy => self.finish(end, now),
            Action::Restart => {
                self.end = None;
                self.state = State::Paused;
                self.firmware = now.checked_add(FIRMWARE);
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
            return self.press_again(now);
        }
        match self.state {
            State::Stopping(means) => self.stop(next(means), None, now),
            State::Dumping if self.dump.limit.is_none_or(|limit| now >= limit) => {
                // QEMU cannot be told to stop writing, so nothing else can be done with this guest.
                self.dump.then = self.dump.then.take().map(|(_, end)| (Action::Destroy, end));
                let mut steps = self.dumped(Err("QEMU does not get on with it".to_owned()), now);
                if !matches!(self.state, State::Stopping(_)) {
                    steps.extend(self.stop(Means::Quit, None, now));
                }
                steps
            }
            State::Dumping => {
                self.patience = now.checked_add(ASKING);
                vec![Step::AskForDump]
            }
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

    /// Presses the power button once more when the time has come.
    fn press_again(&mut self, now: Instant) -> Vec<Step> {
        let Some((_, pause)) = self.press.filter(|(next, _)| now >= *next) else { return Vec::new() };
        let pause = pause.saturating_mul(2).min(LAST_PRESS);
        self.press = now.checked_add(pause).map(|next| (next, pause));
        vec![Step::Execute("system_powerdown")]
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
            State::Paused | State::Preserved | State::Dumping => means.max(Means::Quit),
            // What is under way already has its limit, and keeps it.
            State::Stopping(current) if current >= means && current != Means::Kill => return Vec::new(),
            _ => means,
        };
        // A panic, a timeout, silence or a refusal stays the reason, whatever it takes to end the guest after it.
        if matches!(self.end, None | Some(End::Stopped(_) | End::PoweredOff | End::Rebooted)) {
            self.end = Some(End::Stopped(means));
        }
        let was_dumping = self.state == State::Dumping;
        self.enter(means, limit, now);
        let step = match means {
            Means::PowerDown => Step::Execute("system_powerdown"),
            Means::Quit => Step::Execute("quit"),
            Means::Kill => Step::Kill,
        };
        let mut steps = vec![Step::Tell(Notice::Stopping(means)), step];
        if was_dumping {
            steps.insert(0, Step::EndDump(Err("the guest is ended before".to_owned())));
        }
        steps
    }

    fn enter(&mut self, means: Means, limit: Option<Duration>, now: Instant) {
        let limit = limit.unwrap_or(match means {
            Means::PowerDown => self.plan.powerdown_limit,
            Means::Quit => self.plan.quit_limit,
            Means::Kill => Duration::from_secs(5),
        });
        self.state = State::Stopping(means);
        self.patience = now.checked_add(limit);
        let presses = means == Means::PowerDown;
        self.press = now.checked_add(FIRST_PRESS).filter(|_| presses).map(|next| (next, FIRST_PRESS));
    }
}

fn next(means: Means) -> Means {
    match means {
        Means::PowerDown => Means::Quit,
        Means::Quit | Means::Kill => Means::Kill,
    }
}

#[cfg(test)]
mod tests;
