//! The files of an audit log, as the sidecar writes them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::line::{End, Found, Line, hex};
use super::verify::Anchor;
use crate::crypto::{AuditKey, MacKey, MacUse};

/// Longer than any line: names of keys are bounded, and other text is ours.
const LAST_LINES: u64 = 64 * 1024;
/// Lines that wait for the next [`AuditLog::flush`]; what comes beyond is counted as lost.
const MAX_WAITING: usize = 16 * 1024 * 1024;

/// Where they are and how large they grow.
#[derive(Debug, Clone)]
pub struct Files {
    pub log: PathBuf,
    pub anchor: PathBuf,
    /// Beyond so many bytes a new file is begun.
    pub max_size: u64,
    /// Full files that are kept.
    pub keep: usize,
}

/// Why nothing can be written, for people.
#[derive(Debug)]
pub struct AuditFault(pub String);

impl std::fmt::Display for AuditFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An open log. Lines are on the disk, and the anchor tells of them, after [`Self::flush`].
#[derive(Debug)]
pub struct AuditLog {
    files: Files,
    file: File,
    line_key: MacKey,
    anchor_key: MacKey,
    /// Of what is in the file, and of the lines that wait.
    written: End,
    end: End,
    size: u64,
    /// The number of the file's first line.
    first: u64,
    waiting: Vec<u8>,
    /// Things without a line, and those of them of which a line waits.
    lost: u64,
    telling: u64,
    /// The oldest line that is to be there.
    oldest: u64,
    /// A part of a line may be behind what was written.
    torn: bool,
    failing: bool,
    anchor_failing: bool,
}

