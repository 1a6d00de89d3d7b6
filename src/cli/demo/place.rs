//! The demo's directory: certificates, keyring and password, for its owner only, gone at the end.
//!
//! Must never: use a directory that was there before, or leave one behind.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use zeroize::Zeroizing;

use super::Failure;
use crate::crypto::Keyring;

/// Random bytes of the password: 192 bits.
const PASSWORD: usize = 24;
/// Random bytes of the directory's name; it is made new in any case.
const NAME: usize = 6;
/// What the database's certificate is good for.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

pub(super) struct Place {
    dir: PathBuf,
    password: Zeroizing<String>,
}

impl Place {
    pub(super) fn new() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("waxseal-demo-{}", *random(NAME)?));
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| {
            Failure::new(format_args!(
                "{} cannot be made ({error}); set TMPDIR to a directory that this user may write to",
                dir.display()
            ))
        })?;
        // From here on its Drop removes the directory, whatever fails.
        let place = Self { dir, password: random(PASSWORD)? };
        place.write("password", place.password.as_bytes())?;
        let keyring = Keyring::generate().map_err(Failure::new)?;
        place.write("keyring.json", keyring.to_json().as_bytes())?;
        place.certificates()?;
        Ok(place)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// A new file that only its owner may read.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| Failure::new(format_args!("{} cannot be written ({error})", path.display())))?;
        Ok(path)
    }

    /// An authority of the demo's own, and under it the database's certificate.
    fn certificates(&self) -> Result<(), Failure> {
        let made = || -> Result<[String; 3], rcgen::Error> {
            let ca_key = KeyPair::generate()?;
            let mut ca = CertificateParams::new(Vec::new())?;
            ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            ca.distinguished_name.push(DnType::CommonName, "Waxseal demo authority");
            let root = ca.self_signed(&ca_key)?.pem();
            let key = KeyPair::generate()?;
            let mut server = CertificateParams::new(NAMES.map(str::to_owned))?;
            server.distinguished_name.push(DnType::CommonName, "Waxseal demo database");
            let certificate = server.signed_by(&key, &Issuer::from_params(&ca, ca_key))?.pem();
            Ok([root, certificate, key.serialize_pem()])
        };
        let [root, certificate, key] =
            made().map_err(|error| Failure::new(format_args!("no certificate could be made ({error})")))?;
        self.write("ca.pem", root.as_bytes())?;
        self.write("server.pem", certificate.as_bytes())?;
        self.write("server.key", Zeroizing::new(key).as_bytes())?;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Ours: it was made new. Nothing is to be done about an error at the very end.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Hexadecimal digits of so many random bytes.
fn random(length: usize) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::new("the operating system gave no random bytes; check that getrandom(2) is allowed"))?;
    let mut text = Zeroizing::new(String::with_capacity(2 * length));
    for byte in bytes.iter() {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn everything_is_private_and_goes_with_it() {
        let place = Place::new().unwrap();
        let dir = place.dir().to_owned();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for name in ["password", "keyring.json", "ca.pem", "server.pem", "server.key"] {
            assert_eq!(mode(&place.path(name)), 0o600, "{name}");
        }
        assert!(place.write("password", b"").is_err());
        drop(place);
        assert!(!dir.exists());
    }
}
