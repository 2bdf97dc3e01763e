//! Keeping a guest company from its start to its end.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::console::{ConsoleLog, Line, Terminal, Typed};
use crate::control::server::{ClientId, Server, Wish};
use crate::control::{Farewell, Report, Request, Response};
use crate::error::RunError;
use crate::process::{Process, Status};
use crate::qmp::{Message, QmpConnection, QmpError, Refusal, Reply};
use crate::ready::{self, Got, Interest, Ready, TICK};
use crate::runtime::Entry;
use crate::signals::Signals;

mod lifecycle;
mod plan;

pub use lifecycle::{End, Event, Lifecycle, Means, Notice, State, Step};
pub use plan::{Action, Plan};

/// How long the last output of a guest may take to reach whoever reads it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a companion may take to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(1);

/// A started guest: QEMU, our ends of its channels, and the processes that serve it.
pub struct Guest {
    /// The program, for messages.
    pub program: PathBuf,
    /// QEMU.
    pub process: Box<dyn Process>,
    /// Our end of its QMP channel, not yet spoken on.
    pub qmp: UnixStream,
    /// Our end of its first serial console.
    pub console: Option<UnixStream>,
    /// Processes that serve this guest only (swtpm, passt, virtiofsd) by name; ended after it in reverse order.
    pub companions: Vec<(String, Box<dyn Process>)>,
}

/// Told what happens to a guest, as it happens.
pub type Watch<'a> = Box<dyn FnMut(&Notice) + Send + 'a>;

/// What surrounds a guest while it runs. All of it is optional.
#[derive(Default)]
pub struct Surroundings<'a> {
    /// Where its console is shown and typed at.
    pub terminal: Option<Terminal>,
    /// Where its console is kept.
    pub log: Option<ConsoleLog>,
    /// Where others may ask for things, see [`Request`].
    pub control: Option<UnixListener>,
    /// Its entry among the guests that run, removed before anyone is told that it has ended.
    pub entry: Option<Entry>,
    /// What else is put away by being dropped, at the same moment.
    pub leftovers: Option<Box<dyn Send + 'a>>,
    /// Signals that end it.
    pub signals: Option<Signals>,
    /// Told what happens.
    pub watch: Option<Watch<'a>>,
}

/// How it all ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why there is no guest any more.
    pub end: End,
    /// How QEMU ended.
    pub status: Status,
    /// The last lines QEMU said.
    pub stderr_tail: String,
}

/// Stays with a guest until it has ended, in this one thread; nothing of it is left then.
///
/// # Errors
/// When QEMU ends, stays silent or talks nonsense before the guest could run, or the system fails us. Nothing is
/// left in that case either.
pub fn supervise(guest: Guest, plan: Plan, around: Surroundings<'_>) -> Result<Outcome, RunError> {
    let failed = RunError::io("watch over the guest");
    let greeting_limit = plan.greeting_limit;
    let setup = plan.setup.clone().into();
    let supervisor = Supervisor {
        program: guest.program,
        qmp: Some(QmpConnection::new(guest.qmp).map_err(&failed)?),
        console: guest.console.map(Line::new).transpose().map_err(&failed)?,
        companions: guest.companions,
        lifecycle: Lifecycle::new(plan, Instant::now()),
        entry: around.entry,
        leftovers: around.leftovers,
        server: around.control.map(Server::new).transpose().map_err(&failed)?,
        terminal: around.terminal,
        log: around.log,
        signals: around.signals,
        watch: around.watch,
        asked: BTreeMap::new(),
        qmp_error: None,
        negotiated: false,
        setup,
        status: None,
        process: guest.process,
    };
    supervisor.run(greeting_limit)
}

/// Where something can come from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Qmp,
    Exit,
    Said,
    Companion(usize),
    CompanionSaid(usize),
    Console,
    Input,
    Output,
    Signals,
    Listener,
    Client(ClientId),
}

/// Who waits for an answer of QEMU.
#[derive(Debug)]
enum Asker {
    Negotiation,
    Setup(String),
    Lifecycle(&'static str),
    Client(ClientId),
}

struct Supervisor<'a> {
    program: PathBuf,
    process: Box<dyn Process>,
    companions: Vec<(String, Box<dyn Process>)>,
    qmp: Option<QmpConnection>,
    qmp_error: Option<QmpError>,
    asked: BTreeMap<u64, Asker>,
    /// Whether QEMU takes commands, and has taken those of the setup.
    negotiated: bool,
    setup: VecDeque<(String, Value)>,
    console: Option<Line>,
    lifecycle: Lifecycle,
    entry: Option<Entry>,
    leftovers: Option<Box<dyn Send + 'a>>,
    server: Option<Server>,
    terminal: Option<Terminal>,
    log: Option<ConsoleLog>,
    signals: Option<Signals>,
    watch: Option<Watch<'a>>,
    status: Option<Status>,
}

