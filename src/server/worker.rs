//! Workers and the acceptor.
//!
//! A worker is a thread with its own runtime, lanes and keys in use; workers share nothing but
//! counters. One acceptor gives each new connection to the least loaded worker.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::conn::{ClientIo, Conn};
use super::dispatch::Desk;
use super::listen::Bound;
use super::sink::{End, Sink};
use crate::client::{ClientInfo, Registry, Secrets, Session};
use crate::crypto::{Cipher, Keyring};
use crate::policy::{Policy, TokenBucket};
use crate::transform::Transform;
use crate::upstream::{Budgets, Endpoint, Pool};

/// One read's worth of requests; larger ones are read on behind what came.
const SCRATCH: usize = 64 * 1024;
/// How often slow readers are looked for.
const TICK: Duration = Duration::from_secs(1);
/// After a failed accept (out of file descriptors), so that the acceptor does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// Bounds that hold for every client.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub max_clients: usize,
    /// Requests of one client under way.
    pub client_window: usize,
    /// Bytes waiting to be taken by one client.
    pub client_output: usize,
    /// A client that takes nothing for this long while something waits is cut.
    pub output_stall: Duration,
    /// Bytes waiting for all clients of the process.
    pub buffers: usize,
    pub max_bulk: usize,
    pub drain: Duration,
}

/// What all workers read and none changes, counters excepted.
pub struct Shared {
    pub policy: Arc<Policy>,
    pub keyring: Option<Arc<Keyring>>,
    pub endpoint: Arc<Endpoint>,
    pub secrets: Secrets,
    pub registry: Registry,
    pub bounds: Bounds,
    pub budgets: Budgets,
    pub per_connection: Option<TokenBucket>,
    pub dedicated: bool,
    pub buffered: AtomicUsize,
}

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every client was served to its end.
    Drained,
    /// Some were cut when the time was up.
    Forced,
}

/// One worker's own things.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    pub transform: RefCell<Transform>,
    pub pool: Rc<Pool>,
    scratch: RefCell<Box<[u8]>>,
    sinks: RefCell<HashMap<u64, Weak<Sink>>>,
    draining: Cell<bool>,
}

impl Worker {
    fn new(shared: Arc<Shared>, share: usize) -> Rc<Self> {
        let cipher = shared.keyring.clone().map(Cipher::new);
        let transform = Transform::new(shared.policy.clone(), cipher, shared.bounds.max_bulk);
        let all = shared.budgets;
        let budgets = Budgets {
            transactions: all.transactions.div_ceil(share),
            blocking: all.blocking.div_ceil(share),
            subscriptions: all.subscriptions.div_ceil(share),
        };
        Rc::new(Self {
            pool: Pool::new(shared.endpoint.clone(), budgets),
            transform: RefCell::new(transform),
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            sinks: RefCell::default(),
            draining: Cell::new(false),
            shared,
        })
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.shared.policy
    }

    pub fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    pub fn draining(&self) -> bool {
        self.draining.get()
    }

    fn for_each_sink(&self, mut act: impl FnMut(&Sink)) {
        let sinks: Vec<Rc<Sink>> = self.sinks.borrow().values().filter_map(Weak::upgrade).collect();
        for sink in sinks {
            act(&sink);
        }
    }

    /// Cuts clients that do not read.
    fn cut_slow_readers(&self) {
        let now = Instant::now();
        self.for_each_sink(|sink| {
            let slow = {
                let inner = sink.inner();
                inner.queue.buffered() > 0 && now.duration_since(inner.drained) > self.shared.bounds.output_stall
            };
            if slow {
                sink.end(End::SlowReader);
                sink.wake();
            }
        });
    }

    async fn serve(self: Rc<Self>, accepted: Accepted, load: Arc<AtomicUsize>) {
        // Dropped in whatever way this ends, a panic included.
        let _place = Place(load);
        if let Err(error) = self.clone().serve_client(accepted).await {
            tracing::debug!(target: "waxseal::server", "a connection could not be set up: {error}");
        }
    }

    async fn serve_client(self: Rc<Self>, accepted: Accepted) -> io::Result<()> {
        let (io, address, local) = match accepted {
            Accepted::Tcp(stream) => {
                let stream = TcpStream::from_std(stream)?;
                stream.set_nodelay(true)?;
                let addresses = (stream.peer_addr()?.to_string(), stream.local_addr()?.to_string());
                (ClientIo::Tcp(stream), addresses.0, addresses.1)
            }
            Accepted::Unix(stream, path) => {
                (ClientIo::Unix(UnixStream::from_std(stream)?), format!("{path}:0"), format!("{path}:0"))
            }
        };
        let info = self.shared.registry.join(address, local);
        let sink = Sink::new(Session::new(info.id, !self.shared.secrets.required), self.clone());
        self.sinks.borrow_mut().insert(info.id, Rc::downgrade(&sink));
        let _membership = Membership { worker: self.clone(), info: info.clone(), sink: sink.clone() };
        let end = Conn::new(io, Desk::new(sink, self.clone(), info.clone())).run().await;
        match end {
            End::SlowReader | End::Budget | End::Order => {
                tracing::warn!(target: "waxseal::server", client = info.id, "a client was cut: {}", why(end));
            }
            End::Client | End::Said | End::Upstream | End::Drain => {
                tracing::debug!(target: "waxseal::server", client = info.id, "a client left: {}", why(end));
            }
        }
        Ok(())
    }
}

/// One connection's share of its worker's load.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client in the lists of its worker and of the process.
struct Membership {
    worker: Rc<Worker>,
    info: Arc<ClientInfo>,
    sink: Rc<Sink>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.worker.sinks.borrow_mut().remove(&self.info.id);
        self.worker.shared.registry.leave(&self.info);
        self.sink.close_account();
    }
}

