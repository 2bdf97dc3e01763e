//! Asking a QEMU binary what it can do.

use std::path::Path;
use std::time::Duration;

use caps_parser::qmp::probe::{Probe, Step};
use caps_parser::texts::TextProbe;
use caps_parser::{Capabilities, Facts};
use runner::probe::{Conversation, ProbeLimits, Question, ask_help, bare_guest, converse};
use runner::qmp::{Greeting, Reply};
use runner::{HostRunner, Limits, RunError};

use crate::args::Via;
use crate::report::{Report, Status, Stop};

/// How long a whole probe over help texts may take.
const HELP_LIMIT: Duration = Duration::from_secs(60);

/// Asks a binary.
pub fn probe(program: &Path, via: Via, report: &Report) -> Result<Capabilities, Stop> {
    let facts = match via {
        Via::Qmp => over_qmp(program)?,
        Via::Help => over_help(program)?,
        Via::Auto => match over_qmp(program) {
            Ok(facts) => facts,
            // Who is silent over QMP is silent altogether.
            Err(silent) if silent.status == Status::TimedOut => return Err(silent),
            Err(refused) => {
                // QEMU before 1.3 has no machine `none`; whatever else is wrong shows again.
                let facts = over_help(program)?;
                if let Some(message) = refused.message {
                    report.detail(&format!("asked for its help texts, because {message}"));
                }
                facts
            }
        },
    };
    Ok(Capabilities::detect(facts, program.display().to_string()))
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
    let mut dialogue =
        Dialogue { probe: Probe::new(), asked: Vec::new(), pending: None, restart: None, problem: None };
    let mut accelerators = vec!["kvm", "tcg"];
    loop {
        dialogue.asked.clear();
        dialogue.pending = Some(dialogue.probe.start());
        let arguments = bare_guest(&accelerators);
        converse(&HostRunner, program, arguments, ProbeLimits::default(), &mut dialogue).map_err(not_run)?;
        if let Some(problem) = dialogue.problem {
            return Err(failed(format!("{}: {problem}", program.display())));
        }
        match dialogue.restart.take() {
            Some(accelerator) => accelerators = vec![accelerator],
            None => return dialogue.probe.finish().map_err(failed),
        }
    }
}

/// Carries questions and replies between the probe, which speaks lines, and the runner, which speaks commands.
struct Dialogue {
    probe: Probe,
    /// The probe's ids of the questions, in the order asked.
    asked: Vec<String>,
    pending: Option<String>,
    restart: Option<&'static str>,
    problem: Option<caps_parser::ParseError>,
}

impl Dialogue {
    fn feed(&mut self, line: &str) {
        match self.probe.feed(line) {
            Ok(Step::Wait | Step::Done) => {}
            Ok(Step::Send(text)) => self.pending = Some(text),
            Ok(Step::Restart(accelerator)) => self.restart = Some(accelerator.qemu()),
            Err(problem) => self.problem = Some(problem),
        }
    }
}

#[derive(serde::Deserialize)]
struct Line {
    execute: String,
    arguments: Option<serde_json::Value>,
    id: String,
}

impl Conversation for Dialogue {
    fn greeting(&mut self, _: &Greeting) {}

    fn next(&mut self) -> Vec<Question> {
        let mut questions = Vec::new();
        for line in self.pending.take().iter().flat_map(|text| text.lines()) {
            let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
            if line.execute == "qmp_capabilities" {
                // The runner has negotiated already.
                self.feed(&format!(r#"{{"return":{{}},"id":"{}"}}"#, line.id));
                continue;
            }
            self.asked.push(line.id);
            questions.push(Question { command: line.execute, arguments: line.arguments });
        }
        questions
    }

    fn reply(&mut self, question: usize, reply: &Reply) {
        let Some(id) = self.asked.get(question) else { return };
        let line = match &reply.outcome {
            Ok(value) => format!(r#"{{"return":{},"id":"{id}"}}"#, value.get()),
            Err(refusal) => serde_json::json!({
                "error": { "class": refusal.class, "desc": refusal.desc },
                "id": id,
            })
            .to_string(),
        };
        self.feed(&line);
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
                let first = stdout.lines().chain(stderr.lines()).next().unwrap_or("nothing").to_owned();
                failed(format!(
                    "`{} {}` printed `{first}`: {error}",
                    program.display(),
                    question.args.join(" ")
                ))
            })?;
        }
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
