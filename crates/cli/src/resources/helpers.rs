//! Processes that run beside QEMU: found, linked to it, and started.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain_model::{Code, Diagnostic};
use qemu_argv::needs::Ability;
use qemu_argv::{Helper, Link, Word};
use runner::doorway::Doorway;
use runner::runtime::Entry;
use runner::{Command, HostRunner, Process, Runner, User, local};
use serde::Deserialize;

use super::{Companion, PREPARATION, become_user, by_descriptor, confined, failed, files, serving};
use crate::host;

/// Where programs are that nobody types.
const PLACES: &[&str] = &[
    "/usr/libexec",
    "/usr/lib/qemu",
    "/usr/libexec/qemu",
    "/usr/lib",
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/bin",
];
/// Where programs that speak vhost-user describe themselves (QEMU's `docs/interop/vhost-user.json`).
const DESCRIPTIONS: &[&str] = &["/etc/qemu/vhost-user", "/usr/share/qemu/vhost-user"];

/// How long QEMU may take from its start until it connects to a helper.
const CONNECTION: Duration = Duration::from_secs(30);

/// What has become of a helper.
pub enum Started {
    /// It runs; with QEMU's end of the link to it, if QEMU inherits one.
    Running(Box<dyn Process>, Option<OwnedFd>),
    /// It is started as soon as QEMU has connected.
    Waiting(Box<Waiting>),
}

/// How often it is tried whether a process listens.
const TICK: Duration = Duration::from_millis(2);

/// Starts a helper, and gives QEMU's end of the link to it.
///
/// There is nothing to wait for: the link is there before the helper is, and takes what QEMU says until the helper
/// listens. It closes with the helper, so QEMU does not wait for one that has gone.
///
/// # Errors
/// When it is not installed, cannot do what it has to, or cannot be started.
pub fn start(helper: &Helper, user: Option<&User>, entry: &Entry) -> Result<Started, Diagnostic> {
    let program = find(helper)?;
    require(helper, &program)?;
    if let Some(folder) = &helper.folder {
        files::state_directory(Path::new(folder), user)
            .map_err(|error| failed(helper.origin, format!("cannot make `{folder}`: {error}")))?;
    }
    if let Some((name, args)) = &helper.setup {
        let program = installed(name).ok_or_else(|| missing(helper, name))?;
        let mut command = serving(&program, entry).args(args);
        become_user(&mut command, user);
        let run = HostRunner.run(&command).and_then(|output| output.success(&program));
        run.map_err(|error| failed(helper.origin, error.to_string()))?;
    }
    let mut command = serving(&program, entry);
    become_user(&mut command, user.filter(|_| !helper.keeps_rights));
    let no_link = |error| no_link(helper, &error);
    let (theirs, qemus) = match &helper.link {
        Link::Pair => {
            let (theirs, qemus) = UnixStream::pair().map_err(no_link)?;
            (Some(OwnedFd::from(theirs)), Some(OwnedFd::from(qemus)))
        }
        Link::Listener => {
            let made = entry.link(&helper.device).map_err(|error| no_link(io::Error::other(error)))?;
            (Some(made.0.into()), Some(made.1.into()))
        }
        Link::Makes(_) => (None, None),
        Link::Accepts(path) => {
            // By a path of its own: QEMU's leads by a descriptor that is not open here until the end.
            let doorway = whole(Path::new(path)).and_then(|path| Doorway::at(path, user)).map_err(no_link)?;
            return Ok(Started::Waiting(Box::new(Waiting { doorway, command, helper: helper.clone() })));
        }
    };
    launch(helper, command, theirs, user).map(|process| Started::Running(process, qemus))
}

/// A helper that gets the connection which QEMU is about to make.
pub struct Waiting {
    doorway: Doorway,
    command: Command,
    helper: Helper,
}

impl Waiting {
    /// Starts the helper once QEMU has connected; gives none if QEMU ended before.
    ///
    /// # Errors
    /// When QEMU does not connect, or the helper cannot be started.
    pub fn start(self, qemu: &mut dyn Process) -> Result<Option<Companion>, Diagnostic> {
        let Waiting { doorway, command, helper } = self;
        let accepted = doorway.accept(qemu, CONNECTION).map_err(|error| no_link(&helper, &error))?;
        let Some(connection) = accepted else { return Ok(None) };
        let process = launch(&helper, command, Some(connection.into()), None)?;
        Ok(Some((helper.program, process)))
    }
}

