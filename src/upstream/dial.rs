//! Opening a connection: resolve, connect, TLS.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::stream::{ReadAhead, Stream};
use super::unavailable::{Fault, Unavailable};

/// The kernel gives a silent peer up after this; a half-open connection must not hold commands longer.
const USER_TIMEOUT: Duration = Duration::from_secs(15);
/// First kernel keepalive probe on an idle connection, below the shortest idle cut reported of load balancers.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// How to log in upstream.
pub struct Login {
    pub user: String,
    pub password: Zeroizing<String>,
}

/// Where the database is and how to trust it. Shared by all workers, immutable.
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    /// `None`: plain TCP, for loopback only; the configuration sees to that.
    pub tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    pub login: Option<Login>,
    pub connect_timeout: Duration,
    /// How often a connection was made, by all workers: one that waits after a failure learns from it
    /// that another was luckier.
    pub reached: AtomicU64,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// `host:port`, for people.
    pub fn address(&self) -> String {
        // An IPv6 address has colons of its own.
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn network(&self, what: impl std::fmt::Display) -> Unavailable {
        Unavailable::new(Fault::Network, format!("{} ({what})", self.address()))
    }

    /// Resolves the name anew each time: after a failover it may point elsewhere.
    pub(super) async fn dial(&self) -> Result<Stream, Unavailable> {
        let tcp = self.connect().await?;
        let Some((config, name)) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        match TlsConnector::from(config.clone()).connect(name.clone(), ReadAhead::new(tcp)).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(e) => Err(self.tls_failure(&e)),
        }
    }

    async fn connect(&self) -> Result<TcpStream, Unavailable> {
        let addresses = lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|e| self.network(format!("name not resolved: {e}")))?;
        let mut last = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => {
                    tune(&tcp).map_err(|e| self.network(e))?;
                    return Ok(tcp);
                }
                Err(e) => last = Some(e),
            }
        }
        Err(match last {
            Some(e) => self.network(e),
            None => self.network("the name has no address"),
        })
    }

    fn tls_failure(&self, error: &io::Error) -> Unavailable {
        let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidMessage(_)) => {
                Unavailable::new(Fault::Tls, format!("{} does not speak TLS on this port", self.address()))
            }
            Some(e) => Unavailable::new(Fault::Tls, format!("{} ({e})", self.address())),
            None => self.network(format!("TLS handshake cut: {error}")),
        }
    }
}

fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 5))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}