impl AuditLog {
    /// Opens the log, or begins one.
    ///
    /// # Errors
    /// It cannot be written; another process writes it; or it is not as the anchor says it was left.
    pub fn open(files: Files, key: &AuditKey) -> Result<Self, AuditFault> {
        let shown = files.log.display().to_string();
        let (line_key, anchor_key) = (key.derive(MacUse::AuditLine), key.derive(MacUse::AuditAnchor));
        let file = create(&files.log).map_err(|error| AuditFault(format!("{shown} cannot be opened: {error}")))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AuditFault(format!(
                    "{shown} is written by another process. Give each sidecar its own file"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(AuditFault(format!("{shown} cannot be locked: {error}"))),
        }
        let found = tail(&files, &file, &line_key).map_err(AuditFault)?;
        let anchor = Anchor::read(&files.anchor, &anchor_key).map_err(AuditFault)?;
        check_anchor(&shown, anchor.as_ref(), found.end).map_err(AuditFault)?;
        let mut log = Self {
            files,
            file,
            line_key,
            anchor_key,
            written: found.end,
            end: found.end,
            size: found.size,
            first: found.first,
            waiting: Vec::new(),
            lost: 0,
            telling: 0,
            oldest: anchor.map_or(1, |anchor| anchor.first.max(1)),
            torn: false,
            failing: false,
            anchor_failing: false,
        };
        // Before any line: a log with lines and without an anchor looks as if somebody had removed it.
        log.write_anchor()
            .map_err(|error| AuditFault(format!("{} cannot be written: {error}", log.files.anchor.display())))?;
        if log.size == 0 {
            log.begin_file();
        }
        if found.torn > 0 {
            log.file.set_len(log.size).map_err(|error| AuditFault(format!("{shown} cannot be mended: {error}")))?;
            log.append(Line { count: Some(found.torn), ..Line::of("repaired", SystemTime::now()) });
        }
        Ok(log)
    }

    /// Takes a line; its number and MAC are given here.
    pub fn append(&mut self, line: Line) {
        if self.waiting.len() > MAX_WAITING {
            self.lost += 1;
            return;
        }
        self.end.append(line, &self.line_key, &mut self.waiting);
    }

    /// So many things happened of which there is no line.
    pub fn note_lost(&mut self, count: u64) {
        self.lost += count;
    }

    /// The number and MAC of the last line on the disk.
    #[must_use]
    pub fn position(&self) -> (u64, String) {
        (self.written.seq, hex(&self.written.mac))
    }

    /// Brings all lines to the disk, and the anchor after them. What fails is logged once and counted in a later line.
    pub fn flush(&mut self) {
        if self.lost > 0 && self.waiting.len() <= MAX_WAITING {
            let lost = std::mem::take(&mut self.lost);
            self.telling += lost;
            self.append(Line { count: Some(lost), ..Line::of("lost", SystemTime::now()) });
        }
        if self.waiting.is_empty() {
            return;
        }
        match self.write() {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(target: "waxseal::audit", "the audit log is written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        target: "waxseal::audit",
                        "the audit log cannot be written: {error}. What happens meanwhile is counted, and the count written \
                         when it can be; make room, or mend the permissions of its directory"
                    );
                }
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let lines = self.waiting.iter().filter(|byte| **byte == b'\n').count() as u64;
        let written = self
            .mend()
            .and_then(|()| self.file.write_all(&self.waiting).inspect_err(|_| self.torn = true))
            .and_then(|()| self.file.sync_data().inspect_err(|_| self.torn = true));
        if written.is_err() {
            // Of what a lost line tells the count is told again, not the line.
            self.lost += std::mem::take(&mut self.telling) + lines;
            self.end = self.written;
            self.waiting.clear();
            // If that fails, too, it is tried again before anything is written.
            let _ = self.mend();
            if self.size == 0 {
                self.begin_file();
            }
            return written;
        }
        self.size += self.waiting.len() as u64;
        self.waiting.clear();
        self.telling = 0;
        self.written = self.end;
        let anchored = self.write_anchor();
        if let Err(error) = &anchored
            && !self.anchor_failing
        {
            tracing::error!(
                target: "waxseal::audit",
                "the anchor of the audit log cannot be written: {error}. The log goes on, but a cut-off end would not be \
                 noticed, and the next start will ask for the anchor"
            );
        }
        self.anchor_failing = anchored.is_err();
        if self.size >= self.files.max_size {
            self.rotate()?;
        }
        Ok(())
    }

    /// Takes away what a write that failed has left: the chain goes on from before.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.size)?;
            self.torn = false;
        }
        Ok(())
    }

    fn write_anchor(&self) -> io::Result<()> {
        let End { seq, mac } = self.written;
        Anchor { seq, mac, first: self.oldest }.write(&self.files.anchor, &self.anchor_key)
    }

    /// The file is full: it gets its first line's number as a suffix, and a new one goes on with the chain.
    fn rotate(&mut self) -> io::Result<()> {
        let full = numbered(&self.files.log, self.first);
        if full.exists() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{} is there already", full.display())));
        }
        // Only when the new one is there and ours, the old one gives its name up.
        let mut beside = self.files.log.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let _ = fs::remove_file(&beside);
        let file = create(&beside)?;
        file.try_lock().map_err(|error| io::Error::other(error.to_string()))?;
        fs::rename(&self.files.log, &full)?;
        if let Err(error) = fs::rename(&beside, &self.files.log) {
            fs::rename(&full, &self.files.log)?;
            return Err(error);
        }
        self.file = file;
        self.size = 0;
        self.begin_file();
        self.remove_old()
    }

    /// Files beyond the number that is kept go. A line and the anchor tell of it before.
    fn remove_old(&mut self) -> io::Result<()> {
        let ours = |(first, path): &(u64, PathBuf)| *first < self.first && self.has_written(*first, path);
        let full: Vec<_> = full_files(&self.files.log)?.into_iter().filter(ours).collect();
        let spare = full.len().saturating_sub(self.files.keep);
        let Some(oldest) = full.first().filter(|_| spare > 0).map(|(first, _)| *first) else { return Ok(()) };
        if oldest > self.oldest {
            return Err(io::Error::new(
                ErrorKind::NotFound,
                format!(
                    "full files of the audit log are missing, from line {} on; none is removed any more",
                    self.oldest
                ),
            ));
        }
        let next = full.get(spare).map_or(self.first, |(first, _)| *first);
        self.append(Line { first: Some(oldest), last: Some(next - 1), ..Line::of("removed", SystemTime::now()) });
        self.file.write_all(&self.waiting).inspect_err(|_| self.torn = true)?;
        self.file.sync_data()?;
        self.size += self.waiting.len() as u64;
        self.waiting.clear();
        self.written = self.end;
        self.oldest = next;
        self.write_anchor()?;
        full.iter().take(spare).try_for_each(|(_, path)| fs::remove_file(path))
    }

    /// Does that file begin with this line, and is it ours? Anybody can make a file of such a name.
    fn has_written(&self, first: u64, path: &Path) -> bool {
        let Ok(Some(text)) = File::open(path).and_then(|file| first_line(&file)) else { return false };
        let Some(found) = Found::parse(&text).filter(|found| found.line.seq == first) else { return false };
        let previous = found.line.previous.as_ref().and_then(|mac| super::line::from_hex(mac.as_bytes()));
        previous.is_some_and(|previous| found.follows(&previous, &self.line_key))
    }

    fn begin_file(&mut self) {
        self.first = self.end.seq + 1;
        let previous = Some(hex(&self.end.mac));
        self.append(Line { previous, ..Line::of("opened", SystemTime::now()) });
    }
}

