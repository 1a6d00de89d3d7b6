//! What the kernel says about the sidecar's memory, and how long its answers take.

use std::time::{Duration, Instant};

use super::wire::Wire;
use crate::support::Frame;
use crate::support::raw::encode;

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

/// Asks GET of a key of its own on `clients` connections until `end`; gives every answer's time, sorted.
pub async fn probe(port: u16, clients: usize, end: Instant) -> Vec<Duration> {
    let mut probes = tokio::task::JoinSet::new();
    for number in 0..clients {
        probes.spawn(async move {
            let mut wire = Wire::connect(port).await;
            let (key, value) = (format!("session:probe:{number}"), format!("probe {number}"));
            wire.send(&encode(&[b"SET", key.as_bytes(), value.as_bytes()])).await;
            assert_eq!(wire.read().await.expect("SET").frame, Frame::ok());
            let mut times = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                wire.send(&encode(&[b"GET", key.as_bytes()])).await;
                assert_eq!(wire.read().await.expect("GET").frame, Frame::bulk(&value), "another's reply");
                times.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times
        });
    }
    let mut all: Vec<Duration> = probes.join_all().await.into_iter().flatten().collect();
    all.sort();
    all
}

/// The time that 99 of 100 answers did not take longer than.
pub fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}
