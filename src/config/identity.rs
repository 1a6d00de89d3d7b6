//! `[[identity]]`: who clients can be, how each is known, and what it may do.
//!
//! Must never: take a password, or show what somebody has put in the place of a hash.

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use toml::{Table, Value};

use super::access::Lists;
use super::defaults::{MAX_ID, MAX_IDENTITIES};
use super::source::{Origin, Set, Sources};
use super::types::{Access, Identity, Plaintext};
use super::words::{choose, join, one_of, suggestion, texts};

const SETTINGS: [&str; 13] = [
    "name",
    "password_hashes",
    "certificates",
    "uids",
    "default",
    "allow",
    "deny",
    "keys",
    "read_keys",
    "channels",
    "read_only",
    "monitor",
    "plaintext",
];
const PLAINTEXT: [(&str, Plaintext); 3] =
    [("allow", Plaintext::Allow), ("ciphertext", Plaintext::Ciphertext), ("refuse", Plaintext::Refuse)];
/// A gibibyte and sixteen passes: what a client makes the sidecar work must have an end.
const MAX_MEMORY: u32 = 1 << 20;
const MAX_PASSES: u32 = 16;

pub(super) fn read(sources: &mut Sources<'_>) -> Vec<Identity> {
    let mut identities: Vec<Identity> = Vec::new();
    let tables = sources.take_tables("identity");
    if tables.len() > MAX_IDENTITIES {
        sources.fault(
            "[[identity]]",
            format!("there are {}", tables.len()),
            format!("use at most {MAX_IDENTITIES}; clients may share one"),
        );
    }
    for (index, table) in tables.into_iter().enumerate() {
        let (place, identity) = from_table(sources, index + 1, table);
        unique(sources, &place, &identity, &identities);
        identities.push(identity);
    }
    identities
}

fn from_table(sources: &mut Sources<'_>, number: usize, mut table: Table) -> (String, Identity) {
    let mut place = format!("[[identity]] #{number}");
    let name = match table.remove("name") {
        Some(Value::String(name)) if is_name(&name) => {
            place = format!("{place} (name '{name}')");
            name
        }
        given => {
            let cause = if given.is_some() { "is not a name" } else { "is missing" };
            let mend =
                format!("use from 1 to {MAX_ID} letters, digits, '.', '_', '-' and '@'; clients send it with AUTH");
            sources.fault(format!("{place} name"), cause, mend);
            String::new()
        }
    };
    let mut list = |sources: &mut Sources<'_>, name: &str| list(sources, &mut table, &place, name);
    let password_hashes = list(sources, "password_hashes").map_or_else(Vec::new, |set| set.value);
    let certificates = list(sources, "certificates").map_or_else(Vec::new, |set| set.value);
    let lists = Lists {
        allow: list(sources, "allow"),
        deny: list(sources, "deny"),
        keys: list(sources, "keys"),
        read_keys: list(sources, "read_keys"),
        channels: list(sources, "channels"),
    };
    let uids = uids(sources, &mut table, &place);
    let mut flag = |name: &str| flag(sources, &mut table, &place, name);
    let (default, read_only, monitor) = (flag("default"), flag("read_only"), flag("monitor"));
    let plaintext = match table.remove("plaintext") {
        None => Plaintext::Allow,
        Some(value) => choose(&value, &PLAINTEXT).unwrap_or_else(|| {
            let mend = format!("set it to {}", one_of(&PLAINTEXT));
            sources.fault(format!("{place} plaintext"), "is not understood", mend);
            Plaintext::Refuse
        }),
    };
    for (number, hash) in password_hashes.iter().enumerate() {
        if let Some((cause, mend)) = hash_fault(hash) {
            sources.fault(format!("{place} password_hashes[{number}]"), cause, mend);
        }
    }
    if password_hashes.is_empty() && certificates.is_empty() && uids.is_empty() && !default {
        sources.fault(
            &place,
            "is nobody: no client could be taken for it",
            "give it password_hashes, certificates or uids, or default = true",
        );
    }
    for name in table.keys() {
        let mend = if name.starts_with("pass") {
            "passwords are not kept here: put what `waxseal hash-password` prints into password_hashes".into()
        } else {
            suggestion(name, SETTINGS.into_iter())
                .unwrap_or_else(|| format!("remove it; an identity has {}", join(SETTINGS.into_iter())))
        };
        sources.fault(format!("{place} {name}"), "is not a setting", mend);
    }
    let access = Access { read_only, monitor, ..lists.check(sources) };
    (place, Identity { name, password_hashes, certificates, uids, default, access, plaintext })
}

fn list(sources: &mut Sources<'_>, table: &mut Table, place: &str, name: &str) -> Option<Set<Vec<String>>> {
    let value = table.remove(name)?;
    let place = format!("{place} {name}");
    let Some(value) = texts(&value) else {
        sources.fault(place, "is not a list of texts", format!("write it in brackets, as in {name} = [\"...\"]"));
        return None;
    };
    Some(Set { place, origin: Origin::File, value })
}

fn flag(sources: &mut Sources<'_>, table: &mut Table, place: &str, name: &str) -> bool {
    match table.remove(name) {
        None => false,
        Some(Value::Boolean(is)) => is,
        Some(_) => {
            sources.fault(format!("{place} {name}"), "is not understood", "set it to true or false");
            false
        }
    }
}

fn uids(sources: &mut Sources<'_>, table: &mut Table, place: &str) -> Vec<u32> {
    let Some(value) = table.remove("uids") else { return Vec::new() };
    let number = |item: &Value| item.as_integer().and_then(|uid| u32::try_from(uid).ok());
    let uids = value.as_array().and_then(|items| items.iter().map(number).collect());
    uids.unwrap_or_else(|| {
        let mend = "list the user ids as numbers, as in uids = [1000]";
        sources.fault(format!("{place} uids"), "is not a list of user ids", mend);
        Vec::new()
    })
}

/// A client must not be two.
fn unique(sources: &mut Sources<'_>, place: &str, identity: &Identity, earlier: &[Identity]) {
    let same = |other: &Identity| -> Option<(&'static str, &'static str)> {
        if !identity.name.is_empty() && other.name == identity.name {
            Some(("name", "is the name of an earlier identity"))
        } else if other.certificates.iter().any(|name| identity.certificates.contains(name)) {
            Some(("certificates", "has a name that an earlier identity has"))
        } else if other.uids.iter().any(|uid| identity.uids.contains(uid)) {
            Some(("uids", "has a user id that an earlier identity has"))
        } else if other.default && identity.default {
            Some(("default", "is set for an earlier identity"))
        } else {
            None
        }
    };
    if let Some((name, cause)) = earlier.iter().find_map(same) {
        sources.fault(format!("{place} {name}"), cause, "remove one of the two");
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_ID).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
}

fn hash_fault(text: &str) -> Option<(&'static str, &'static str)> {
    const MAKE: &str = "put what `waxseal hash-password` prints there";
    if !text.starts_with("$argon2") {
        return Some(("is not an Argon2 hash; passwords are not kept here", MAKE));
    }
    let Ok(hash) = PasswordHash::new(text) else { return Some(("is a damaged hash", MAKE)) };
    let Ok(params) = Params::try_from(&hash) else { return Some(("is a damaged hash", MAKE)) };
    if hash.algorithm.as_str() != "argon2id" || hash.hash.is_none() || hash.salt.is_none() {
        return Some(("is not of Argon2id, or not complete", MAKE));
    }
    (params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_PASSES)
        .then_some(("takes more than 1 GiB or 16 passes, with which a client could keep the sidecar busy", MAKE))
}
