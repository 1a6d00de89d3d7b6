//! The keyring's JSON: raw as written -> checked, every fault reported at once.
//!
//! In: the bytes of a keyring file. Out: a [`Keyring`], and back.
//! Must never: pass on the JSON parser's own messages, which quote what they found; or leave a
//! copy of a secret behind.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::{EntryFault, KeyringError, KeyringFault, SecretFault};
use super::id::KeyId;
use super::{Entry, EntryInfo, KeyState, Keyring, Role, Root};

const FORMAT: &str = "waxseal-keyring";
const VERSION: u64 = 1;
/// A key takes about 150 bytes: room for [`MAX_KEYS`] however they are indented, and a bound on
/// what a wrong file name makes us read.
const MAX_JSON: usize = 256 * 1024;
/// A rotation a week for ten years. Keys are searched one after the other.
const MAX_KEYS: usize = 512;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyring {
    format: Option<String>,
    version: Option<u64>,
    salt: Option<Secret>,
    #[serde(default)]
    keys: Vec<RawEntry>,
    #[serde(default)]
    deterministic: Vec<RawEntry>,
    #[serde(default)]
    prf: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: Option<String>,
    state: Option<String>,
    created: Option<String>,
    secret: Option<Secret>,
}

/// Base64 that is wiped when dropped.
struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|s| Self(Zeroizing::new(s)))
    }
}

impl Keyring {
    /// Reads a keyring's JSON. The caller wipes `json`.
    ///
    /// # Errors
    /// Every fault, or the first place where it is no JSON of this form.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyringError> {
        if json.len() > MAX_JSON {
            return Err(KeyringFault::TooLarge.into());
        }
        let raw: RawKeyring =
            serde_json::from_slice(json).map_err(|e| KeyringFault::Syntax { line: e.line(), column: e.column() })?;
        check(&raw)
    }

    /// The JSON of this keyring, secrets included.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        // Reserved whole, so that it never moves and leaves an unwiped copy.
        let mut json = Zeroizing::new(String::with_capacity(512 + 256 * self.entries.len()));
        json.push_str("{\n  \"format\": \"waxseal-keyring\",\n  \"version\": 1,\n  \"salt\": \"");
        push_base64(&mut json, &self.salt);
        json.push('"');
        for role in Role::ALL {
            let of_role = || self.entries.iter().filter(|e| e.info.role == role);
            if of_role().next().is_none() {
                continue;
            }
            json.push_str(",\n  \"");
            json.push_str(role.list());
            json.push_str("\": [");
            for (i, entry) in of_role().enumerate() {
                json.push_str(if i == 0 { "\n" } else { ",\n" });
                push_entry(&mut json, entry);
            }
            json.push_str("\n  ]");
        }
        json.push_str("\n}\n");
        json
    }
}

fn push_entry(json: &mut String, Entry { info, root }: &Entry) {
    json.push_str("    {\"id\": \"");
    json.push_str(&info.id.to_string());
    json.push_str("\", \"state\": \"");
    json.push_str(info.state.name());
    json.push_str("\", \"created\": \"");
    json.push_str(&info.created.to_string());
    json.push('"');
    if let Some(root) = root {
        json.push_str(", \"secret\": \"");
        push_base64(json, &root.secret);
        json.push('"');
    }
    json.push('}');
}

fn push_base64(json: &mut String, bytes: &[u8; 32]) {
    STANDARD.encode_string(bytes, json);
}