impl Supervisor<'_> {
    fn run(mut self, greeting_limit: Duration) -> Result<Outcome, RunError> {
        let watched = self.watch_until_exit();
        // Whatever went wrong, QEMU is to be gone.
        let status = match self.status {
            Some(status) => status,
            None => self.process.kill()?,
        };
        self.hear_last_words();
        self.dismiss_companions();
        watched?;
        drop(self.leftovers.take());
        drop(self.entry.take());
        let end = self.lifecycle.end();
        if let Some(server) = &mut self.server {
            server.announce_end(&Farewell::of(&end, status));
        }
        let stderr_tail = self.process.stderr_tail();
        let process = self.program.display().to_string();
        match (self.negotiated, self.qmp_error, &end) {
            (false, Some(source), End::Failed) if !matches!(source, QmpError::Closed { .. }) => {
                Err(RunError::Qmp { process, source, stderr_tail })
            }
            (false, _, End::Failed) => Err(RunError::Exited { process, status, stderr_tail }),
            (_, _, End::Silent) => {
                let source = QmpError::TimedOut { awaited: "greeting".into(), limit: greeting_limit };
                Err(RunError::Qmp { process, source, stderr_tail })
            }
            _ => Ok(Outcome { end, status, stderr_tail }),
        }
    }

    fn watch_until_exit(&mut self) -> Result<(), RunError> {
        while self.status.is_none() {
            let mut deadline = self.lifecycle.deadline();
            if self.process.exit_fd().is_none() {
                let tick = ready::after(TICK);
                deadline = Some(deadline.map_or(tick, |deadline| deadline.min(tick)));
            }
            let (sources, interests): (Vec<Source>, Vec<Interest<'_>>) = self.interests().into_iter().unzip();
            let ready = ready::wait(&interests, deadline).map_err(RunError::io("watch over the guest"))?;
            drop(interests);
            for (source, ready) in sources.into_iter().zip(ready) {
                if ready != Ready::default() {
                    self.attend(source, ready)?;
                }
            }
            if self.process.exit_fd().is_none() {
                self.look_for_exit()?;
            }
            if self.lifecycle.deadline().is_some_and(|deadline| Instant::now() >= deadline) {
                self.tell(&Event::Deadline)?;
            }
        }
        Ok(())
    }

    /// Everything that can happen now.
    fn interests(&self) -> Vec<(Source, Interest<'_>)> {
        let mut all = Vec::with_capacity(12);
        let output_is_full = self.terminal.as_ref().is_some_and(Terminal::is_full);
        let typed_is_full = self.console.as_ref().is_some_and(Line::is_full);
        if let Some(qmp) = &self.qmp {
            all.push((Source::Qmp, Interest { fd: qmp.as_fd(), read: true, write: qmp.wants_write() }));
        }
        all.extend(self.process.said_fd().map(|fd| (Source::Said, Interest::read(fd))));
        for (index, (_, companion)) in self.companions.iter().enumerate() {
            all.extend(companion.exit_fd().map(|fd| (Source::Companion(index), Interest::read(fd))));
            all.extend(companion.said_fd().map(|fd| (Source::CompanionSaid(index), Interest::read(fd))));
        }
        let console = self.console.as_ref().and_then(|console| console.interest(output_is_full));
        all.extend(console.map(|interest| (Source::Console, interest)));
        if let Some(terminal) = &self.terminal {
            all.extend(terminal.input(typed_is_full).map(|interest| (Source::Input, interest)));
            all.extend(terminal.output().map(|interest| (Source::Output, interest)));
        }
        all.extend(self.signals.as_ref().map(|signals| (Source::Signals, Interest::read(signals.as_fd()))));
        if let Some(server) = &self.server {
            all.push((Source::Listener, server.listener()));
            all.extend(server.clients(typed_is_full).map(|(id, interest)| (Source::Client(id), interest)));
        }
        // Last, so that what QEMU said before its end is heard before it.
        all.extend(self.process.exit_fd().map(|fd| (Source::Exit, Interest::read(fd))));
        all
    }

    fn attend(&mut self, source: Source, ready: Ready) -> Result<(), RunError> {
        match source {
            Source::Qmp => self.attend_qmp(ready)?,
            Source::Exit => self.look_for_exit()?,
            Source::Said => {
                let said = self.process.read_said();
                self.notify(&Notice::Said(String::from_utf8_lossy(&said).into_owned()));
            }
            Source::Companion(index) => self.attend_companion(index)?,
            Source::CompanionSaid(index) => {
                if let Some((name, companion)) = self.companions.get_mut(index) {
                    let said = String::from_utf8_lossy(&companion.read_said()).into_owned();
                    let notice = Notice::CompanionSaid(name.clone(), said);
                    self.notify(&notice);
                }
            }
            Source::Console => {
                if let (true, Some(console)) = (ready.write, &mut self.console) {
                    console.write();
                }
                if ready.read {
                    self.read_console();
                }
            }
            Source::Input => match self.terminal.as_mut().map(Terminal::read) {
                Some(Typed::Bytes(bytes)) => self.take_typed(&bytes),
                Some(Typed::Leave(bytes)) => {
                    self.take_typed(&bytes);
                    self.notify(&Notice::ConsoleLeft);
                }
                Some(Typed::End) | None => {}
            },
            Source::Output => {
                if let Some(terminal) = &mut self.terminal {
                    terminal.write();
                }
            }
            Source::Signals => {
                for _ in 0..self.signals.as_ref().map(Signals::take).unwrap_or_default() {
                    self.tell(&Event::Signal)?;
                }
            }
            Source::Listener => {
                if let Some(server) = &mut self.server {
                    server.accept();
                }
            }
            Source::Client(id) => {
                let Some(server) = &mut self.server else { return Ok(()) };
                if ready.write {
                    server.write(id);
                }
                let wishes = if ready.read { server.read(id) } else { Vec::new() };
                for wish in wishes {
                    self.grant(id, wish)?;
                }
            }
        }
        Ok(())
    }

    /// Feeds the state machine and does what it says.
    fn tell(&mut self, event: &Event) -> Result<(), RunError> {
        for step in self.lifecycle.handle(event, Instant::now()) {
            match step {
                Step::Execute(command) => {
                    if let Some(qmp) = &mut self.qmp {
                        let id = qmp.execute(command, None);
                        self.asked.insert(id, Asker::Lifecycle(command));
                    }
                }
                Step::Kill => {
                    self.process.kill()?;
                    self.look_for_exit()?;
                }
                Step::Tell(notice) => self.notify(&notice),
            }
        }
        Ok(())
    }

    fn notify(&mut self, notice: &Notice) {
        if let Some(watch) = &mut self.watch {
            watch(notice);
        }
    }

    fn look_for_exit(&mut self) -> Result<(), RunError> {
        if self.status.is_none()
            && let Some(status) = self.process.try_wait()?
        {
            self.status = Some(status);
            // Its last events say why it ended.
            self.attend_qmp(Ready { read: true, write: false })?;
            self.tell(&Event::Exited(status))?;
        }
        Ok(())
    }

    fn attend_qmp(&mut self, ready: Ready) -> Result<(), RunError> {
        let Some(qmp) = &mut self.qmp else { return Ok(()) };
        if ready.write {
            // A channel that takes nothing any more may still have something to say.
            let _ = qmp.write();
        }
        let mut result = if ready.read { qmp.read() } else { Ok(()) };
        while result.is_ok() {
            let Some(qmp) = &mut self.qmp else { return Ok(()) };
            match qmp.message() {
                Ok(Some(message)) => self.hear(message)?,
                Ok(None) => return Ok(()),
                Err(error) => result = Err(error),
            }
        }
        self.qmp_error = result.err();
        self.qmp = None;
        self.tell(&Event::ChannelLost)
    }

    fn hear(&mut self, message: Message) -> Result<(), RunError> {
        match message {
            Message::Greeting(_) => {
                if let Some(qmp) = &mut self.qmp {
                    let id = qmp.execute("qmp_capabilities", None);
                    self.asked.insert(id, Asker::Negotiation);
                }
                Ok(())
            }
            Message::Event(event) => self.tell(&Event::Qmp(event)),
            Message::Reply(reply) => self.hear_reply(reply),
        }
    }

    fn hear_reply(&mut self, reply: Reply) -> Result<(), RunError> {
        // Commands are answered in order, so one without an id belongs to the oldest question.
        let id = reply.id.or_else(|| self.asked.keys().next().copied());
        match (id.and_then(|id| self.asked.remove(&id)), reply.outcome) {
            (Some(Asker::Negotiation | Asker::Setup(_)), Ok(_)) => self.set_up(),
            (Some(Asker::Negotiation), Err(refusal)) => self.give_up("qmp_capabilities".into(), refusal),
            (Some(Asker::Setup(command)), Err(refusal)) => self.give_up(command, refusal),
            (Some(Asker::Lifecycle(command)), Err(refusal)) => {
                self.tell(&Event::Refused(command, refusal.to_string()))
            }
            (Some(Asker::Client(client)), outcome) => {
                let response = match outcome {
                    Ok(value) => Response::Ok(serde_json::from_str(value.get()).unwrap_or(Value::Null)),
                    Err(refusal) => Response::Error(refusal.to_string()),
                };
                self.answer(client, &response);
                Ok(())
            }
            (Some(Asker::Lifecycle(_)) | None, _) => Ok(()),
        }
    }

    /// Sends the next command of the setup; after the last one, the guest can run.
    fn set_up(&mut self) -> Result<(), RunError> {
        match (self.setup.pop_front(), &mut self.qmp) {
            (Some((command, arguments)), Some(qmp)) => {
                let id = qmp.execute(&command, Some(arguments));
                self.asked.insert(id, Asker::Setup(command));
                Ok(())
            }
            (Some(_), None) => Ok(()),
            (None, _) => {
                self.negotiated = true;
                self.tell(&Event::Negotiated)
            }
        }
    }

    /// Ends a guest that would not be what was asked for.
    fn give_up(&mut self, command: String, refusal: Refusal) -> Result<(), RunError> {
        self.qmp_error = Some(QmpError::Refused { command, refusal });
        self.qmp = None;
        self.tell(&Event::ChannelLost)
    }

    fn answer(&mut self, client: ClientId, response: &Response) {
        if let Some(server) = &mut self.server {
            server.answer(client, response);
        }
    }

    fn grant(&mut self, client: ClientId, wish: Wish) -> Result<(), RunError> {
        match wish {
            Wish::Typed(bytes) => self.take_typed(&bytes),
            Wish::Request(Request::Status) => {
                let report = Report { state: self.lifecycle.state().word().into(), pid: self.process.pid() };
                let report = serde_json::to_value(report).unwrap_or(Value::Null);
                self.answer(client, &Response::Ok(report));
            }
            Wish::Request(Request::Stop { means, limit_ms }) => {
                self.answer(client, &Response::Ok(json!({})));
                if let Some(server) = &mut self.server {
                    server.await_end(client);
                }
                self.tell(&Event::Stop(means, limit_ms.map(Duration::from_millis)))?;
            }
            Wish::Request(Request::Qmp { command, arguments }) => match &mut self.qmp {
                Some(qmp) if self.negotiated => {
                    let id = qmp.execute(&command, arguments);
                    self.asked.insert(id, Asker::Client(client));
                }
                _ => self.answer(client, &Response::Error("there is no QMP channel now".into())),
            },
            Wish::Request(Request::Console) => {
                let taken = self.server.as_ref().is_some_and(|server| server.console_is_taken(client));
                let response = match (&self.console, taken) {
                    (None, _) => Response::Error("the guest has no serial console here".into()),
                    (_, true) => Response::Error("someone else is at the console".into()),
                    _ => Response::Ok(json!({})),
                };
                self.answer(client, &response);
            }
        }
        Ok(())
    }

    fn take_typed(&mut self, bytes: &[u8]) {
        if let Some(console) = &mut self.console {
            console.take(bytes);
        }
    }

    /// Passes on what the guest wrote; says whether there may be more at once.
    fn read_console(&mut self) -> bool {
        let Some(console) = &self.console else { return false };
        let mut buffer = [0; 16 << 10];
        let count = match console.read(&mut buffer) {
            Got::Bytes(count) => count,
            Got::Nothing => return false,
            Got::End => {
                self.console = None;
                return false;
            }
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if let Some(terminal) = &mut self.terminal {
            terminal.show(bytes);
        }
        if let Some(server) = &mut self.server {
            server.show(bytes);
        }
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(bytes)
        {
            self.log = None;
            self.notify(&Notice::LogFailed(error.to_string()));
        }
        true
    }

    fn attend_companion(&mut self, index: usize) -> Result<(), RunError> {
        let Some((name, companion)) = self.companions.get_mut(index) else { return Ok(()) };
        if let Some(status) = companion.try_wait()? {
            let notice = Notice::CompanionEnded(name.clone(), status, companion.stderr_tail());
            self.companions.remove(index);
            self.notify(&notice);
        }
        Ok(())
    }

    /// Shows what is still in the console's socket and in our buffer, which may be more than the buffer holds.
    fn hear_last_words(&mut self) {
        let deadline = ready::after(LAST_WORDS);
        loop {
            let has_more = self.read_console();
            if let Some(terminal) = &mut self.terminal
                && (terminal.is_full() || !has_more)
            {
                terminal.flush(deadline.saturating_duration_since(Instant::now()));
            }
            if !has_more || Instant::now() >= deadline {
                return;
            }
        }
    }

    /// Ends the companions, the last one first. They may have something to save.
    fn dismiss_companions(&mut self) {
        while let Some((_, mut companion)) = self.companions.pop() {
            // One that does not listen is killed when it is dropped.
            let _ = companion.signal(Signal::TERM);
            let _ = companion.wait_deadline(ready::after(FAREWELL));
        }
    }
}
