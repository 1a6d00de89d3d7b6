//! The proof: a value sealed with the real keyring is stored, read back and opened.
//!
//! Must never: touch a key that is not its own, leave one behind for long, or write where the operator or
//! the database has said read-only.

use std::fmt::Write;
use std::sync::Arc;

use bytes::BytesMut;

use super::call;
use super::connection::Connection;
use super::trouble::{self, Trouble};
use crate::cli::progress::{Step, WORDS};
use crate::config::Config;
use crate::crypto::{Cipher, Place, Purpose, Scope, ScopeKind};
use crate::upstream::Endpoint;

const NAME: &str = "sealed value there and back";
const PREFIX: &str = "waxseal:doctor:";
/// Random bytes in the key's name and in the value: no two doctors meet.
const RANDOM: usize = 16;
/// Seconds after which the database forgets the key, should the doctor be cut before its DEL.
const EXPIRES: &[u8] = b"60";

pub(super) fn sealed(connection: &mut Connection, endpoint: &Endpoint, config: &Config) -> Result<(), Trouble> {
    let skip = |why: &str| {
        Step::begin(WORDS, NAME).skipped(why);
        Ok(())
    };
    let Some(loaded) = &config.keyring else {
        return skip("there is no keyring");
    };
    if config.access.read_only {
        return skip("access.read_only is set: nothing is written");
    }
    let [name, value] = random()?;
    let key = format!("{PREFIX}{name}");
    let place =
        Place { purpose: Purpose::Value, scope: Scope { kind: ScopeKind::Key, id: key.as_bytes() }, field: None };
    let mut cipher = Cipher::new(Arc::clone(&loaded.keyring));
    let mut envelope = BytesMut::new();
    let broken = |what: String| Trouble::new(what, None);
    cipher.seal(&place, value.as_bytes(), &mut envelope).map_err(|error| broken(error.to_string()))?;

    let outcome = Step::begin(WORDS, NAME);
    let set = call(connection, endpoint, &[b"SET", key.as_bytes(), &envelope, b"EX", EXPIRES])?;
    if let Some(error) = set.error() {
        if trouble::is_read_only(&error) {
            outcome.skipped("this user may not write (a read-only token?): nothing was written");
            return Ok(());
        }
        return Err(trouble::refused_write(endpoint, &error));
    }
    let got = call(connection, endpoint, &[b"GET", key.as_bytes()])?;
    // Deleted before anything is judged, so that a failure leaves nothing behind.
    let gone = call(connection, endpoint, &[b"DEL", key.as_bytes()])?;
    let mut opened = BytesMut::new();
    let stored = got.text().ok_or_else(|| trouble::unexpected("GET", endpoint, &got))?;
    cipher.open(&place, stored, &mut opened).map_err(|error| broken(error.to_string()))?;
    if opened != value.as_bytes() {
        return Err(broken("the value that was read back is another than the one that was written".into()));
    }
    let left = if gone.error().is_some() { "the key could not be deleted and expires in 60 s" } else { "key deleted" };
    outcome.done(&format!("{} bytes stored, opened with key {}; {left}", stored.len(), loaded.keyring.active()));
    Ok(())
}

fn random() -> Result<[String; 2], Trouble> {
    let mut bytes = [0; 2 * RANDOM];
    getrandom::fill(&mut bytes).map_err(|_| {
        Trouble::new("the operating system gave no random bytes", Some("check that getrandom(2) is allowed".into()))
    })?;
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a `String` does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    Ok([hex(&bytes[..RANDOM]), hex(&bytes[RANDOM..])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_alike() {
        let [name, value] = random().unwrap();
        assert_ne!(name, value);
        assert_eq!(name.len(), 2 * RANDOM);
        assert_ne!(random().unwrap()[0], name);
    }
}
