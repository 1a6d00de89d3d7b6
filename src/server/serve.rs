//! Accepting connections, running each on a worker, draining.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::conn::Conn;
use super::desk::Desk;
use super::listen::Bound;
use super::peer::{Accepted, Peer, Seat};
use super::sink::{End, Sink};
use super::worker::{Shared, Worker};
use crate::client::{ClientInfo, Session};
use crate::meter::Cut;
use crate::trail::What;

/// How often slow readers are looked for.
const TICK: Duration = Duration::from_secs(1);
/// After a failed accept (out of file descriptors), so that the acceptor does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Threads of a worker, beside its own, for long replies and for names that are resolved.
const BLOCKING: usize = 8;
/// Within this the server has ended the blocking commands that were under way, if it can (Upstash cannot).
const UNBLOCK_GRACE: Duration = Duration::from_millis(500);
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every client was served to its end.
    Drained,
    /// Some were cut when the time was up.
    Forced,
}

/// A connection that a worker is to serve, and its place among those from its address.
type Arrived = (Accepted, Option<Seat>);

async fn serve(worker: Rc<Worker>, (accepted, seat): Arrived, load: Arc<AtomicUsize>) {
    // Dropped in whatever way this ends, a panic included.
    let _place = (Place(load), seat);
    if let Err(error) = serve_client(worker, accepted).await {
        tracing::debug!(target: "waxseal::server", "a connection could not be set up: {error}");
    }
}

async fn serve_client(worker: Rc<Worker>, accepted: Accepted) -> io::Result<()> {
    let peer = Peer::of(accepted, &worker).await?;
    let info = worker.shared.registry.join(peer.address, peer.local_address, peer.is_unix);
    let sink = Sink::new(Session::new(info.id, peer.unnamed), worker.clone(), info.clone());
    worker.enter(info.id, &sink);
    worker.meter.accepted.add(1);
    worker.meter.connected.up();
    sink.tell(What::Connected { address: info.address().to_owned() });
    let _membership = Membership { worker: worker.clone(), info: info.clone(), sink: sink.clone() };
    let told = sink.clone();
    let end = Conn::new(peer.io, Desk::new(sink, worker.clone(), peer.origin)).run().await;
    worker.meter.cut(counted(end));
    if !matches!(end, End::Client | End::Said | End::Drain) {
        told.tell(What::Closed { reason: counted(end).name() });
    }
    match end {
        End::SlowReader | End::Budget | End::Order => {
            tracing::warn!(target: "waxseal::server", client = info.id, "a client was cut: {}", why(end));
        }
        End::Client | End::Said | End::Upstream | End::Drain | End::Killed | End::TimedOut(_) => {
            tracing::debug!(target: "waxseal::server", client = info.id, "a client left: {}", why(end));
        }
    }
    Ok(())
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
        self.worker.leave(self.info.id);
        self.worker.meter.connected.down();
        self.worker.shared.registry.leave(&self.info);
        self.sink.close_account();
    }
}

fn counted(end: End) -> Cut {
    match end {
        End::Client => Cut::Client,
        End::Said => Cut::Said,
        End::Upstream => Cut::Upstream,
        End::SlowReader => Cut::SlowReader,
        End::Budget => Cut::Budget,
        End::Order => Cut::Order,
        End::Drain => Cut::Drain,
        End::Killed => Cut::Killed,
        End::TimedOut(_) => Cut::TimedOut,
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
        End::Killed => "another client ended it with CLIENT KILL",
        End::TimedOut(overdue) => overdue.why(),
    }
}

/// The acceptor's side of a worker.
struct Handle {
    queue: UnboundedSender<Arrived>,
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
    let targets: Arc<Vec<(UnboundedSender<Arrived>, Arc<AtomicUsize>)>> =
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
        let runtime =
            match tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING).build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    tracing::error!(target: "waxseal::server", "a worker could not start: {error}");
                    return Stopped::Forced;
                }
            };
        let local = LocalSet::new();
        local.block_on(&runtime, work(Worker::new(shared, index, share), incoming, counted, stop))
    })?;
    Ok(Handle { queue, load, thread })
}

async fn work(
    worker: Rc<Worker>,
    mut incoming: UnboundedReceiver<Arrived>,
    load: Arc<AtomicUsize>,
    mut stop: watch::Receiver<bool>,
) -> Stopped {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = incoming.recv() => match accepted {
                Some(accepted) => drop(tokio::task::spawn_local(serve(worker.clone(), accepted, load.clone()))),
                None => break,
            },
            // The first comes at once.
            _ = tick.tick() => {
                worker.meter.heart.beat(Instant::now());
                // No command should wait for a handshake, and the log should tell early if there is none.
                worker.warm_up();
                worker.cut_slow_clients();
                worker.give_back();
                if let Some(trail) = &worker.trail {
                    trail.report();
                }
            }
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { break },
        }
    }
    let stopped = drain(&worker, incoming, &load).await;
    if let Some(trail) = &worker.trail {
        trail.report();
    }
    stopped
}

/// Lets clients finish what they have under way, for a bounded time.
async fn drain(worker: &Rc<Worker>, mut incoming: UnboundedReceiver<Arrived>, load: &Arc<AtomicUsize>) -> Stopped {
    worker.start_draining();
    // Accepted in the last moment: served like the others, that is, closed when nothing is under way.
    while let Ok(accepted) = incoming.try_recv() {
        tokio::task::spawn_local(serve(worker.clone(), accepted, load.clone()));
    }
    let start = Instant::now();
    let deadline = start + worker.shared.bounds.drain;
    worker.for_each_sink(Sink::wake);
    while load.load(Ordering::Relaxed) > 0 {
        if start.elapsed() >= UNBLOCK_GRACE {
            worker.for_each_sink(Sink::end_if_blocked);
        }
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
    workers: Arc<Vec<(UnboundedSender<Arrived>, Arc<AtomicUsize>)>>,
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
            Ok((accepted, address)) => hand_over(accepted, address, &shared, &workers),
            Err(error) => {
                tracing::warn!(target: "waxseal::server", "a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept_one(listener: &Bound) -> io::Result<(Accepted, Option<IpAddr>)> {
    Ok(match listener {
        Bound::Tcp(l) => {
            let (stream, from) = l.accept().await?;
            (Accepted::Tcp(stream.into_std()?), Some(from.ip()))
        }
        Bound::Tls(l, config) => {
            let (stream, from) = l.accept().await?;
            (Accepted::Tls(stream.into_std()?, config.clone()), Some(from.ip()))
        }
        Bound::Unix(l, path) => (Accepted::Unix(l.accept().await?.0.into_std()?, path.display().to_string()), None),
    })
}

fn hand_over(
    accepted: Accepted,
    address: Option<IpAddr>,
    shared: &Shared,
    workers: &[(UnboundedSender<Arrived>, Arc<AtomicUsize>)],
) {
    let seat = match (address, shared.bounds.max_clients_per_address) {
        (Some(address), Some(most)) => match Seat::take(&shared.crowd, address, most) {
            None => return refuse(accepted),
            seat => seat,
        },
        _ => None,
    };
    let total: usize = workers.iter().map(|(_, load)| load.load(Ordering::Relaxed)).sum();
    if total >= shared.bounds.max_clients {
        return refuse(accepted);
    }
    let Some((queue, load)) = workers.iter().min_by_key(|(_, load)| load.load(Ordering::Relaxed)) else { return };
    load.fetch_add(1, Ordering::Relaxed);
    if queue.send((accepted, seat)).is_err() {
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
        // It waits for TLS and would not understand.
        Accepted::Tls(..) => Ok(()),
    };
}
