//! What a guest needs of the host, from looking to giving back.

mod descriptors;
mod files;
mod helpers;
mod host_devices;
mod taps;
mod usb;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain_model::{Code, Diagnostic, Origin};
use qemu_argv::needs::{LockedMemory, Thread, UsbDevice};
use qemu_argv::{CommandLine, FdRequest};
use runner::net::{Macvtap, Tap};
use runner::runtime::{self, Entry};
use runner::threads::Cpus;
use runner::{Command, Confinement, HostRunner, Limits, Process, Runner, User};

use helpers::{Started, Waiting};
use host_devices::Devices;

/// How long a program may take that prepares something or puts it away.
const PREPARATION: Duration = Duration::from_secs(30);

/// A process that serves a guest, and what it is called.
pub type Companion = (String, Box<dyn Process>);

/// What a guest has of the host.
pub struct Resources {
    /// QEMU's command, with every descriptor.
    pub command: Command,
    /// Our end of the QMP monitor.
    pub monitor: Option<UnixStream>,
    /// Our end of the first serial port.
    pub console: Option<UnixStream>,
    /// The processes that serve the guest, in the order in which they were started.
    pub companions: Vec<Companion>,
    /// Those that are started after QEMU, in the order in which it connects to them.
    pub waiting: Vec<Waiting>,
    /// What is put away when the guest has ended.
    pub leftovers: Leftovers,
    numbers: HashMap<FdRequest, i32>,
}

impl Resources {
    /// The number under which QEMU finds a descriptor.
    pub fn number(&self, request: &FdRequest) -> String {
        self.numbers.get(request).map_or_else(|| "-1".to_owned(), i32::to_string)
    }
}

/// What is put away when the guest has ended, by dropping this.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Sockets that were made for the guest.
    sockets: Vec<PathBuf>,
    /// Programs that are run with the name of a TAP device.
    scripts: Vec<(PathBuf, String)>,
    /// Devices that do not vanish by themselves; removed after the programs have run.
    devices: Vec<Macvtap>,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        for socket in self.sockets.drain(..) {
            // Whoever removed it has done our work.
            let _ = std::fs::remove_file(socket);
        }
        for (script, device) in self.scripts.drain(..) {
            // There is nobody left to tell but the script itself, which has a log if it wants one.
            let _ = HostRunner.run(&plain(script).args([device]));
        }
    }
}

/// Prepares everything that a command line needs, and completes QEMU's command.
///
/// Of a failure nothing is left: processes end and files close with what is given back here.
///
/// # Errors
/// Every reason that can be found before QEMU is started, each with its place in the XML.
pub fn prepare(
    line: &CommandLine,
    mut command: Command,
    user: Option<&User>,
    entry: &Entry,
) -> Result<Resources, Vec<Diagnostic>> {
    files::check(&line.needs.files, user)?;
    Devices::of_this_host().check(&line.needs.host_devices, user)?;
    usb::check(Path::new("/"), &line.needs.usb_devices, user)?;
    if let Some(LockedMemory { bytes, origin }) = line.needs.locked_memory {
        if !Confinement::can_lock(bytes) {
            let problem = failed(origin, "this user may not lock as much memory as QEMU needs");
            return Err(vec![problem.help("raise the limit (`ulimit -l`), or run as root")]);
        }
        command.confinement.locked_memory = Some(bytes);
    }
    place(line, &mut command)?;
    let mut preparation = Preparation {
        user,
        entry,
        taps: HashMap::new(),
        links: HashMap::new(),
        leftovers: Leftovers::default(),
    };
    let prepared = preparation.run(line, command);
    prepared.map_err(|problem| vec![problem])
}