fn check(raw: &RawKeyring) -> Result<Keyring, KeyringError> {
    let mut faults = Vec::new();
    if raw.format.as_deref() != Some(FORMAT) {
        faults.push(KeyringFault::Format);
    }
    if raw.version != Some(VERSION) {
        faults.push(KeyringFault::Version);
    }
    let salt = decode(raw.salt.as_ref()).unwrap_or_else(|fault| {
        faults.push(KeyringFault::Salt(fault));
        Zeroizing::new([0; 32])
    });
    if raw.keys.len() + raw.deterministic.len() + raw.prf.len() > MAX_KEYS {
        faults.push(KeyringFault::TooManyKeys);
        return Err(KeyringError { faults });
    }
    let mut entries = Vec::new();
    for role in Role::ALL {
        let list = match role {
            Role::Random => &raw.keys,
            Role::Deterministic => &raw.deterministic,
            Role::Prf => &raw.prf,
        };
        for (index, raw) in list.iter().enumerate() {
            let mut report = |fault| {
                faults.push(KeyringFault::Entry { list: role.list(), index, fault });
            };
            entries.extend(check_entry(raw, role, &salt, &mut report));
        }
        check_active(list, role, &mut faults);
    }
    check_distinct(&entries, &mut faults);
    let active = entries.iter().position(|e| e.info.role == Role::Random && e.info.state == KeyState::Active);
    match active {
        Some(active) if faults.is_empty() => Ok(Keyring { salt, entries, active }),
        _ => Err(KeyringError { faults }),
    }
}

fn check_entry(raw: &RawEntry, role: Role, salt: &[u8; 32], report: &mut dyn FnMut(EntryFault)) -> Option<Entry> {
    let id = raw.id.as_deref().and_then(|s| s.parse::<KeyId>().ok());
    match id {
        None => report(EntryFault::Id),
        Some(id) if id.is_zero() => report(EntryFault::ZeroId),
        Some(_) => {}
    }
    let state = raw.state.as_deref().and_then(KeyState::from_name);
    if state.is_none() {
        report(EntryFault::State);
    }
    let created = raw.created.as_deref().and_then(|s| s.parse().ok());
    if created.is_none() {
        report(EntryFault::Created);
    }
    let root = if state == Some(KeyState::Destroyed) {
        if raw.secret.is_some() {
            report(EntryFault::NotDestroyed);
        }
        None
    } else {
        match decode(raw.secret.as_ref()) {
            Ok(secret) => Some(Root::new(&secret, salt)),
            Err(fault) => {
                report(EntryFault::Secret(fault));
                None
            }
        }
    };
    let info = EntryInfo { id: id?, role, state: state?, created: created? };
    Some(Entry { info, root })
}

/// Counts in the raw list: a fault elsewhere in an entry does not make it look inactive.
fn check_active(list: &[RawEntry], role: Role, faults: &mut Vec<KeyringFault>) {
    let count = |state: KeyState| {
        let is = |e: &&RawEntry| e.state.as_deref() == Some(state.name());
        list.iter().filter(is).count()
    };
    let found = count(KeyState::Active);
    let may_be_none = role != Role::Random && count(KeyState::Destroyed) == list.len();
    if found != 1 && !may_be_none {
        faults.push(KeyringFault::Active { list: role.list(), found });
    }
}

fn check_distinct(entries: &[Entry], faults: &mut Vec<KeyringFault>) {
    for (i, a) in entries.iter().enumerate() {
        for b in &entries[..i] {
            if a.info.id == b.info.id {
                faults.push(KeyringFault::DuplicateId(a.info.id));
            }
            if let (Some(x), Some(y)) = (&a.root, &b.root)
                && bool::from(x.secret.ct_eq(&y.secret))
            {
                faults.push(KeyringFault::SameSecret(b.info.id, a.info.id));
            }
        }
    }
}

fn decode(secret: Option<&Secret>) -> Result<Zeroizing<[u8; 32]>, SecretFault> {
    let text = &secret.ok_or(SecretFault::Missing)?.0;
    // Base64 of 32 bytes is 44 characters, for which the decoder wants room for 33 bytes.
    let mut room = Zeroizing::new([0; 33]);
    let length = match STANDARD.decode_slice(text.as_bytes(), room.as_mut_slice()) {
        Ok(length) => length,
        Err(base64::DecodeSliceError::OutputSliceTooSmall) => return Err(SecretFault::Length),
        Err(base64::DecodeSliceError::DecodeError(_)) => return Err(SecretFault::NotBase64),
    };
    if length != 32 {
        return Err(SecretFault::Length);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(&room[..32]);
    if bool::from(bytes.ct_eq(&[0; 32])) {
        return Err(SecretFault::AllZero);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
