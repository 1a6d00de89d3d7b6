//! What the kernel says about the sidecar's memory, and how long its answers take.

use std::time::{Duration, Instant};

use super::wire::Wire;
use crate::support::Frame;
use crate::support::raw::encode;
use crate::support::upstream::PASSWORD;
use crate::support::{Sidecar, Upstream};

/// Resident bytes of process `pid`.
pub fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kilobytes * 1024
}

/// Waits until `pid` holds less than `bound`; gives what it holds.
pub async fn resident_falls_below(pid: u32, bound: usize, within: Duration) -> usize {
    let end = Instant::now() + within;
    loop {
        let now = resident(pid);
        if now < bound || Instant::now() > end {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How much slower than the database itself, asked at the same time by the same process, the sidecar may be. The
/// database shows what the machine is busy with.
const NOISE_FACTOR: u32 = 3;

/// The times of answers through the sidecar, and of the database without it; sorted.
pub struct Times {
    sidecar: Vec<Duration>,
    database: Vec<Duration>,
}

impl Times {
    /// Asks GET of keys of its own on `clients` connections, and on one past the sidecar, for `time`.
    pub async fn of_get(sidecar: &Sidecar, upstream: &Upstream, clients: usize, time: Duration) -> Self {
        let end = Instant::now() + time;
        let mut control = Wire::connect(upstream.plain_port).await;
        control.send(&encode(&[b"AUTH", PASSWORD.as_bytes()])).await;
        assert_eq!(control.read().await.expect("AUTH").frame, Frame::ok());
        let control = tokio::spawn(probe(control, "open:probe".into(), end));
        let mut probes = tokio::task::JoinSet::new();
        for number in 0..clients {
            let wire = Wire::connect(sidecar.port).await;
            probes.spawn(probe(wire, format!("session:probe:{number}"), end));
        }
        let mut times = Self {
            sidecar: probes.join_all().await.into_iter().flatten().collect(),
            database: control.await.expect("control"),
        };
        times.sidecar.sort();
        times.database.sort();
        times
    }

    pub fn are_within(&self, bound: Duration) -> bool {
        p99(&self.sidecar) < bound + p99(&self.database) * NOISE_FACTOR
    }

    pub fn text(&self) -> String {
        let (sidecar, database) = (&self.sidecar, &self.database);
        let slowest = sidecar.last().copied().unwrap_or_default();
        format!(
            "GET p99 {:?} of {}, slowest {slowest:?} (past the sidecar: p99 {:?} of {})",
            p99(sidecar),
            sidecar.len(),
            p99(database),
            database.len()
        )
    }
}

async fn probe(mut wire: Wire, key: String, end: Instant) -> Vec<Duration> {
    wire.send(&encode(&[b"SET", key.as_bytes(), key.as_bytes()])).await;
    assert_eq!(wire.read().await.expect("SET").frame, Frame::ok());
    let mut times = Vec::new();
    while Instant::now() < end || times.is_empty() {
        let asked = Instant::now();
        wire.send(&encode(&[b"GET", key.as_bytes()])).await;
        assert_eq!(wire.read().await.expect("GET").frame, Frame::bulk(&key), "another's reply");
        times.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times
}

/// The time that 99 of 100 answers did not take longer than.
fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}
