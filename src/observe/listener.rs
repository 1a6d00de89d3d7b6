//! The thread that hears what the workers tell: it writes the audit log.
//!
//! Workers never wait for it. It ends when the last of them is gone, after writing what it has heard.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::audit::Recorder;
use crate::trail::{Told, What};

/// How often lines are brought to the disk.
const FLUSH: Duration = Duration::from_secs(1);
/// How often the log tells how far the audit log goes, for those who keep it elsewhere.
const ANCHOR: Duration = Duration::from_secs(600);

/// What listens, and where.
#[derive(Debug)]
pub struct Listener {
    pub heard: Receiver<Told>,
    /// Events that found no room.
    pub dropped: Arc<AtomicU64>,
    pub audit: Option<Recorder>,
    /// The same thing done often within this is one line.
    pub interval: Duration,
}

impl Listener {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(self) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("listener".into()).spawn(move || self.listen())
    }

    fn listen(mut self) {
        let mut next = Instant::now() + FLUSH;
        let mut lines_at = Instant::now() + self.interval;
        let mut anchor_at = Instant::now() + ANCHOR;
        loop {
            match self.heard.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(told) => self.hear(told),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now >= next {
                next = now + FLUSH;
                let lines = now >= lines_at;
                if lines {
                    lines_at = now + self.interval;
                }
                let tell = now >= anchor_at;
                if tell {
                    anchor_at = now + ANCHOR;
                }
                self.write(lines, tell);
            }
        }
        self.write(true, true);
    }

    fn hear(&mut self, told: Told) {
        let Some(audit) = &mut self.audit else { return };
        match told {
            Told::Report(mut report) => audit.entries(std::mem::take(&mut report.entries)),
            Told::Event(event) => {
                if event.what == What::Stopping {
                    audit.gathered_to_lines();
                }
                audit.event(&event);
            }
        }
    }

    fn write(&mut self, lines: bool, tell: bool) {
        let Some(audit) = &mut self.audit else { return };
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            audit.lost(dropped);
        }
        if lines {
            audit.gathered_to_lines();
        }
        audit.flush();
        if tell {
            let (seq, mac) = audit.position();
            tracing::info!(target: "waxseal::audit", "the audit log goes to {seq}:{mac}");
        }
    }
}