/// What is at the end of the file.
struct Tail {
    end: End,
    size: u64,
    first: u64,
    /// Bytes of a last line that is not complete: the process was killed while writing.
    torn: u64,
}

fn tail(files: &Files, mut file: &File, key: &MacKey) -> Result<Tail, String> {
    let shown = files.log.display();
    let failed = |error: io::Error| format!("{shown} cannot be read: {error}");
    let size = file.metadata().map_err(failed)?.len();
    let first = first_line(file).map_err(failed)?;
    let from = size.saturating_sub(LAST_LINES);
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LAST_LINES).read_to_end(&mut bytes).map_err(failed)?;
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = (bytes.len() - complete) as u64;
    let mut lines = bytes[..complete].split(|byte| *byte == b'\n').rev().skip(1);
    let Some(last) = lines.next().filter(|_| size > 0) else {
        return match (size, torn) {
            // Nothing is there, or not even the first line was written whole.
            (0, _) => Ok(Tail { end: end_of_full(files, key)?, size: 0, first: 0, torn: 0 }),
            (_, torn) if torn == size => Ok(Tail { end: end_of_full(files, key)?, size: 0, first: 0, torn }),
            _ => Err(not_ours(&files.log)),
        };
    };
    let found = Found::parse(last).ok_or_else(|| not_ours(&files.log))?;
    let previous = match (lines.next().and_then(Found::parse), &found.line.previous) {
        (_, Some(previous)) => super::line::from_hex(previous.as_bytes()),
        (Some(before), None) => Some(before.mac),
        (None, None) => None,
    };
    if !previous.is_some_and(|previous| found.follows(&previous, key)) {
        return Err(not_ours(&files.log));
    }
    let first = first.as_deref().and_then(Found::parse).ok_or_else(|| not_ours(&files.log))?.line.seq;
    Ok(Tail { end: found.end(), size: size - torn, first, torn })
}

/// Where a new file goes on: behind the last full one, if there is one.
fn end_of_full(files: &Files, key: &MacKey) -> Result<End, String> {
    let full = full_files(&files.log).map_err(|error| format!("{}: {error}", files.log.display()))?;
    let Some((_, path)) = full.last() else { return Ok(End::NOTHING) };
    let file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let files = Files { log: path.clone(), ..files.clone() };
    if file.metadata().is_ok_and(|meta| meta.len() == 0) {
        return Err(not_ours(path));
    }
    Ok(tail(&files, &file, key)?.end)
}

fn not_ours(path: &Path) -> String {
    format!(
        "{} does not end with a line that this key has written. Look at it with `waxseal audit verify`; to begin a new log, \
         move it and its anchor away",
        path.display()
    )
}

fn check_anchor(shown: &str, anchor: Option<&Anchor>, end: End) -> Result<(), String> {
    match anchor {
        None if end.seq > 0 => Err(format!(
            "{shown} has lines, but its anchor, which says how far it goes, is missing. Restore the anchor, or move the log \
             away to begin a new one"
        )),
        Some(anchor) if anchor.seq > end.seq || (anchor.seq == end.seq && anchor.mac != end.mac) => Err(format!(
            "{shown} ends with line {}, and its anchor says that there were {}: lines were removed. Look at it with `waxseal \
             audit verify`; to begin a new log, move it and its anchor away",
            end.seq, anchor.seq
        )),
        _ => Ok(()),
    }
}

fn first_line(mut file: &File) -> io::Result<Option<Vec<u8>>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(LAST_LINES).read_to_end(&mut bytes)?;
    Ok(bytes.iter().position(|byte| *byte == b'\n').map(|at| bytes[..at].to_vec()))
}

fn create(path: &Path) -> io::Result<File> {
    // A link of that name is somebody else's doing.
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn numbered(log: &Path, first: u64) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{first:012}"));
    name.into()
}

/// The full files of a log and the numbers of their first lines, in order.
pub(super) fn full_files(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = log.file_name().unwrap_or_default().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if !entry.file_type()?.is_file() {
            continue;
        }
        let suffix = path.file_name().and_then(|file| file.as_encoded_bytes().strip_prefix(name)?.strip_prefix(b"."));
        let number = suffix.filter(|s| s.len() >= 12 && s.iter().all(u8::is_ascii_digit));
        if let Some(first) = number.and_then(|s| std::str::from_utf8(s).ok()?.parse().ok()) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}
