//! Asking a QEMU binary what it can do.

use std::path::Path;
use std::time::Duration;

use caps_parser::facts::Accel;
use caps_parser::qmp::probe::{Probe, Step};
use caps_parser::texts::TextProbe;
use caps_parser::{Capabilities, Facts, ParseError, Version};
use runner::probe::{Conversation, Next, ProbeLimits, ask_help, bare_guest, converse};
use runner::{HostRunner, Limits, RunError};

use crate::args::Via;
use crate::report::{Report, Status, Stop};

/// Since this version there is a machine that is nothing, which a QEMU can be asked on.
const MACHINE_NONE: Version = Version::new(1, 3, 0);

/// How long a whole probe over help texts may take.
const HELP_LIMIT: Duration = Duration::from_secs(60);

/// What a binary said.
#[derive(Debug)]
pub struct Answer {
    /// What it can do.
    pub capabilities: Capabilities,
    /// Whether that is all it could have said, so that it need not be asked again.
    pub complete: bool,
}

/// Asks a binary.
pub fn probe(program: &Path, via: Via, report: &Report) -> Result<Answer, Stop> {
    let (facts, complete) = match via {
        Via::Qmp => (over_qmp(program)?, true),
        Via::Help => (over_help(program)?, true),
        Via::Auto => over_either(program, report)?,
    };
    let capabilities = Capabilities::detect(facts, program.display().to_string());
    Ok(Answer { capabilities, complete })
}

/// Asks over QMP, and for the help texts if QEMU does not get as far as its greeting.
fn over_either(program: &Path, report: &Report) -> Result<(Facts, bool), Stop> {
    let mut dialogue = Dialogue::default();
    let refused = match hold(program, &mut dialogue) {
        Ok(()) => return dialogue.probe.finish().map(|facts| (facts, true)).map_err(failed),
        Err(refused) => refused,
    };
    // Who is silent over QMP is silent altogether; who greeted and failed then would tell less by help texts.
    if refused.status == Status::TimedOut || dialogue.greeted {
        return Err(refused);
    }
    let facts = over_help(program)?;
    let complete = facts.version < MACHINE_NONE;
    if let Some(message) = refused.message {
        let text = format!("asked for its help texts, which say less, because {message}");
        if complete { report.detail(&text) } else { report.warning(&text) }
    }
    Ok((facts, complete))
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::new(Status::Failed, error.to_string())
}

fn not_run(error: RunError) -> Stop {
    let status = match error {
        RunError::TimedOut { .. } => Status::TimedOut,
        _ => Status::Failed,
    };
    Stop::new(status, error.to_string())
}

fn over_qmp(program: &Path) -> Result<Facts, Stop> {
    let mut dialogue = Dialogue::default();
    hold(program, &mut dialogue)?;
    dialogue.probe.finish().map_err(failed)
}

/// Talks to a QEMU, and to a second one if some accelerator needs a process of its own.
fn hold(program: &Path, dialogue: &mut Dialogue) -> Result<(), Stop> {
    let mut accelerators = vec!["kvm", "tcg"];
    loop {
        let arguments = bare_guest(&accelerators);
        converse(&HostRunner, program, arguments, ProbeLimits::default(), dialogue).map_err(not_run)?;
        if let Some(problem) = dialogue.problem.take() {
            return Err(failed(format!("`{}`: {problem}", program.display())));
        }
        match dialogue.restart.take() {
            Some(accelerator) => accelerators = vec![accelerator.qemu()],
            None => return Ok(()),
        }
    }
}

/// A probe as the runner holds it.
#[derive(Default)]
struct Dialogue {
    probe: Probe,
    /// Whether QEMU has said anything, which begins with its greeting.
    greeted: bool,
    restart: Option<Accel>,
    problem: Option<ParseError>,
}

impl Conversation for Dialogue {
    fn start(&mut self) -> String {
        self.probe.start()
    }

    fn hear(&mut self, line: &str) -> Next {
        self.greeted = true;
        match self.probe.feed(line) {
            Ok(Step::Wait) => return Next::Wait,
            Ok(Step::Send(text)) => return Next::Say(text),
            Ok(Step::Restart(accelerator)) => self.restart = Some(accelerator),
            Ok(Step::Done) => {}
            Err(problem) => self.problem = Some(problem),
        }
        Next::Over
    }
}

fn over_help(program: &Path) -> Result<Facts, Stop> {
    let mut probe = TextProbe::new();
    let deadline = std::time::Instant::now() + HELP_LIMIT;
    loop {
        let questions = probe.questions();
        if questions.is_empty() {
            return probe.finish().map_err(failed);
        }
        for question in &questions {
            if std::time::Instant::now() > deadline {
                let seconds = HELP_LIMIT.as_secs();
                let message = format!("{} took more than {seconds} s to print its help", program.display());
                return Err(Stop::new(Status::Failed, message));
            }
            let output =
                ask_help(&HostRunner, program, &question.args, Limits::default()).map_err(not_run)?;
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            probe.answer(question, &stdout, &stderr).map_err(|error| {
                let command = format!("{} {}", program.display(), question.args.join(" "));
                let said = output.last_words().replace('\n', "\n  ");
                failed(format!("`{command}` ended with {}, {error}; it said:\n  {said}", output.status))
            })?;
        }
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
