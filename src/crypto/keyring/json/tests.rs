//! Good keyrings survive the round trip, wrong ones name every fault and no secret.

use super::*;
use crate::crypto::Timestamp;

const SALT: &str = "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ=";
const ONE: &str = "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=";
const TWO: &str = "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=";
const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn entry(id: &str, state: &str, secret: &str) -> String {
    format!(r#"{{"id":"{id}","state":"{state}","created":"2026-01-31T12:00:00Z","secret":"{secret}"}}"#)
}

fn ring(lists: &str) -> String {
    format!(r#"{{"format":"waxseal-keyring","version":1,"salt":"{SALT}",{lists}}}"#)
}

fn keys(entries: &[String]) -> String {
    ring(&format!(r#""keys":[{}]"#, entries.join(",")))
}

fn faults(json: &str) -> Vec<KeyringFault> {
    let error = Keyring::from_json(json.as_bytes()).unwrap_err();
    let shown = format!("{error} {error:?}");
    for secret in [SALT, ONE, TWO, ZERO, "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    error.faults
}

fn of_key(index: usize, fault: EntryFault) -> KeyringFault {
    let list = "keys";
    KeyringFault::Entry { list, index, fault }
}

#[test]
fn a_generated_keyring_survives_the_round_trip() {
    let created = Timestamp::from_unix(1_700_000_000).unwrap();
    let keyring = Keyring::generate_at(created).unwrap();
    let json = keyring.to_json();
    let again = Keyring::from_json(json.as_bytes()).unwrap();
    assert_eq!(*again.to_json(), *json);
    assert_eq!(again.active(), keyring.active());
    assert_eq!(again.entries().count(), 3);
    assert!(again.entries().all(|e| e.state == KeyState::Active && e.created == created));
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

#[test]
fn states_and_destroyed_keys_survive_the_round_trip() {
    let destroyed = r#"{"id":"00000003","state":"destroyed","created":"2026-01-31T12:00:00Z"}"#;
    let json = keys(&[entry("00000001", "retired", ONE), entry("A1B2C3D4", "active", TWO), destroyed.into()]);
    let keyring = Keyring::from_json(json.as_bytes()).unwrap();
    assert_eq!(keyring.active().to_string(), "a1b2c3d4");
    let again = Keyring::from_json(keyring.to_json().as_bytes()).unwrap();
    let states: Vec<_> = again.entries().map(|e| e.state.name()).collect();
    assert_eq!(states, ["retired", "active", "destroyed"]);
}

#[test]
fn every_fault_is_reported_at_once() {
    let json = format!(
        r#"{{"format":"other","version":2,"salt":"hunter2","keys":[{},{},{{}}]}}"#,
        entry("xyz", "sleeping", "hunter2"),
        entry("00000000", "active", ZERO),
    );
    assert_eq!(
        faults(&json),
        [
            KeyringFault::Format,
            KeyringFault::Version,
            KeyringFault::Salt(SecretFault::NotBase64),
            of_key(0, EntryFault::Id),
            of_key(0, EntryFault::State),
            of_key(0, EntryFault::Secret(SecretFault::NotBase64)),
            of_key(1, EntryFault::ZeroId),
            of_key(1, EntryFault::Secret(SecretFault::AllZero)),
            of_key(2, EntryFault::Id),
            of_key(2, EntryFault::State),
            of_key(2, EntryFault::Created),
            of_key(2, EntryFault::Secret(SecretFault::Missing)),
        ]
    );
}

#[test]
fn the_number_of_active_keys_is_checked() {
    let active = |found| KeyringFault::Active { list: "keys", found };
    assert_eq!(faults(&ring(r#""keys":[]"#)), [active(0)]);
    assert_eq!(faults(&keys(&[entry("00000001", "pending", ONE)])), [active(0)]);
    let two = [entry("00000001", "active", ONE), entry("00000002", "active", TWO)];
    assert_eq!(faults(&keys(&two)), [active(2)]);
    let json = ring(&format!(
        r#""keys":[{}],"deterministic":[{}]"#,
        entry("00000001", "active", ONE),
        entry("00000002", "pending", TWO)
    ));
    let list = "deterministic";
    assert_eq!(faults(&json), [KeyringFault::Active { list, found: 0 }]);
}

#[test]
fn doubles_are_refused_across_roles() {
    let id = "00000001".parse::<KeyId>().unwrap();
    let json =
        ring(&format!(r#""keys":[{}],"prf":[{}]"#, entry("00000001", "active", ONE), entry("00000001", "active", ONE)));
    assert_eq!(faults(&json), [KeyringFault::DuplicateId(id), KeyringFault::SameSecret(id, id)]);
}

#[test]
fn wrong_lengths_are_refused() {
    for secret in ["", "c2hvcnQ=", &format!("AAAA{ONE}")] {
        assert_eq!(
            faults(&keys(&[entry("00000001", "active", secret)])),
            [of_key(0, EntryFault::Secret(SecretFault::Length))],
        );
    }
    assert_eq!(faults(&" ".repeat(MAX_JSON + 1)), [KeyringFault::TooLarge]);
    let many = vec![entry("00000001", "active", ONE); MAX_KEYS + 1];
    assert_eq!(faults(&keys(&many)), [KeyringFault::TooManyKeys]);
}

#[test]
fn a_wrong_form_says_where_and_not_what() {
    for json in [
        String::new(),
        "{".into(),
        "[]".into(),
        "hunter2".into(),
        ring(r#""keys":"hunter2""#),
        ring(r#""hunter2":1"#),
        ring(r#""keys":[{"hunter2":1}]"#),
        ring(r#""version":"hunter2""#),
        keys(&[entry("00000001", "active", ONE)]) + "hunter2",
    ] {
        let found = faults(&json);
        assert!(matches!(found[..], [KeyringFault::Syntax { .. }]), "{found:?}");
    }
}

#[test]
fn a_destroyed_key_with_a_secret_is_refused() {
    let json = keys(&[entry("00000001", "active", ONE), entry("00000002", "destroyed", TWO)]);
    assert_eq!(faults(&json), [of_key(1, EntryFault::NotDestroyed)]);
}

#[test]
fn the_whole_error_text() {
    let json = keys(&[entry("00000000", "active", ZERO)]);
    let error = Keyring::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the keyring cannot be used:\n  \
         - keys[0].id: must not be zero\n  \
         - keys[0].secret: is all zero bytes; generate a real one"
    );
}
