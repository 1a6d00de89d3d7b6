//! The two HTTP addresses: accept, bound, answer.
//!
//! They share the thread that accepts clients, which has nothing else to do; workers do not notice.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::page::Site;

/// A few browsers, probes and a Prometheus or two; more wait.
const CONNECTIONS: usize = 64;
/// Within this a request's header is there, and a connection without a further request is closed.
const HEADER: Duration = Duration::from_secs(5);
/// Headers of browsers take about 1 KiB; with a proxy's cookies some more.
const BUFFER: usize = 16 * 1024;
/// A connection ends after this, so that nobody keeps one by reading slowly. Browsers just make another.
const LIFE: Duration = Duration::from_secs(120);
/// For the answer under way when that time is up.
const LAST_ANSWER: Duration = Duration::from_secs(5);
/// After a failed accept (out of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// Which address a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Everything.
    Admin,
    /// Probes and metrics; open to other machines.
    Metrics,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "console, probes and metrics",
            Self::Metrics => "probes and metrics",
        })
    }
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct Fault {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}. Is another process using it?", self.address, self.error)
    }
}

impl std::error::Error for Fault {}

/// Opens a listener. Must run inside the runtime that will serve it.
///
/// # Errors
/// The address is in use, or not of this machine.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Fault> {
    TcpListener::bind(address).await.map_err(|error| Fault { address, error })
}

/// Serves for as long as it is polled.
pub async fn serve(listener: TcpListener, door: Door, site: Arc<Site>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes it.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = site.clone();
                tokio::spawn(async move {
                    connection(stream, door, &site).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(target: "waxseal::observe", "a connection could not be accepted: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, door: Door, site: &Site) {
    let answer = service_fn(|request| async move { Ok::<_, Infallible>(site.answer(door, request).await) });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), answer)
    );
    // Errors are the other side's: it left, or sent what is no HTTP.
    tokio::select! {
        _ = &mut connection => return,
        () = sleep(LIFE) => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(LAST_ANSWER, connection).await;
}
