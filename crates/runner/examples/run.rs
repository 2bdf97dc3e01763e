//! Runs a QEMU command line under supervision.
//!
//! `run [--detach] [--console] [--timeout SECONDS] NAME PROGRAM [ARGS…]`, then `run list`, `run stop NAME`,
//! `run console NAME`.
//! The arguments are completed by a QMP channel and a first serial port.

use std::error::Error;
use std::io::stderr;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use runner::console::{self, Terminal};
use runner::control::Request;
use runner::detach::{self, Launched};
use runner::runtime::RuntimeDir;
use runner::signals::Signals;
use runner::supervise::{End, Guest, Means, Notice, Plan, Surroundings, supervise};
use runner::{Command, HostRunner};
use serde_json::Value;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<u8, Box<dyn Error>> {
    let runtime = RuntimeDir::for_user()?;
    let mut words = args.iter().map(String::as_str).peekable();
    let (mut detached, mut reads_input, mut plan) = (None, false, Plan::default());
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        match option {
            "--detach" => detached = Some(false),
            "--detached" => detached = Some(true),
            "--console" => reads_input = true,
            "--timeout" => {
                plan.timeout = Some(Duration::from_secs(words.next().unwrap_or_default().parse()?))
            }
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    match words.next().ok_or("what?")? {
        "list" => {
            for guest in runtime.list()? {
                println!("{} {:?}", guest.record.name, guest.report.map(|report| report.state));
            }
            Ok(0)
        }
        "stop" => {
            let mut supervisor = runtime.connect(words.next().unwrap_or_default())?;
            supervisor
                .ask(&Request::Stop { means: Means::PowerDown, limit_ms: None }, Duration::from_secs(5))?;
            println!("{}", supervisor.next(Duration::from_secs(60))?);
            Ok(0)
        }
        "console" => {
            let signals = Signals::catch()?;
            let mut supervisor = runtime.connect(words.next().unwrap_or_default())?;
            supervisor.ask(&Request::Console, Duration::from_secs(5))?;
            let (early, stream) = supervisor.into_console()?;
            let left = console::attach(&early, stream, Terminal::standard(true)?, &signals)?;
            eprintln!("{left:?}");
            Ok(0)
        }
        name if detached == Some(false) => {
            let mut again = Command::new(std::env::current_exe()?).args(["--detached", name]).args(words);
            again.env.extend(std::env::vars_os());
            match detach::launch(&HostRunner, again, Duration::from_secs(30))? {
                Launched::Ready { supervisor, .. } => println!("{name}: {supervisor}"),
                Launched::Ended(output) => return Err(String::from_utf8_lossy(&output.stderr).into()),
            }
            Ok(0)
        }
        name => {
            let mut entry = runtime.claim(name, Value::Null)?;
            let control = entry.listen()?;
            // Caught before anything is started, so that no moment is left in which a signal ends us alone.
            let signals = Signals::catch()?;
            let command = Command::new(words.next().ok_or("which program?")?).args(words);
            let guest = Guest::start(&HostRunner, command)?;
            entry.set_qemu(guest.process.pid())?;
            let is_detached = detached == Some(true);
            let terminal = if is_detached { None } else { Some(Terminal::standard(reads_input)?) };
            let mut is_ready = false;
            let watch = Box::new(|notice: &Notice| {
                if is_detached && !is_ready && *notice == Notice::Running {
                    is_ready = detach::report_ready(None).is_ok();
                }
                // Written at once and whole, whatever else writes to this terminal.
                let _ = rustix::io::write(stderr().as_fd(), format!("[{notice:?}]\r\n").as_bytes());
            });
            let surroundings = Surroundings {
                terminal,
                control: Some(control),
                entry: Some(entry),
                signals: Some(signals),
                watch: Some(watch),
                leftovers: None,
                log: None,
            };
            let outcome = supervise(guest, plan, surroundings)?;
            eprintln!("{:?}, {}{}", outcome.end, outcome.status, outcome.stderr_tail);
            Ok(match outcome.end {
                End::PoweredOff | End::Rebooted | End::Stopped(_) => 0,
                End::TimedOut => 124,
                _ => 1,
            })
        }
    }
}
