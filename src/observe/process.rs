//! What the kernel knows of this process, from `/proc/self`. Where there is none, nothing is said.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Of CPU times in `stat`: user space sees hundredths of a second on every Linux that Rust runs on, whatever the kernel's
/// own clock.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub cpu_seconds: Option<f64>,
    pub open_files: Option<u64>,
    pub max_files: Option<u64>,
    /// Seconds since 1970.
    pub started: Option<u64>,
}

impl Process {
    /// As it is now; it began at `started`.
    pub fn now(started: SystemTime) -> Self {
        let read = |file| fs::read_to_string(format!("/proc/self/{file}")).ok();
        Self {
            resident_bytes: read("status").and_then(|text| resident(&text)),
            cpu_seconds: read("stat").and_then(|text| cpu(&text)),
            // One of them is the folder that is read for it.
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1)),
            max_files: read("limits").and_then(|text| max_files(&text)),
            started: started.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()),
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn cpu(stat: &str) -> Option<f64> {
    // The name in parentheses may hold anything, a parenthesis too.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_PER_SECOND)
}

fn max_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    7904 kB\n"), Some(7904 * 1024));
        assert_eq!(cpu("7 (a) b) S 1 7 7 0 -1 4194560 900 0 3 0 250 50 0 0 20 0 3 0 77 1 2"), Some(3.0));
        assert_eq!(max_files("Limit  Soft  Hard\nMax open files            1024    4096   files\n"), Some(1024));
        assert_eq!((resident(""), cpu(""), max_files("")), (None, None, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_all_of_it() {
        let process = Process::now(SystemTime::now());
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{process:?}");
        assert!(process.open_files.is_some_and(|files| files >= 3), "{process:?}");
        assert!(process.cpu_seconds.is_some() && process.max_files.is_some(), "{process:?}");
    }
}
