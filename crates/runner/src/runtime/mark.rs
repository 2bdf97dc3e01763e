//! Processes of a guest, found by their environment.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use serde::{Deserialize, Serialize};

use super::ProcessId;
use crate::ready;

/// The variable that processes of a guest have in their environment: [`Entry::mark`](super::Entry::mark).
///
/// What they start has it as well, though the kernel, which kills them with their supervisor, does not know of it.
pub const MARK: &str = "DOMX_GUEST";

/// How long it may take to find and end processes. The kernel may keep somebody waiting who asks for the environment of
/// a process that hangs.
const LIMIT: Duration = Duration::from_secs(2);

/// What the processes of one guest have in their environment, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The value of [`MARK`].
    pub value: String,
    /// When the supervisor started, in clock ticks since the host's start: they are not older.
    pub since: u64,
}

impl Mark {
    /// That of a guest of this process, by the guest's entry; `None` where `/proc` does not show who we are.
    pub(super) fn of(entry: &Path) -> Option<Self> {
        let ProcessId { pid, started, boot } = ProcessId::of(std::process::id())?;
        Some(Self { value: format!("{pid}:{started}:{boot}:{}", entry.display()), since: started })
    }

    /// Kills whatever has this mark, and waits a little for it to be gone.
    pub(super) fn end(&self) {
        let (done, is_done) = sync_channel(1);
        let (variable, since) = (format!("{MARK}={}", self.value), self.since);
        // Who keeps us waiting for too long is left to whoever cleans next.
        let worker = std::thread::Builder::new().name("sweep".into()).spawn(move || {
            let deadline = ready::after(LIMIT);
            // What one of them has just started comes to light the next time.
            while end_once(&variable, since) && Instant::now() < deadline {}
            let _ = done.send(());
        });
        if worker.is_ok() {
            let _ = is_done.recv_timeout(LIMIT.saturating_mul(2));
        }
    }
}

/// Kills the processes that are there now; whether there were any.
fn end_once(variable: &str, since: u64) -> bool {
    let mut ended = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Some(known) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
        if pid == std::process::id() || ProcessId::of(pid).is_none_or(|process| process.started < since) {
            continue;
        }
        let Ok(pidfd) = pidfd_open(known, PidfdFlags::empty()) else { continue };
        // Looked at after opening: the descriptor stays with the process whatever happens to the number. What may not be
        // looked at is not ours to end.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let is_marked = environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes());
        if is_marked && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
            ended.push(pidfd);
        }
    }
    let deadline = ready::after(LIMIT);
    for pidfd in &ended {
        let _ = ready::wait(&[ready::Interest::read(pidfd.as_fd())], Some(deadline));
    }
    !ended.is_empty()
}
