//! MONITOR on the upstream: every byte of every command that the database was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::raw::{Frame, Raw};
use super::upstream::Upstream;
use super::{contains, wait_until};

/// How long one read may wait before the reader looks whether the tap was dropped.
const QUIET: Duration = Duration::from_millis(100);

pub struct Tap {
    seen: Arc<Mutex<Vec<u8>>>,
    /// Dropping it ends the reader.
    _alive: Arc<()>,
    /// For the mark that tells how far the tap has read.
    control: Mutex<Raw>,
}

impl Tap {
    pub fn on(upstream: &Upstream) -> Self {
        let mut monitor = upstream.raw();
        assert_eq!(monitor.run("MONITOR"), Frame::ok());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let alive = Arc::new(());
        let (sink, watched) = (Arc::clone(&seen), Arc::downgrade(&alive));
        std::thread::spawn(move || {
            while watched.strong_count() > 0 {
                let (bytes, closed) = monitor.some(QUIET);
                sink.lock().expect("tap").extend_from_slice(&bytes);
                if closed {
                    break;
                }
            }
        });
        Self { seen, _alive: alive, control: Mutex::new(upstream.raw()) }
    }

    /// All that was seen up to now, as MONITOR prints it.
    pub fn seen(&self) -> Vec<u8> {
        let mark = format!("tap-mark-{}", rand_mark());
        let before = self.seen.lock().expect("tap").len();
        self.control.lock().expect("tap").run(&format!("ECHO {mark}"));
        wait_until("MONITOR shows the mark", || contains(&self.seen.lock().expect("tap")[before..], mark.as_bytes()));
        self.seen.lock().expect("tap").clone()
    }

    pub fn clear(&self) {
        self.seen();
        self.seen.lock().expect("tap").clear();
    }

    /// Panics when any command that reached the database contains `marker`; shows the command's name only.
    pub fn assert_never_contains(&self, marker: &str) {
        let seen = self.seen();
        for line in seen.split(|byte| *byte == b'\n') {
            if contains(line, marker.as_bytes()) {
                let shown = String::from_utf8_lossy(&line[..line.len().min(90)]).into_owned();
                panic!("reached the database in clear: {shown}");
            }
        }
    }
}

fn rand_mark() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