/// Lets QEMU start where its first thread runs, so that all the threads run there that have no place of their own.
fn place(line: &CommandLine, command: &mut Command) -> Result<(), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    for placement in &line.needs.placements {
        let Some(cpus) = &placement.cpus else { continue };
        let these = Cpus::These(cpus.iter().collect());
        if !these.are_there() {
            let message = format!("there is none of the processors {cpus} that QEMU could run on here");
            problems.push(failed(placement.origin, message));
        } else if placement.thread == Thread::Main {
            command.confinement.cpus = these;
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Whether this host has a USB device.
pub fn has_usb_device(device: &UsbDevice) -> bool {
    usb::is_there(Path::new("/"), device)
}

/// The file of a PCI device that QEMU can get open, or why it cannot.
pub fn vfio_file(address: &str) -> Option<Result<String, String>> {
    Devices::of_this_host().file(address)
}

/// Takes devices of the host from their drivers, whose own they are again after the guest; gives whether any was.
///
/// # Errors
/// When a device cannot be taken.
pub fn take_devices(line: &CommandLine, entry: &mut Entry) -> Result<bool, Vec<Diagnostic>> {
    let note = |undo| entry.set_undo(undo).map_err(io::Error::other);
    Devices::of_this_host().take(&line.needs.host_devices, note, &mut |one| one.write())
}

/// What has been opened and is not handed over yet.
struct Preparation<'a> {
    user: Option<&'a User>,
    entry: &'a Entry,
    taps: HashMap<String, Tap>,
    links: HashMap<String, OwnedFd>,
    leftovers: Leftovers,
}

impl Preparation<'_> {
    fn run(&mut self, line: &CommandLine, mut command: Command) -> Result<Resources, Diagnostic> {
        for file in &line.needs.files {
            files::make(file, self.user)?;
        }
        for tap in &line.needs.taps {
            let made = taps::make(tap, &mut self.leftovers)?;
            self.taps.insert(tap.device.clone(), made);
        }
        let mut companions = Vec::new();
        let mut waiting = Vec::new();
        for helper in &line.needs.helpers {
            match helpers::start(helper, self.user, self.entry)? {
                Started::Waiting(helper) => waiting.push(*helper),
                Started::Running(process, link) => {
                    companions.push((helper.program.clone(), process));
                    self.links.extend(link.map(|link| (helper.device.clone(), link)));
                }
            }
        }
        let mut ours = descriptors::Ours::default();
        let mut numbers: HashMap<FdRequest, i32> = HashMap::new();
        for (request, origin) in line.fd_requests() {
            if numbers.contains_key(request) {
                continue;
            }
            let fd = self.open(request, origin, line, &mut ours)?;
            let number = command
                .fds
                .pass(fd)
                .map_err(|error| failed(origin, format!("cannot hand a descriptor to QEMU: {error}")))?;
            numbers.insert(request.clone(), number);
        }
        become_user(&mut command, self.user);
        let descriptors::Ours { monitor, console } = ours;
        let leftovers = std::mem::take(&mut self.leftovers);
        let mut resources = Resources { command, monitor, console, companions, waiting, leftovers, numbers };
        let words = line.argv(&mut |request| resources.number(request));
        resources.command.args.extend(words.into_iter().map(Into::into));
        Ok(resources)
    }
}

/// A process that serves a guest or QEMU itself: it has a small, known environment and few rights.
pub fn confined(program: impl Into<PathBuf>) -> Command {
    let mut command = plain(program);
    command.confinement = Confinement::strict();
    command
}

/// The same for one that is found by the guest's entry, should it ever outlive its supervisor.
pub fn serving(program: impl Into<PathBuf>, entry: &Entry) -> Command {
    confined(program).env(runtime::MARK, entry.mark())
}

/// Lets a process be somebody else, in that user's home.
fn become_user(command: &mut Command, user: Option<&User>) {
    let Some(user) = user else { return };
    for name in ["USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        command.env.remove(OsStr::new(name));
    }
    command.env.insert("HOME".into(), user.home().into());
    command.confinement.user = Some(user.clone());
}

/// Makes a directory for what another user's QEMU makes while the guest runs, and gives the path by which QEMU
/// reaches it: by its descriptor, as that user cannot enter the directories above.
///
/// # Errors
/// When it cannot be made or given away.
pub fn directory_of(user: &User, entry: &Path, command: &mut Command) -> io::Result<String> {
    let path = entry.join("user");
    files::state_directory(&path, Some(user))?;
    by_descriptor(&path, command)
}

/// Hands a directory over, and gives the path by which the process reaches it: a short one.
///
/// # Errors
/// When it cannot be opened.
pub fn by_descriptor(directory: &Path, command: &mut Command) -> io::Result<String> {
    let number = command.fds.pass(File::open(directory)?)?;
    Ok(format!("/proc/self/fd/{number}"))
}

/// A program with a small, known environment.
fn plain(program: impl Into<PathBuf>) -> Command {
    let limits = Limits { time: PREPARATION, ..Limits::default() };
    let mut command = Command::new(program).env("LC_ALL", "C").limits(limits);
    for name in ["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command = command.env(name, value);
        }
    }
    command
}

/// Something that the host refused or failed at.
fn failed(origin: Origin, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::OperationFailed, origin, message)
}
