//! What a process may not do, settled before it starts.

use std::fs;
use std::io;

use rustix::fs::Mode;
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, setrlimit, umask};
use rustix::thread::{
    CapabilitySet, capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::threads::Cpus;

/// What a process may not do. The default takes nothing from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Who it becomes. Only root can become someone else.
    pub user: Option<User>,
    /// It and its children can never gain rights by starting a program (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
    /// The files and sockets that it makes are for its own user alone (`umask 077`).
    pub private_files: bool,
    /// It leaves no core dump, which would hold the guest's memory.
    pub no_core_dump: bool,
    /// Bytes that it can keep from being swapped out, if that is more than it could anyway.
    pub locked_memory: Option<u64>,
    /// The processors that all its threads run on, unless they are placed elsewhere later.
    pub cpus: Cpus,
}

impl Confinement {
    /// What nothing that serves a guest needs is taken away.
    pub fn strict() -> Self {
        Self { no_new_privileges: true, private_files: true, no_core_dump: true, ..Self::default() }
    }

    /// Whether this program may let a process lock so many bytes of memory.
    pub fn can_lock(bytes: u64) -> bool {
        let limit = getrlimit(Resource::Memlock);
        let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= bytes);
        // Root in a container may be one without this right.
        let may_raise =
            || capabilities(None).is_ok_and(|has| has.effective.contains(CapabilitySet::SYS_RESOURCE));
        is_enough(limit.current) || is_enough(limit.maximum) || may_raise()
    }

    /// The system calls between fork and exec; nothing here allocates.
    pub(crate) fn apply(&self) -> io::Result<()> {
        if self.no_core_dump {
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        }
        if let Some(bytes) = self.locked_memory {
            let now = getrlimit(Resource::Memlock);
            // No limit is written as `None`.
            if now.current.is_some_and(|current| current < bytes) {
                let current = Some(bytes).filter(|bytes| *bytes != u64::MAX);
                let maximum = match (now.maximum, current) {
                    (Some(maximum), Some(bytes)) => Some(maximum.max(bytes)),
                    _ => None,
                };
                setrlimit(Resource::Memlock, Rlimit { current, maximum })?;
            }
        }
        self.cpus.apply(None)?;
        if self.private_files {
            umask(Mode::RWXG | Mode::RWXO);
        }
        if let Some(user) = &self.user {
            // In this order: whoever is not root any more can change nothing else.
            set_thread_groups(&user.groups)?;
            set_thread_res_gid(user.gid, user.gid, user.gid)?;
            set_thread_res_uid(user.uid, user.uid, user.uid)?;
        }
        if self.no_new_privileges {
            set_no_new_privs(true)?;
        }
        Ok(())
    }
}

/// Whether this thread's user may read and write a file, without opening it: opening a device may do something.
///
/// # Errors
/// Why not.
pub fn may_use(path: &std::path::Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK)?)
}

/// A user of the host, with all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    home: String,
}

impl User {
    /// The user of this name in `/etc/passwd`, or the one with these numbers: `UID` or `UID:GID`.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn find(name: &str) -> io::Result<Self> {
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::among(name, &users, &groups).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no user `{name}` on this host"))
        })
    }

    fn among(name: &str, users: &str, groups: &str) -> Option<Self> {
        let fields = |line: &str| -> Vec<String> { line.split(':').map(str::to_owned).collect() };
        let by_number = |name: &str| name.parse::<u32>().ok().filter(|number| *number != u32::MAX);
        let (wanted, group) = match name.split_once(':') {
            Some((user, group)) => (by_number(user)?.to_string(), Some(by_number(group)?)),
            None => (name.to_owned(), None),
        };
        let entry = users.lines().map(fields).find(|entry| {
            entry.first() == Some(&wanted) || by_number(&wanted).is_some() && entry.get(2) == Some(&wanted)
        });
        let (uid, gid, home) = match &entry {
            Some(entry) => (by_number(entry.get(2)?)?, by_number(entry.get(3)?)?, entry.get(5).cloned()),
            // A container may know numbers without names.
            None => (by_number(&wanted)?, group?, None),
        };
        let gid = group.unwrap_or(gid);
        let mut all = vec![Gid::from_raw(gid)];
        let own = entry.as_ref().and_then(|entry| entry.first().cloned()).unwrap_or_default();
        for line in groups.lines().map(fields) {
            let is_member = line.get(3).is_some_and(|members| members.split(',').any(|name| name == own));
            let number = line.get(2).and_then(|number| by_number(number)).filter(|number| *number != gid);
            all.extend(number.filter(|_| is_member && !own.is_empty()).map(Gid::from_raw));
        }
        let home = home.unwrap_or_else(|| "/".to_owned());
        Some(User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups: all, home })
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// The number of the user's first group.
    pub fn gid(&self) -> u32 {
        self.gid.as_raw()
    }

    /// The user's home directory.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Does something with this user's rights, in a thread of its own.
    ///
    /// # Errors
    /// When this process cannot become that user.
    pub fn act<T: Send>(&self, action: impl FnOnce() -> T + Send) -> io::Result<T> {
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| {
                // Linux keeps a user for each thread; the thread ends with what it does.
                set_thread_groups(&self.groups)?;
                set_thread_res_gid(self.gid, self.gid, self.gid)?;
                set_thread_res_uid(self.uid, self.uid, self.uid)?;
                Ok(action())
            });
            acting.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended early")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nann:x:7:8::/home/ann:/bin/sh\n";
        let groups = "root:x:0:\nkvm:x:30:bob,ann\nann:x:8:ann\ndisk:x:31:bob\n";
        for (name, expected) in [
            ("ann", Some((7, 8, vec![8, 30]))),
            ("7", Some((7, 8, vec![8, 30]))),
            ("7:31", Some((7, 31, vec![31, 30, 8]))),
            ("99:98", Some((99, 98, vec![98]))),
            ("99", None),
            ("bob", None),
            ("", None),
            ("ann:8", None),
            ("4294967295:1", None),
        ] {
            let found = User::among(name, users, groups).map(|user| {
                (user.uid(), user.gid(), user.groups.iter().map(|group| group.as_raw()).collect())
            });
            assert_eq!(found, expected, "{name}");
        }
    }
}