/// Starts the program with its end of the link, and waits until it listens where it makes the link itself.
fn launch(
    helper: &Helper,
    mut command: Command,
    link: Option<OwnedFd>,
    user: Option<&User>,
) -> Result<Box<dyn Process>, Diagnostic> {
    let socket = match &helper.link {
        Link::Makes(path) => Some(whole(Path::new(path)).map_err(|error| no_link(helper, &error))?),
        Link::Pair | Link::Listener | Link::Accepts(_) => None,
    };
    let listens_on = socket.as_deref().map(|socket| address(socket, &mut command));
    let listens_on = listens_on.transpose().map_err(|error| no_link(helper, &error))?.unwrap_or_default();
    let number = link.map(|fd| command.fds.pass(fd)).transpose().map_err(|error| no_link(helper, &error))?;
    command = command.args(helper.args.iter().map(|word| match word {
        Word::Text(text) => text.clone(),
        Word::Socket { before } => format!("{before}{}", number.unwrap_or(-1)),
        Word::Link => listens_on.clone(),
    }));
    let mut process = HostRunner.start(&command).map_err(|error| failed(helper.origin, error.to_string()))?;
    if let Some(socket) = socket {
        await_listener(&socket, process.as_mut(), user)
            .map_err(|error| failed(helper.origin, format!("`{}` {error}", helper.program)))?;
    }
    Ok(process)
}

fn no_link(helper: &Helper, error: &io::Error) -> Diagnostic {
    failed(helper.origin, format!("cannot link `{}` to QEMU: {error}", helper.program))
}

/// Asks a program whether it can do what only some versions of it can.
fn require(helper: &Helper, program: &Path) -> Result<(), Diagnostic> {
    let Some(Ability { args, what, help }) = helper.ability else { return Ok(()) };
    let answer = HostRunner.run(&confined(program).args(args.iter().copied()));
    let can = answer.map_err(|error| failed(helper.origin, error.to_string()))?.status.is_success();
    let message = || format!("`{}` is too old for {what}", program.display());
    if can { Ok(()) } else { Err(failed(helper.origin, message()).help(help)) }
}

/// The path of a socket that anybody can use, and not only QEMU by the descriptor of a directory.
fn whole(path: &Path) -> io::Result<PathBuf> {
    let directory = path.parent().unwrap_or(Path::new("/")).canonicalize()?;
    Ok(directory.join(path.file_name().unwrap_or_default()))
}

/// The path of a socket as the process uses it that listens there: the address of a socket is short.
fn address(socket: &Path, command: &mut Command) -> io::Result<String> {
    match (socket.parent(), socket.file_name()) {
        (Some(directory), Some(name)) if socket.as_os_str().len() > local::LONGEST_PATH => {
            let directory = by_descriptor(directory, command)?;
            Ok(Path::new(&directory).join(name).display().to_string())
        }
        _ => Ok(socket.display().to_string()),
    }
}

/// Waits until a process listens on its socket, and gives the socket to QEMU's user.
fn await_listener(socket: &Path, process: &mut dyn Process, user: Option<&User>) -> Result<(), String> {
    let deadline = Instant::now() + PREPARATION;
    while local::connect(socket, Duration::ZERO).is_err() {
        // Its end is noticed at once; nobody tells when a socket is listened on.
        let ended = process.wait_deadline(Instant::now() + TICK).map_err(|error| error.to_string())?;
        if let Some(status) = ended {
            let said = process.stderr_tail();
            return Err(format!("ended before it listened: {status}\n{}", said.trim_end())
                .trim_end()
                .to_owned());
        }
        if Instant::now() >= deadline {
            return Err(format!("does not listen on `{}`", socket.display()));
        }
    }
    let given = user.map_or(Ok(()), |user| chown(socket, Some(user.uid()), Some(user.gid())));
    given.map_err(|error| format!("has a socket that QEMU cannot use: {error}"))
}

fn missing(helper: &Helper, name: &str) -> Diagnostic {
    let message = format!("`{name}` is not installed");
    Diagnostic::error(Code::NotFound, helper.origin, message)
        .help(format!("install `{name}`, or put it on PATH"))
}

/// The program of a helper.
fn find(helper: &Helper) -> Result<PathBuf, Diagnostic> {
    let name = helper.program.as_str();
    if name.contains('/') {
        let path = PathBuf::from(name);
        return host::is_executable(&path)
            .then_some(path)
            .ok_or_else(|| failed(helper.origin, format!("`{name}` cannot be executed")));
    }
    let described = (name == "virtiofsd").then(|| described("fs")).flatten();
    described.or_else(|| installed(name)).ok_or_else(|| missing(helper, name))
}

fn installed(name: &str) -> Option<PathBuf> {
    let in_places =
        || PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| host::is_executable(path));
    host::on_path(name).or_else(in_places)
}

/// What a program says of itself.
#[derive(Deserialize)]
struct Description {
    #[serde(rename = "type")]
    kind: String,
    binary: PathBuf,
}

/// The first program that describes itself as being of a kind, in the order of the file names.
fn described(kind: &str) -> Option<PathBuf> {
    let mut files: Vec<PathBuf> = DESCRIPTIONS
        .iter()
        .flat_map(|place| std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    // Of two files of one name, the first place's counts: sorting keeps their order.
    files.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    files.iter().find_map(|path| {
        let description: Description = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (description.kind == kind && host::is_executable(&description.binary)).then_some(description.binary)
    })
}
