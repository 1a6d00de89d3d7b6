//! Reading a log again: is every line there, and as it was written?

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::line::{End, Found, from_hex, hex};
use super::log::full_files;
use crate::crypto::{AuditKey, MacKey, MacUse};

/// Further faults are only counted: a log that belongs to another key has one in each line.
const MAX_FAULTS: usize = 20;

/// How far a log goes, and from where, kept apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub seq: u64,
    pub mac: [u8; 32],
    /// The oldest line that was not removed with its file by the sidecar itself; 0: not known.
    pub first: u64,
}

#[derive(Serialize, Deserialize)]
struct AnchorText {
    seq: u64,
    mac: String,
    first: u64,
    anchor_mac: String,
}

impl Anchor {
    fn numbers(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..].copy_from_slice(&self.first.to_be_bytes());
        bytes
    }

    /// From `SEQ:MAC`, as the sidecar's own log tells it now and then.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, mac) = text.split_once(':')?;
        Some(Self { seq: seq.parse().ok()?, mac: from_hex(mac.as_bytes())?, first: 0 })
    }

    /// `None` if there is no such file.
    pub(super) fn read(path: &Path, key: &MacKey) -> Result<Option<Self>, String> {
        let shown = path.display();
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{shown} cannot be read: {error}")),
        };
        let parsed = serde_json::from_slice::<AnchorText>(&text).ok().and_then(|text| {
            let anchor = Self { seq: text.seq, mac: from_hex(text.mac.as_bytes())?, first: text.first };
            let by = from_hex(text.anchor_mac.as_bytes())?;
            key.verifies(&anchor.numbers(), &anchor.mac, &by).then_some(anchor)
        });
        parsed.map(Some).ok_or_else(|| format!("{shown} is not an anchor that this key has written"))
    }

    /// In place of the old one, in one step.
    pub(super) fn write(&self, path: &Path, key: &MacKey) -> io::Result<()> {
        let by = hex(&key.mac(&self.numbers(), &self.mac));
        let text = AnchorText { seq: self.seq, mac: hex(&self.mac), first: self.first, anchor_mac: by };
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        // Somebody else's link of that name is not followed.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(serde_json::to_string(&text).map_err(io::Error::other)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        fs::rename(&new, path)
    }
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: u64,
    pub first: u64,
    pub last: u64,
    pub files: usize,
    /// Things of which there is no line, by the log's own account.
    pub lost: u64,
    pub anchored: bool,
    /// Sentences, with file and line.
    pub faults: Vec<String>,
    pub more_faults: u64,
}

impl Report {
    fn fault(&mut self, text: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(text);
        } else {
            self.more_faults += 1;
        }
    }

    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Reads the log's files in order and checks every line, that none is missing between them, and that the log goes at least
/// as far as its anchor and `known`, which somebody has kept elsewhere.
///
/// # Errors
/// A file cannot be read.
pub fn verify(log: &Path, anchor: &Path, key: &AuditKey, known: Option<Anchor>) -> Result<Report, String> {
    let line_key = key.derive(MacUse::AuditLine);
    let mut report = Report::default();
    let mut walk = Walk { end: None, removed: Vec::new(), anchors: known.into_iter().collect(), reached: Vec::new() };
    match Anchor::read(anchor, &key.derive(MacUse::AuditAnchor)) {
        Ok(Some(anchor)) => {
            report.anchored = true;
            walk.anchors.push(anchor);
        }
        Ok(None) if known.is_none() => report
            .fault(format!("{} is missing: whether lines were cut off at the end cannot be told", anchor.display())),
        Ok(None) => {}
        Err(fault) => report.fault(fault),
    }
    let full = full_files(log).map_err(|error| format!("{}: {error}", log.display()))?;
    for path in full.iter().map(|(_, path)| path.as_path()).chain([log]) {
        match File::open(path) {
            Ok(file) => {
                walk.file(path, file, &line_key, &mut report).map_err(|e| format!("{}: {e}", path.display()))?
            }
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        }
        report.files += 1;
    }
    walk.finish(&mut report);
    Ok(report)
}

struct Walk {
    /// Of what was read so far.
    end: Option<End>,
    /// Lines that the log says were removed with their files.
    removed: Vec<(u64, u64)>,
    anchors: Vec<Anchor>,
    /// The anchors whose line was found as it should be.
    reached: Vec<Anchor>,
}

impl Walk {
    fn file(&mut self, path: &Path, file: File, key: &MacKey, report: &mut Report) -> io::Result<()> {
        let mut reader = BufReader::new(file);
        let mut text = Vec::new();
        let mut number = 0;
        loop {
            text.clear();
            if reader.read_until(b'\n', &mut text)? == 0 {
                return Ok(());
            }
            number += 1;
            let place = format!("{}, line {number}", path.display());
            let Some(text) = text.strip_suffix(b"\n") else {
                report.fault(format!("{place}: is not complete"));
                return Ok(());
            };
            match Found::parse(text) {
                Some(found) => self.line(&found, &place, key, report),
                None => report.fault(format!("{place}: is no line of an audit log, or was changed")),
            }
        }
    }

    fn line(&mut self, found: &Found<'_>, place: &str, key: &MacKey, report: &mut Report) {
        let line = &found.line;
        let (expected, previous) = match self.end {
            Some(end) => (end.seq + 1, Some(end.mac)),
            // The first line that is left says what it follows.
            None => (line.seq, line.previous.as_ref().and_then(|previous| from_hex(previous.as_bytes()))),
        };
        if line.seq != expected {
            report.fault(format!(
                "{place}: has number {}, and {expected} was to come: lines were removed or moved",
                line.seq
            ));
        } else if !previous.is_some_and(|previous| found.follows(&previous, key)) {
            report.fault(format!("{place}: number {} was changed, or the line before it was", line.seq));
        }
        if self.end.is_none() {
            report.first = line.seq;
        }
        self.end = Some(found.end());
        report.lines += 1;
        report.last = line.seq;
        match (line.event.as_str(), line.first, line.last) {
            ("removed", Some(first), Some(last)) => self.removed.push((first, last)),
            ("lost", ..) => report.lost += line.count.unwrap_or_default(),
            _ => {}
        }
        let here = self.anchors.iter().filter(|anchor| anchor.seq == line.seq && anchor.mac == found.mac);
        self.reached.extend(here);
    }

    fn finish(self, report: &mut Report) {
        let oldest = self.anchors.iter().map(|anchor| anchor.first).max().unwrap_or_default();
        if oldest > 0 && report.first > oldest {
            report.fault(format!(
                "lines {oldest} to {} are missing, and the sidecar has not removed them",
                report.first - 1
            ));
        } else if oldest == 0 && report.first > 1 {
            // The files before were removed in order, and each of them has its line.
            let last = self.removed.iter().map(|(_, last)| *last).max().unwrap_or_default();
            if last + 1 < report.first {
                report.fault(format!(
                    "lines {} to {} are missing, and no line says that they were removed",
                    last + 1,
                    report.first - 1
                ));
            }
        }
        for anchor in &self.anchors {
            let before = anchor.seq == 0 || anchor.seq < report.first;
            if !self.reached.contains(anchor) && !before {
                report.fault(format!(
                    "the log went at least to number {}, and that line is not there as it was: lines were cut off or replaced",
                    anchor.seq
                ));
            }
        }
    }
}
