//! Asking a QEMU binary what it can do.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Command, Input, Limits, Sink};
use crate::error::RunError;
use crate::process::{Output, Process, Runner};
use crate::qmp::{self, Greeting, Message, QmpConnection, QmpError, Reply};
use crate::ready::{self, Interest};

/// A QMP command to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// `query-version`, …
    pub command: String,
    /// Its arguments, an object.
    pub arguments: Option<Value>,
}

/// What the caller wants to know, in as many rounds as answers lead to new questions.
pub trait Conversation {
    /// What QEMU says of itself at first.
    fn greeting(&mut self, greeting: &Greeting);

    /// The questions that can be asked now; all are sent at once. Asked again after every reply. When there are
    /// none and every reply has come, the conversation is over.
    fn next(&mut self) -> Vec<Question>;

    /// The reply to the question with this index, counted from 0 in the order they were asked.
    fn reply(&mut self, question: usize, reply: &Reply);
}

/// Bounds of a QMP conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeLimits {
    /// Time from start to the last reply.
    pub time: Duration,
    /// Bytes of all replies together.
    pub replies: usize,
}

impl Default for ProbeLimits {
    /// Thirty seconds and 32 MiB: a full probe of QEMU 10 takes below a second and 2 MiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(30), replies: 32 << 20 }
    }
}

