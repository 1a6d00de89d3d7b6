//! `[keyring]`: where the keys come from; read and checked here, so that a bad keyring is a fault of
//! the configuration and not a surprise at the first value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::files;
use super::source::{Origin, Set, Sources};
use super::types::{KeyringOrigin, LoadedKeyring};
use crate::crypto::Keyring;

/// The variable that holds a keyring unless `[keyring] env` names another.
const KEYRING: &str = "WAXSEAL_KEYRING";

enum Source {
    File(String),
    /// The name of the variable.
    Variable(String),
}

pub(super) fn read(sources: &mut Sources<'_>, config: Option<&Path>) -> Option<LoadedKeyring> {
    let file = sources.text("keyring", "file");
    let named = sources.text("keyring", "env").filter(|set| set.value != KEYRING);
    let mut candidates: Vec<Set<Source>> = Vec::new();
    candidates.extend(file.map(|set| set.map(Source::File)));
    candidates.extend(named.map(|set| set.map(Source::Variable)));
    if sources.variable(KEYRING).map(Zeroizing::new).is_some() {
        candidates.push(Set {
            place: KEYRING.into(),
            origin: Origin::Environment,
            value: Source::Variable(KEYRING.into()),
        });
    }
    let strongest = candidates.iter().map(|set| set.origin).max()?;
    candidates.retain(|set| set.origin == strongest);
    if let [one, other, ..] = &*candidates {
        let cause = format!("is set, and {} too; which of them counts would be a guess", other.place);
        sources.fault(one.place.clone(), cause, "remove one of them");
        return None;
    }
    let Set { place, origin, value } = candidates.pop()?;
    match value {
        Source::File(path) => {
            let path = files::resolve(&path, origin, config);
            from_file(sources, &place, path)
        }
        Source::Variable(name) => {
            let Some(content) = sources.variable(&name).map(Zeroizing::new) else {
                sources.fault(
                    place,
                    "names an environment variable that is not set",
                    "set that variable to the content of a keyring file, or set file in [keyring]",
                );
                return None;
            };
            let origin = KeyringOrigin::Environment(name);
            checked(sources, &place, content.as_bytes(), origin)
        }
    }
}

fn from_file(sources: &mut Sources<'_>, place: &str, path: PathBuf) -> Option<LoadedKeyring> {
    let bytes = match files::read(&path) {
        Ok(bytes) => bytes,
        Err((cause, mend)) => {
            let mend = format!("{mend}; a keyring is made by: waxseal keygen --out keyring.json");
            sources.fault(place, cause, mend);
            return None;
        }
    };
    if let Some(mode) = files::open_to_others(&path) {
        sources.warn(
            place,
            format!(
                "the file is open to other users (mode {mode:04o}); whoever reads it can read every \
                 value: chmod 600"
            ),
        );
    }
    checked(sources, place, &bytes, KeyringOrigin::File(path))
}

fn checked(sources: &mut Sources<'_>, place: &str, bytes: &[u8], origin: KeyringOrigin) -> Option<LoadedKeyring> {
    match Keyring::from_json(bytes) {
        Ok(keyring) => Some(LoadedKeyring { keyring: Arc::new(keyring), origin }),
        Err(error) => {
            for fault in error.faults {
                sources.fault(
                    place,
                    fault.to_string(),
                    "restore the keyring from its backup; a new one opens none of the old values",
                );
            }
            None
        }
    }
}
