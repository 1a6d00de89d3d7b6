//! What a tool is doing: one line for each step, with its outcome and its time.
//!
//! Output: lines on standard output; on a terminal the step that is under way is shown too.
//! Must never: show what the step was told not to (the caller's notes are printed as they are).

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::tell;

/// Room for a step's name, so that times stand in a column.
const NAME_WIDTH: usize = 34;
/// Back to the start of the line, and clear it.
const REWIND: &str = "\r\x1b[K";

/// How outcomes are written; all of one width, so that names stand in a column.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    done: &'static str,
    failed: &'static str,
    skipped: &'static str,
    under_way: &'static str,
}

/// A tick for each step.
pub(super) const TICKS: Marks = Marks { done: "✓", failed: "✗", skipped: "-", under_way: "…" };
/// Words, for reports that are copied into tickets.
pub(super) const WORDS: Marks = Marks { done: "ok    ", failed: "FAILED", skipped: "skip  ", under_way: "...   " };

/// A step that is under way; dropped without an outcome, it counts as failed.
pub(super) struct Step {
    marks: Marks,
    name: &'static str,
    start: Instant,
    live: bool,
    open: bool,
}

impl Step {
    pub(super) fn begin(marks: Marks, name: &'static str) -> Self {
        let live = std::io::stdout().is_terminal();
        if live {
            tell(format!("  {} {name}", marks.under_way).as_bytes());
        }
        Self { marks, name, start: Instant::now(), live, open: true }
    }

    pub(super) fn done(self, note: &str) {
        let mark = self.marks.done;
        self.end(mark, note);
    }

    pub(super) fn skipped(self, note: &str) {
        let mark = self.marks.skipped;
        self.end(mark, note);
    }

    fn end(mut self, mark: &str, note: &str) {
        self.open = false;
        self.print(mark, note);
    }

    fn print(&self, mark: &str, note: &str) {
        let rewind = if self.live { REWIND } else { "" };
        tell(format!("{rewind}{}", line(mark, self.name, self.start.elapsed(), note)).as_bytes());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.open {
            self.print(self.marks.failed, "");
        }
    }
}

fn line(mark: &str, name: &str, took: Duration, note: &str) -> String {
    let mut text = format!("  {mark} {name:<NAME_WIDTH$} {:>9}", milliseconds(took));
    if !note.is_empty() {
        // Writing to a `String` does not fail.
        let _ = write!(text, "  {note}");
    }
    text.push('\n');
    text
}

/// `0.08 ms`, `1.2 ms`, `12 ms`: two digits tell enough.
pub(super) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    let digits = if ms < 1.0 {
        2
    } else if ms < 10.0 {
        1
    } else {
        0
    };
    format!("{ms:.digits$} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_in_a_column() {
        let short = line("✓", "keys", Duration::from_micros(300), "");
        let long = line("✓", "a redis-server with TLS", Duration::from_millis(1234), "on port 1");
        assert_eq!(short, "  ✓ keys                                 0.30 ms\n");
        assert_eq!(long, "  ✓ a redis-server with TLS              1234 ms  on port 1\n");
    }
}
