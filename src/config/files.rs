//! Reading the files that the configuration names, with a bound.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::defaults::MAX_FILE;
use super::secret::Secret;
use super::source::Origin;
use super::units::show_size;

/// A file's bytes, wiped on drop, as some of them are secrets. The error is cause and mend.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, (String, String)> {
    let read = || {
        let file = File::open(path)?;
        // Room at once, so that growing leaves no copies of a secret behind.
        let size = file.metadata().map_or(0, |meta| meta.len()).min(MAX_FILE);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => ("there is no such file".into(), "check the path".into()),
        ErrorKind::PermissionDenied => (
            "the file may not be read by this user".into(),
            "give this user the right to read it, or run as its owner".into(),
        ),
        kind => (format!("the file cannot be read ({kind})"), "check the path".into()),
    })?;
    if bytes.len() as u64 > MAX_FILE {
        let limit = show_size(MAX_FILE);
        return Err((format!("the file is larger than {limit}"), "check the path".into()));
    }
    Ok(bytes)
}

/// A secret in a file of its own; one newline at its end is not part of it. The error is cause and mend.
pub(super) fn secret(path: &Path) -> Result<Secret, (String, String)> {
    let bytes = read(path)?;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text.to_owned())),
        _ => Err(("the file is empty or not text".into(), "put the secret into it, on one line".into())),
    }
}

/// A path from the file is relative to that file, any other to the working directory.
pub(super) fn resolve(path: &str, origin: Origin, config: Option<&Path>) -> PathBuf {
    match config.and_then(Path::parent) {
        Some(directory) if origin == Origin::File => directory.join(path),
        _ => PathBuf::from(path),
    }
}

/// The permission bits, if they let anybody but the owner read the file.
#[cfg(unix)]
pub(super) fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub(super) fn open_to_others(_: &Path) -> Option<u32> {
    None
}
