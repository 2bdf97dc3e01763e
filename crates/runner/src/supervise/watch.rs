//! The loop: waits for whatever can happen, and attends to it.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::dump::Dumper;
use super::lifecycle::Lifecycle;
use super::setup::Steps;
use super::talk::Asker;
use super::words::{End, Event, Notice, Step};
use super::{Guest, Outcome, Surroundings, Watch};
use crate::console::{ConsoleLog, Line, Terminal, Typed};
use crate::control::Farewell;
use crate::control::server::{ClientId, Server};
use crate::error::RunError;
use crate::process::{Process, Status};
use crate::qmp::{QmpConnection, QmpError};
use crate::ready::{self, Interest, Ready, TICK};
use crate::runtime::Entry;
use crate::signals::Signals;

/// How long a companion may take to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(1);

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

/// A guest and everything around it.
pub(super) struct Supervisor<'a> {
    pub(super) program: PathBuf,
    pub(super) process: Box<dyn Process>,
    pub(super) companions: Vec<(String, Box<dyn Process>)>,
    pub(super) qmp: Option<QmpConnection>,
    pub(super) qmp_error: Option<QmpError>,
    pub(super) asked: BTreeMap<u64, Asker>,
    /// Whether QEMU takes commands, and has taken those of the setup.
    pub(super) negotiated: bool,
    pub(super) setup: Steps,
    pub(super) not_set_up: Option<String>,
    pub(super) dumper: Dumper,
    pub(super) console: Option<Line>,
    pub(super) lifecycle: Lifecycle,
    pub(super) entry: Option<Entry>,
    pub(super) leftovers: Option<Box<dyn Send + 'a>>,
    pub(super) server: Option<Server>,
    pub(super) terminal: Option<Terminal>,
    pub(super) log: Option<ConsoleLog>,
    pub(super) signals: Option<Signals>,
    pub(super) watch: Option<Watch<'a>>,
    pub(super) status: Option<Status>,
}

impl<'a> Supervisor<'a> {
    /// Takes over a guest that has just been started.
    pub(super) fn new(
        guest: Guest,
        lifecycle: Lifecycle,
        around: Surroundings<'a>,
    ) -> Result<Self, RunError> {
        let failed = RunError::io("watch over the guest");
        Ok(Self {
            program: guest.program,
            qmp: Some(QmpConnection::new(guest.qmp).map_err(&failed)?),
            console: guest.console.map(Line::new).transpose().map_err(&failed)?,
            companions: guest.companions,
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
            setup: Steps::new(lifecycle.plan().setup.clone()),
            not_set_up: None,
            dumper: Dumper::new(lifecycle.plan().dumps.clone()),
            lifecycle,
            status: None,
            process: guest.process,
        })
    }

    /// Stays until nothing of the guest is left.
    pub(super) fn run(mut self, greeting_limit: Duration) -> Result<Outcome, RunError> {
        let watched = self.watch_until_exit();
        // Whatever went wrong, QEMU is to be gone.
        let status = match self.status {
            Some(status) => status,
            None => self.process.kill()?,
        };
        self.hear_last_words();
        self.dismiss_companions();
        watched?;
        self.dumper.drop_it();
        drop(self.leftovers.take());
        drop(self.entry.take());
        let end = self.lifecycle.end();
        if let Some(server) = &mut self.server {
            server.announce_end(&Farewell::of(&end, status));
        }
        let stderr_tail = self.process.stderr_tail();
        let process = self.program.display().to_string();
        if let (Some(why), End::Failed) = (self.not_set_up.take(), &end) {
            return Err(RunError::NotSetUp { process, step: self.setup.number(), why, stderr_tail });
        }
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
    pub(super) fn tell(&mut self, event: &Event) -> Result<(), RunError> {
        for step in self.lifecycle.handle(event, Instant::now()) {
            match step {
                Step::Execute(command) => self.ask(Asker::Lifecycle(command), command, None),
                Step::Dump => self.dump()?,
                Step::AskForDump => self.ask(Asker::DumpProgress, "query-dump", None),
                Step::EndDump(result) => self.end_dump(result),
                Step::Kill => {
                    self.process.kill()?;
                    self.look_for_exit()?;
                }
                Step::Tell(notice) => self.notify(&notice),
            }
        }
        Ok(())
    }

    pub(super) fn notify(&mut self, notice: &Notice) {
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

    fn attend_companion(&mut self, index: usize) -> Result<(), RunError> {
        let Some((name, companion)) = self.companions.get_mut(index) else { return Ok(()) };
        if let Some(status) = companion.try_wait()? {
            let notice = Notice::CompanionEnded(name.clone(), status, companion.stderr_tail());
            self.companions.remove(index);
            self.notify(&notice);
        }
        Ok(())
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