/// The environment of a probe: messages in English, and nothing of the caller's.
const ENVIRONMENT: [(&str, &str); 2] = [("LC_ALL", "C"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

fn command<T: Into<OsString>>(program: &Path, args: impl IntoIterator<Item = T>) -> Command {
    let mut command = Command::new(program).args(args);
    command.env.extend(ENVIRONMENT.map(|(name, value)| (name.into(), value.into())));
    command
}

/// Runs one help query, as `["-device", "help"]`, and returns what was printed.
///
/// # Errors
/// When it cannot be run. A status other than 0 is no error here: old QEMUs end help with 1.
pub fn ask_help<T: Into<OsString>>(
    runner: &dyn Runner,
    program: &Path,
    args: impl IntoIterator<Item = T>,
    limits: Limits,
) -> Result<Output, RunError> {
    runner.run(&command(program, args).limits(limits))
}

/// The arguments of a guest that has nothing, is stopped, and answers QMP on its standard streams.
///
/// `accelerators` are tried in order (`kvm`, `tcg`), so that one process answers for all of them. This is the
/// form of QEMU 1.3 to today.
pub fn bare_guest(accelerators: &[&str]) -> Vec<OsString> {
    let machine = if accelerators.is_empty() {
        "none".to_owned()
    } else {
        format!("none,accel={}", accelerators.join(":"))
    };
    ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", &machine, "-qmp", "stdio"]
        .map(OsString::from)
        .to_vec()
}

/// Starts QEMU with these arguments, which must put QMP on its standard streams as [`bare_guest`] does, holds the
/// conversation, and ends QEMU.
///
/// # Errors
/// When QEMU cannot be started, ends early, is not done in time, says too much, or says what is no QMP.
pub fn converse<T: Into<OsString>>(
    runner: &dyn Runner,
    program: &Path,
    args: impl IntoIterator<Item = T>,
    limits: ProbeLimits,
    conversation: &mut dyn Conversation,
) -> Result<(), RunError> {
    let (ours, theirs) = qmp::pair().map_err(RunError::io("make a socket"))?;
    let mut command = command(program, args);
    command.stdout = Sink::Given(theirs.try_clone().map_err(RunError::io("copy a descriptor"))?);
    command.stdin = Input::Given(theirs);
    let mut connection = QmpConnection::new(ours).map_err(RunError::io("make a socket"))?;
    connection.limit(limits.replies, limits.replies);
    let mut process = runner.start(&command)?;
    // QEMU must be the only one to hold the other end, or its death would not close the channel.
    let told = command.describe();
    drop(command);
    let result =
        Probe { connection, process: process.as_mut(), asked: Vec::new() }.hold(conversation, limits.time);
    let status = match &result {
        // Whoever closes the channel is about to end, and how it ends says more than that it closed.
        Err(QmpError::Closed { .. }) => process.wait_deadline(ready::after(Duration::from_secs(1)))?,
        _ => None,
    };
    process.kill()?;
    let stderr_tail = process.stderr_tail();
    result.map_err(|source| match (source, status) {
        (QmpError::Closed { .. }, Some(status)) => RunError::Exited { process: told, status, stderr_tail },
        (QmpError::TimedOut { .. }, _) => {
            RunError::TimedOut { command: told, limit: limits.time, stderr_tail }
        }
        (QmpError::TooLong { limit }, _) => RunError::TooMuchOutput { command: told, limit, stderr_tail },
        (source, _) => RunError::Qmp { process: told, source, stderr_tail },
    })
}

/// A conversation under way.
struct Probe<'a> {
    connection: QmpConnection,
    process: &'a mut dyn Process,
    /// The ids of the questions, and whether each is answered.
    asked: Vec<(u64, bool)>,
}

impl Probe<'_> {
    fn hold(&mut self, conversation: &mut dyn Conversation, limit: Duration) -> Result<(), QmpError> {
        let deadline = ready::after(limit);
        let late = |awaited: &str| QmpError::TimedOut { awaited: awaited.into(), limit };
        loop {
            match self.message(deadline)?.ok_or_else(|| late("greeting"))? {
                Message::Greeting(greeting) => {
                    conversation.greeting(&greeting);
                    break;
                }
                Message::Event(_) => {}
                Message::Reply(reply) => {
                    return Err(QmpError::NotQmp { near: reply.text.chars().take(80).collect() });
                }
            }
        }
        let negotiated = self.connection.execute("qmp_capabilities", None);
        self.ask(conversation);
        let mut open = self.asked.len().saturating_add(1);
        while open > 0 {
            let Message::Reply(reply) = self.message(deadline)?.ok_or_else(|| late("reply"))? else {
                continue;
            };
            if reply.id == Some(negotiated) {
                open = open.saturating_sub(1);
                continue;
            }
            let question =
                self.asked.iter().position(|(id, done)| !done && reply.id.is_none_or(|it| it == *id));
            let Some(question) = question else { continue };
            if let Some((_, done)) = self.asked.get_mut(question) {
                *done = true;
            }
            conversation.reply(question, &reply);
            let before = self.asked.len();
            self.ask(conversation);
            open = open.saturating_add(self.asked.len().saturating_sub(before)).saturating_sub(1);
        }
        Ok(())
    }

    fn ask(&mut self, conversation: &mut dyn Conversation) {
        for question in conversation.next() {
            let id = self.connection.execute(&question.command, question.arguments);
            self.asked.push((id, false));
        }
    }

    /// The next message, or `None` at the deadline.
    fn message(&mut self, deadline: Instant) -> Result<Option<Message>, QmpError> {
        loop {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            if let Some(message) = self.connection.message()? {
                return Ok(Some(message));
            }
            let write = self.connection.wants_write();
            let qmp = Interest { fd: self.connection.as_fd(), read: true, write };
            let said = self.process.said_fd().map(Interest::read);
            let interests: Vec<_> = [Some(qmp), said].into_iter().flatten().collect();
            let ready = ready::wait(&interests, Some(deadline))?;
            if ready.get(1).is_some_and(|said| said.read) {
                // Kept by the process for its tail; here it only has to be taken off the pipe.
                drop(self.process.read_said());
            }
            let ready = ready.first().copied().unwrap_or_default();
            if ready.write {
                match self.connection.write() {
                    // What a dying QEMU managed to say is still worth reading.
                    Ok(()) | Err(QmpError::Closed { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if ready.read {
                self.connection.read()?;
            }
        }
    }
}