fn why(end: End) -> &'static str {
    match end {
        End::Client => "it closed the connection",
        End::Said => "it was told so",
        End::Upstream => "the outcome of a command was lost with the upstream connection",
        End::SlowReader => "it does not read its replies (limits.client_output, limits.output_stall)",
        End::Budget => "all clients together hold too many unread bytes (limits.buffers)",
        End::Order => "a reply came out of order",
        End::Drain => "the sidecar is stopping",
    }
}

/// A connection on its way from the acceptor to a worker.
enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream, String),
}

/// The acceptor's side of a worker.
struct Handle {
    queue: UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<Stopped>,
}

/// Serves until `stop` changes, then drains.
pub async fn run(
    shared: Arc<Shared>,
    listeners: Vec<Bound>,
    workers: usize,
    stop: watch::Receiver<bool>,
) -> io::Result<Stopped> {
    let workers = workers.max(1);
    let mut handles = Vec::with_capacity(workers);
    for index in 0..workers {
        handles.push(start(index, workers, shared.clone(), stop.clone())?);
    }
    let targets: Arc<Vec<(UnboundedSender<Accepted>, Arc<AtomicUsize>)>> =
        Arc::new(handles.iter().map(|h| (h.queue.clone(), h.load.clone())).collect());
    let acceptors: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(accept(listener, shared.clone(), targets.clone(), stop.clone())))
        .collect();
    for acceptor in acceptors {
        // An acceptor ends when `stop` changes; a panic in one is reported by the runtime.
        let _ = acceptor.await;
    }
    drop(targets);
    tokio::task::spawn_blocking(move || {
        let mut stopped = Stopped::Drained;
        for handle in handles {
            drop(handle.queue);
            if !matches!(handle.thread.join(), Ok(Stopped::Drained)) {
                stopped = Stopped::Forced;
            }
        }
        stopped
    })
    .await
    .map_err(io::Error::other)
}

fn start(index: usize, share: usize, shared: Arc<Shared>, stop: watch::Receiver<bool>) -> io::Result<Handle> {
    let (queue, incoming) = unbounded_channel();
    let load = Arc::new(AtomicUsize::new(0));
    let counted = load.clone();
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(target: "waxseal::server", "a worker could not start: {error}");
                return Stopped::Forced;
            }
        };
        let local = LocalSet::new();
        local.block_on(&runtime, work(Worker::new(shared, share), incoming, counted, stop))
    })?;
    Ok(Handle { queue, load, thread })
}

async fn work(
    worker: Rc<Worker>,
    mut incoming: UnboundedReceiver<Accepted>,
    load: Arc<AtomicUsize>,
    mut stop: watch::Receiver<bool>,
) -> Stopped {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = incoming.recv() => match accepted {
                Some(accepted) => drop(tokio::task::spawn_local(worker.clone().serve(accepted, load.clone()))),
                None => break,
            },
            _ = tick.tick() => worker.cut_slow_readers(),
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { break },
        }
    }
    drain(&worker, incoming, &load).await
}

/// Lets clients finish what they have under way, for a bounded time.
async fn drain(worker: &Rc<Worker>, mut incoming: UnboundedReceiver<Accepted>, load: &Arc<AtomicUsize>) -> Stopped {
    worker.draining.set(true);
    // Accepted in the last moment: served like the others, that is, closed when nothing is under way.
    while let Ok(accepted) = incoming.try_recv() {
        tokio::task::spawn_local(worker.clone().serve(accepted, load.clone()));
    }
    let deadline = Instant::now() + worker.shared.bounds.drain;
    worker.for_each_sink(Sink::wake);
    while load.load(Ordering::Relaxed) > 0 {
        if Instant::now() >= deadline {
            worker.for_each_sink(|sink| {
                sink.end(End::Drain);
                sink.wake();
            });
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Stopped::Forced;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Stopped::Drained
}

async fn accept(
    listener: Bound,
    shared: Arc<Shared>,
    workers: Arc<Vec<(UnboundedSender<Accepted>, Arc<AtomicUsize>)>>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&listener) => accepted,
            changed = stop.changed() => {
                if changed.is_err() || *stop.borrow() { return }
                continue;
            }
        };
        match accepted {
            Ok(accepted) => hand_over(accepted, &shared, &workers),
            Err(error) => {
                tracing::warn!(target: "waxseal::server", "a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept_one(listener: &Bound) -> io::Result<Accepted> {
    Ok(match listener {
        Bound::Tcp(l) => Accepted::Tcp(l.accept().await?.0.into_std()?),
        Bound::Unix(l, path) => Accepted::Unix(l.accept().await?.0.into_std()?, path.display().to_string()),
    })
}

fn hand_over(accepted: Accepted, shared: &Shared, workers: &[(UnboundedSender<Accepted>, Arc<AtomicUsize>)]) {
    let total: usize = workers.iter().map(|(_, load)| load.load(Ordering::Relaxed)).sum();
    if total >= shared.bounds.max_clients {
        return refuse(accepted);
    }
    let Some((queue, load)) = workers.iter().min_by_key(|(_, load)| load.load(Ordering::Relaxed)) else { return };
    load.fetch_add(1, Ordering::Relaxed);
    if queue.send(accepted).is_err() {
        // The worker has ended; dropping the socket closes it.
        load.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refuse(accepted: Accepted) {
    use std::io::Write;
    // Best effort on a non-blocking socket whose buffer is empty.
    let _ = match accepted {
        Accepted::Tcp(mut s) => s.write_all(TOO_MANY),
        Accepted::Unix(mut s, _) => s.write_all(TOO_MANY),
    };
}
