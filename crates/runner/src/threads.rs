//! Where threads run on the host, and how they are scheduled.

use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where a thread runs, and how it is scheduled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// The host's processors that it may run on.
    pub cpus: Cpus,
    /// How it is scheduled, if not like any other.
    pub scheduler: Option<Scheduler>,
}

/// Processors of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cpus {
    /// Whatever it may run on now.
    #[default]
    AsItIs,
    /// Those that this program may run on.
    Ours,
    /// These, by number.
    These(Vec<u32>),
}

/// One of Linux's ways to schedule threads (`sched(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// For work that nobody waits for.
    Batch,
    /// For what runs when nothing else does.
    Idle,
    /// Real time, first come, first served, with a priority.
    Fifo(i32),
    /// Real time in turns, with a priority.
    RoundRobin(i32),
}

impl Placement {
    /// Places a thread of a process that this program may govern.
    ///
    /// # Errors
    /// When this program may not, or none of the processors is there.
    pub fn apply(&self, thread: u32) -> io::Result<()> {
        let none = || io::Error::from(io::ErrorKind::NotFound);
        let pid = i32::try_from(thread).ok().and_then(Pid::from_raw).ok_or_else(none)?;
        self.cpus.apply(Some(pid))?;
        self.scheduler.map_or(Ok(()), |scheduler| scheduler.apply(pid))
    }
}

impl Cpus {
    /// Whether this program may let a thread run on one of them.
    pub fn are_there(&self) -> bool {
        match self {
            Self::AsItIs | Self::Ours => true,
            Self::These(cpus) => sched_getaffinity(None)
                .map_or(true, |ours| cpus.iter().any(|cpu| index(*cpu).is_some_and(|cpu| ours.is_set(cpu)))),
        }
    }

    /// The system calls for a thread, or for the calling one; nothing here allocates.
    pub(crate) fn apply(&self, thread: Option<Pid>) -> io::Result<()> {
        let set = match self {
            Self::AsItIs => return Ok(()),
            Self::Ours => sched_getaffinity(None)?,
            Self::These(cpus) => {
                let mut set = CpuSet::new();
                cpus.iter().filter_map(|cpu| index(*cpu)).for_each(|cpu| set.set(cpu));
                set
            }
        };
        Ok(sched_setaffinity(thread, &set)?)
    }
}

/// A processor's place in a set, which has room for 1024.
fn index(cpu: u32) -> Option<usize> {
    usize::try_from(cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU)
}

impl Scheduler {
    fn apply(self, thread: Pid) -> io::Result<()> {
        let (policy, priority) = match self {
            Self::Batch => (libc::SCHED_BATCH, 0),
            Self::Idle => (libc::SCHED_IDLE, 0),
            Self::Fifo(priority) => (libc::SCHED_FIFO, priority),
            Self::RoundRobin(priority) => (libc::SCHED_RR, priority),
        };
        #[allow(unsafe_code, reason = "rustix has no `sched_setscheduler`")]
        // SAFETY: the structure is plain numbers, for which zeroes are values, and the call only reads it.
        let result = unsafe {
            let mut parameters: libc::sched_param = std::mem::zeroed();
            parameters.sched_priority = priority;
            libc::sched_setscheduler(thread.as_raw_nonzero().get(), policy, &raw const parameters)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_where_and_how_it_is_told() {
        let ours = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|cpu| ours.is_set(*cpu)).unwrap();
        let first = u32::try_from(first).unwrap();
        let status = |name: &str| {
            let all = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = all.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().to_owned()
        };
        let place = move |cpus: Cpus, scheduler| {
            let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
            Placement { cpus, scheduler }.apply(thread)
        };
        // In a thread of its own, so that the others stay where they are.
        std::thread::spawn(move || {
            place(Cpus::These(vec![first, 1000]), Some(Scheduler::Batch)).unwrap();
            assert_eq!(status("Cpus_allowed_list"), first.to_string());
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            assert_eq!(fields[38], libc::SCHED_BATCH.to_string());
            assert!(place(Cpus::These(vec![5000]), None).is_err(), "no such processor");
        })
        .join()
        .unwrap();
        assert!(!Cpus::These(vec![5000]).are_there() && Cpus::These(vec![5000, first]).are_there());
    }
}
