//! Where the socket is: a file in the batch's folder, reached through `/proc/self/fd`, because a socket's path may have no
//! more than 107 bytes and a state directory may be anywhere.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{Mode, fchmod},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with},
};

/// The name of the socket in the batch's folder.
const NAME: &str = "control.sock";

/// Clients that the kernel keeps until the server takes them.
const BACKLOG: i32 = 16;

/// The socket of a batch that this host owns; its file goes with it.
#[derive(Debug)]
pub(super) struct Bound {
    path: PathBuf,
    /// Which file it is: somebody who removed the folder and made it anew keeps theirs.
    inode: (u64, u64),
}

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindError {
    #[error("another program listens on {}", .0.display())]
    Live(PathBuf),
    #[error("{} is there and is no socket: remove it", .0.display())]
    NoSocket(PathBuf),
    #[error("{path}: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
}

impl Bound {
    /// Listens in `folder`, whose lock the caller holds.
    pub(super) fn new(folder: &Path) -> Result<(Self, UnixListener), BindError> {
        let path = folder.join(NAME);
        make_room(folder, &path)?;
        let failed = |error: io::Error| BindError::Io(path.clone(), error);
        let listener = listening(folder).map_err(failed)?;
        let about = fs::symlink_metadata(&path).map_err(failed)?;
        Ok((Self { inode: (about.dev(), about.ino()), path }, listener))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) == self.inode) {
            // What cannot be removed is replaced by the next host.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a dead host left.
fn make_room(folder: &Path, path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(about) if !about.file_type().is_socket() => return Err(BindError::NoSocket(path.to_owned())),
        _ => {}
    }
    match probe(folder) {
        Err(Errno::CONNREFUSED) => {}
        // Taken, or its queue is full: somebody is there.
        Ok(()) | Err(Errno::AGAIN) => return Err(BindError::Live(path.to_owned())),
        Err(error) => return Err(BindError::Io(path.to_owned(), error.into())),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BindError::Io(path.to_owned(), error)),
        _ => Ok(()),
    }
}

fn listening(folder: &Path) -> io::Result<UnixListener> {
    let folder = File::open(folder)?;
    let socket = unix_socket(SocketFlags::NONBLOCK)?;
    // The kernel gives the file the mode that the socket has: nobody else may connect, not even for a moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &address(&folder)?)?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Whether somebody listens, without waiting for them.
fn probe(folder: &Path) -> Result<(), Errno> {
    let folder = File::open(folder).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    connect(unix_socket(SocketFlags::NONBLOCK)?, &address(&folder)?)
}

/// Connects to the host of the batch in `folder`. No wait is longer than `patience`, later ones on the stream neither.
pub(super) fn reach(folder: &Path, patience: Duration) -> io::Result<UnixStream> {
    let folder = File::open(folder)?;
    let stream = UnixStream::from(unix_socket(SocketFlags::empty())?);
    // Of a write, and of the wait for a place in the queue of the server.
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience))?;
    connect(&stream, &address(&folder)?)?;
    Ok(stream)
}

fn unix_socket(flags: SocketFlags) -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | flags, None)
}

fn address(folder: &File) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn reach(folder: &Path) -> io::Result<UnixStream> {
        super::reach(folder, Duration::from_secs(60))
    }

    #[test]
    fn the_socket_is_the_owners_alone_and_goes_with_its_host() {
        let folder = tempfile::tempdir().unwrap();
        let (bound, _listener) = Bound::new(folder.path()).unwrap();
        let about = fs::symlink_metadata(folder.path().join(NAME)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        assert!(reach(folder.path()).is_ok());
        drop(bound);
        assert_eq!(reach(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_path_may_be_longer_than_a_sockets_address() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(200));
        fs::create_dir(&deep).unwrap();
        let (_bound, _listener) = Bound::new(&deep).unwrap();
        assert!(reach(&deep).is_ok());
    }

    #[test]
    fn a_socket_without_a_host_is_replaced_and_a_live_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let (bound, listener) = Bound::new(folder.path()).unwrap();
        assert!(matches!(Bound::new(folder.path()), Err(BindError::Live(_))));
        // A host that was killed closes its socket and removes nothing.
        let _killed = std::mem::ManuallyDrop::new(bound);
        drop(listener);
        assert_eq!(reach(folder.path()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let (_bound, _listener) = Bound::new(folder.path()).unwrap();
        assert!(reach(folder.path()).is_ok());
    }

    #[test]
    fn a_file_of_that_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "mine").unwrap();
        let error = Bound::new(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("control.sock is there and is no socket: remove it"), "{error}");
        assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), b"mine");
    }

    #[test]
    fn a_socket_that_is_not_ours_any_more_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (bound, _listener) = Bound::new(folder.path()).unwrap();
        fs::remove_file(folder.path().join(NAME)).unwrap();
        fs::write(folder.path().join(NAME), "another").unwrap();
        drop(bound);
        assert!(folder.path().join(NAME).exists());
    }
}
