//! UNIX sockets at paths of any length, reached within a limit.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use crate::ready;

/// The longest path in the address of a socket, in bytes.
pub const LONGEST_PATH: usize = 107;
/// How many connections wait to be accepted, unless the system allows fewer.
const WAITING: i32 = 128;

/// Connects to the socket at a path. One that does not come to accept anybody leaves no room at some time; then this
/// waits for room, up to a limit.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when there is no room within the limit, else what the system says.
pub fn connect(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let (address, _dir) = within_reach(path)?;
    let address = SocketAddrUnix::new(address)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let deadline = ready::after(limit);
    while let Err(error) = net::connect(&socket, &address) {
        if error != Errno::AGAIN || Instant::now() >= deadline {
            return Err(error.into());
        }
        sleep(Duration::from_millis(5));
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Listens on a path, for this user alone.
///
/// # Errors
/// When there is something at the path, or the system refuses.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let (address, _dir) = within_reach(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &SocketAddrUnix::new(&address)?)?;
    // Nobody can connect before it listens.
    fs::set_permissions(&address, fs::Permissions::from_mode(0o600))?;
    net::listen(&socket, WAITING)?;
    Ok(socket.into())
}

/// The path of a socket by way of an open directory.
pub(crate) fn in_directory(dir: BorrowedFd<'_>, name: &Path) -> PathBuf {
    Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name)
}

/// The path as it fits into an address, with the directory that has to stay open if that leads through one.
fn within_reach(path: &Path) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::ISDIR.into());
    };
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok((path.to_owned(), None));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(directory, flags, Mode::empty())?;
    let address = in_directory(std::os::fd::AsFd::as_fd(&dir), Path::new(name));
    Ok((address, Some(dir)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn sockets_are_reached_at_paths_of_any_length() {
        let place = tempfile::tempdir().unwrap();
        for folder in ["a".to_owned(), "b".repeat(200)] {
            let folder = place.path().join(folder);
            fs::create_dir(&folder).unwrap();
            let path = folder.join("socket");
            let missing = connect(&path, Duration::ZERO).unwrap_err();
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
            let listener = listen(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            connect(&path, Duration::ZERO).unwrap().write_all(b"x").unwrap();
            let mut heard = String::new();
            listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "x");
            assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        let name = place.path().join("c".repeat(200));
        assert!(connect(&name, Duration::ZERO).is_err() && listen(&name).is_err());
    }

    #[test]
    fn who_does_not_accept_is_waited_for_up_to_a_limit() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let listener = listen(&path).unwrap();
        net::listen(&listener, 0).unwrap();
        let (limit, start) = (Duration::from_millis(50), Instant::now());
        let mut held = Vec::new();
        let refusal = loop {
            match connect(&path, limit) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(refusal.kind(), io::ErrorKind::WouldBlock);
        assert!(start.elapsed() >= limit && !held.is_empty());
        // Room that is made meanwhile is taken.
        let waiting = std::thread::spawn(move || connect(&path, Duration::from_secs(20)).map(drop));
        sleep(limit);
        listener.accept().unwrap();
        waiting.join().unwrap().unwrap();
    }
}
