//! Listening sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::rustls::ServerConfig;

/// Where to listen.
#[derive(Debug, Clone)]
pub enum Address {
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<ServerConfig>),
    /// A socket file with these permissions.
    Unix(PathBuf, u32),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Tls(address, _) => write!(f, "tls:{address}"),
            Self::Unix(path, _) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct ListenFault {
    pub address: Address,
    pub error: io::Error,
}

impl fmt::Display for ListenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}. Is another process using it?", self.address, self.error)
    }
}

impl std::error::Error for ListenFault {}

/// An open listener.
pub enum Bound {
    Tcp(TcpListener),
    Tls(TcpListener, Arc<ServerConfig>),
    Unix(UnixListener, PathBuf),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(l) => match l.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("tcp"),
            },
            Self::Tls(l, _) => match l.local_addr() {
                Ok(address) => write!(f, "tls:{address}"),
                Err(_) => f.write_str("tls"),
            },
            Self::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Best effort: the next start removes a stale one as well.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens one listener. Must run inside the runtime that will accept.
pub async fn bind(address: Address) -> Result<Bound, ListenFault> {
    let bound = match &address {
        Address::Tcp(socket) => TcpListener::bind(socket).await.map(Bound::Tcp),
        Address::Tls(socket, config) => TcpListener::bind(socket).await.map(|l| Bound::Tls(l, config.clone())),
        Address::Unix(path, mode) => bind_unix(path, *mode),
    };
    bound.map_err(|error| ListenFault { address, error })
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<Bound> {
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(Bound::Unix(listener, path.to_owned()))
}

/// Removes a socket file that nobody listens on. Never anything but a socket.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(meta) if !meta.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of another kind"))
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => std::fs::remove_file(path),
    }
}
