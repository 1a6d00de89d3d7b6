//! Faults of the upstream: a TCP relay that cuts connections at random bytes, and CLIENT KILL on the database.
//!
//! Runs on a thread of its own, so that a busy test does not slow the storm down.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::random::Random;
use crate::support::{Raw, Upstream, free_port};

/// How often a connection is killed on the database's side, at most.
const KILL_EVERY: Duration = Duration::from_millis(300);
/// A connection that is to end does so after at most 2^20 bytes of one direction. Few do inside the TLS handshake,
/// of which both directions are over after so many bytes: each of those makes the sidecar wait before it dials again.
const FAULT_BITS: usize = 20;
const HANDSHAKE: usize = 4 * 1024;
const EARLY_ONE_IN: usize = 10;
const STALL: Duration = Duration::from_millis(300);
/// A relay that the sidecar does not close ends by itself.
const LINGER: Duration = Duration::from_millis(300);
const CHUNK: usize = 16 * 1024;

pub struct Storm {
    pub port: u16,
    over: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Plan {
    Pass,
    /// FIN to both sides.
    Close,
    /// RST to both sides.
    Reset,
    /// FIN to the sidecar only; its own bytes still reach the database for a while.
    HalfClose,
    /// Nothing moves for a while; then it is reset, or goes on.
    Stall {
        then_reset: bool,
    },
}

impl Storm {
    pub fn start(upstream: &Upstream, seed: u64) -> Self {
        let (port, target) = (free_port(), upstream.tls_port);
        let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut raw = upstream.raw();
        let (stop, cuts) = (over.clone(), count.clone());
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("bind the relay");
        listener.set_nonblocking(true).expect("nonblocking");
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("listener");
                tokio::spawn(accept(listener, target, seed, stop.clone(), cuts.clone()));
                let mut random = Random::new(seed, u64::MAX);
                while !stop.load(Ordering::Relaxed) {
                    tokio::time::sleep(KILL_EVERY.mul_f64(random.below(100) as f64 / 100.0)).await;
                    if !stop.load(Ordering::Relaxed) && kill_one(&mut raw, target, &mut random) {
                        cuts.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        });
        Self { port, over, count, thread: Some(thread) }
    }

    pub fn cuts(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Kills one of the connections that came in through TLS.
fn kill_one(raw: &mut Raw, tls_port: u16, random: &mut Random) -> bool {
    let list = String::from_utf8_lossy(&raw.run("CLIENT LIST").bytes()).into_owned();
    let mark = format!("laddr=127.0.0.1:{tls_port} ");
    let lines = list.lines().filter(|line| line.contains(&mark));
    let ids: Vec<&str> = lines.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()).collect();
    if ids.is_empty() {
        return false;
    }
    raw.run(&format!("CLIENT KILL ID {}", ids[random.below(ids.len())]));
    true
}

async fn accept(listener: TcpListener, target: u16, seed: u64, over: Arc<AtomicBool>, cuts: Arc<AtomicUsize>) {
    let mut number = 0;
    while let Ok((sidecar, _)) = listener.accept().await {
        number += 1;
        let mut random = Random::new(seed, number << 32);
        let plan = match random.below(10) {
            _ if over.load(Ordering::Relaxed) => Plan::Pass,
            0 => Plan::Close,
            1 => Plan::Reset,
            2 => Plan::HalfClose,
            3 => Plan::Stall { then_reset: true },
            4 => Plan::Stall { then_reset: false },
            _ => Plan::Pass,
        };
        let least = if random.one_in(EARLY_ONE_IN) { 0 } else { HANDSHAKE };
        let (to_database, to_sidecar) = (least + random.scaled(FAULT_BITS), least + random.scaled(FAULT_BITS));
        let cuts = cuts.clone();
        tokio::spawn(async move {
            let Ok(database) = TcpStream::connect(("127.0.0.1", target)).await else { return };
            if relay(sidecar, database, plan, to_database, to_sidecar).await.is_ok() && !matches!(plan, Plan::Pass) {
                cuts.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Passes bytes both ways until one direction has carried as many as it may, then does what `plan` says. Ok if it
/// came to that.
async fn relay(
    mut sidecar: TcpStream,
    mut database: TcpStream,
    plan: Plan,
    to_database: usize,
    to_sidecar: usize,
) -> std::io::Result<()> {
    let _ = (sidecar.set_nodelay(true), database.set_nodelay(true));
    let faulty = !matches!(plan, Plan::Pass);
    let (up, down) = if faulty { (to_database, to_sidecar) } else { (usize::MAX, usize::MAX) };
    {
        let (mut from_sidecar, mut into_sidecar) = sidecar.split();
        let (mut from_database, mut into_database) = database.split();
        tokio::select! {
            end = copy(&mut from_sidecar, &mut into_database, up) => end?,
            end = copy(&mut from_database, &mut into_sidecar, down) => end?,
        }
    }
    match plan {
        Plan::Pass | Plan::Close => {}
        Plan::Reset => reset(&sidecar, &database),
        Plan::HalfClose => {
            sidecar.shutdown().await?;
            let (mut from, mut to) = (sidecar.split().0, database.split().1);
            let _ = tokio::time::timeout(LINGER, copy(&mut from, &mut to, usize::MAX)).await;
        }
        Plan::Stall { then_reset: true } => {
            tokio::time::sleep(STALL).await;
            reset(&sidecar, &database);
        }
        Plan::Stall { then_reset: false } => {
            tokio::time::sleep(STALL).await;
            tokio::io::copy_bidirectional(&mut sidecar, &mut database).await?;
        }
    }
    Ok(())
}

fn reset(sidecar: &TcpStream, database: &TcpStream) {
    for stream in [sidecar, database] {
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// Err at the end of the stream, Ok when `limit` bytes were carried.
async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut limit: usize,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    while limit > 0 {
        let room = limit.min(CHUNK);
        let count = from.read(&mut chunk[..room]).await?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&chunk[..count]).await?;
        limit -= count;
    }
    Ok(())
}
