//! `waxseal keygen`: a new keyring in a file of its own.
//!
//! Must never: overwrite a file (the old keyring may be all that opens the stored values), leave a
//! half-written one, let anybody but the owner read it, or print a secret.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use super::{KeygenArgs, complain, exit, tell};
use crate::crypto::Keyring;

pub(super) fn execute(args: &KeygenArgs) -> ExitCode {
    match make(&args.out) {
        Ok(text) => {
            tell(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(text) => {
            complain(&text);
            ExitCode::from(exit::FAILED)
        }
    }
}

fn make(path: &Path) -> Result<String, String> {
    let keyring = Keyring::generate().map_err(|error| error.to_string())?;
    let shown = path.display();
    write_new(path, keyring.to_json().as_bytes()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!(
            "{shown} exists and is left as it is: if it is a keyring, every value sealed under it \
             would be lost with it. Name another file."
        ),
        ErrorKind::NotFound => {
            format!("{shown} cannot be written: its directory does not exist. Make the directory first.")
        }
        ErrorKind::PermissionDenied => format!(
            "{shown} cannot be written: this user may not write there. Name another file, or run as a \
             user who may."
        ),
        _ => format!("{shown} cannot be written: {error}. Nothing was left behind."),
    })?;
    let id = keyring.active();
    Ok(format!(
        "wrote {shown}: key {id} is active, only its owner may read it\nKeep a copy where the \
         database's backups are not: without it nothing that it sealed can be opened.\n"
    ))
}

/// Writes a file that was not there before, mode 0600, and returns once it is on the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // It is ours: create_new made it a moment ago.
        let _ = fs::remove_file(path);
        return written;
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_private_readable_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keyring.json");
        let told = make(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = fs::read(&path).unwrap();
        let keyring = Keyring::from_json(&before).unwrap();
        assert!(told.contains(&format!("key {} is active", keyring.active())));

        let refused = make(&path).unwrap_err();
        assert!(refused.contains("exists and is left as it is"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), before);
        let missing = make(&directory.path().join("no/keyring.json")).unwrap_err();
        assert!(missing.contains("its directory does not exist"), "{missing}");
    }
}
