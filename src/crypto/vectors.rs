//! `proto/envelope-vectors.json`: made here, compared with the committed file, and every vector in
//! the file checked both ways with both backends.
//!
//! `WAXSEAL_WRITE_VECTORS=1 cargo test crypto::vectors` writes the file anew. The nonces here are
//! fixed so that the file can be; nothing else may do so.

mod cases;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::BytesMut;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::derive::expand;
use super::envelope::{self, Mode};
use super::keyring::Role;
use super::place::associated_data;
use super::{Backend, Cipher, Keyring, OpenError, Place, Purpose, Scope, ScopeKind, labels, parse_header};

fn sha(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A keyring of the vectors: `states` of the keys a1b2c3d4, 0000beef and ffffffff.
fn keyring_json(seed: &str, states: [&str; 3]) -> String {
    let entry = |id: &str, state: &str| {
        format!(
            r#"{{"id": "{id}", "state": "{state}", "created": "2026-01-31T12:00:00Z", "secret": "{}"}}"#,
            b64(&sha(&format!("waxseal {seed} key {id}")))
        )
    };
    format!(
        r#"{{"format": "waxseal-keyring", "version": 1, "salt": "{}", "keys": [{}, {}, {}, {{"id": "0dead0ff", "state": "destroyed", "created": "2026-01-31T12:00:00Z"}}], "deterministic": [{}], "prf": [{}]}}"#,
        b64(&sha(&format!("waxseal {seed} salt"))),
        entry("a1b2c3d4", states[0]),
        entry("0000beef", states[1]),
        entry("ffffffff", states[2]),
        entry("d0d0d0d0", "active"),
        entry("00112233", "active"),
    )
}

fn keyring(seed: &str, states: [&str; 3]) -> Arc<Keyring> {
    Arc::new(Keyring::from_json(keyring_json(seed, states).as_bytes()).unwrap())
}

const USUAL: [&str; 3] = ["active", "retired", "pending"];

struct Out {
    good: Vec<String>,
    malformed: Vec<String>,
    ciphers: [Cipher; 3],
}

fn place<'a>(purpose: Purpose, kind: ScopeKind, id: &'a [u8], field: Option<&'a [u8]>) -> Place<'a> {
    let scope = Scope { kind, id };
    Place { purpose, scope, field }
}

fn place_json(p: &Place<'_>) -> String {
    format!(
        r#""purpose": "{}", "scope_kind": "{}", "scope_id": "{}", "field": {}"#,
        p.purpose.name(),
        p.scope.kind.name(),
        hex(p.scope.id),
        p.field.map_or("null".into(), |f| format!("\"{}\"", hex(f)))
    )
}

impl Out {
    /// Seals with the key that is active in `ciphers[key]`, and notes the vector.
    fn good(&mut self, name: &str, mode: Mode, key: usize, p: &Place<'_>, text: &[u8]) -> Vec<u8> {
        let cipher = &mut self.ciphers[key];
        let mut out = BytesMut::new();
        if mode == Mode::Random {
            let mut nonce = [0; 24];
            nonce.copy_from_slice(&sha(&format!("waxseal vector nonce {name}"))[..24]);
            cipher.seal_random(p, nonce, text, &mut out).unwrap();
        } else {
            cipher.seal_deterministic(p, text, &mut out).unwrap();
        }
        let (derived, aad) = inside(cipher.keyring(), p, &out);
        // As it stands in a document.
        let string = match (p.purpose, p.field) {
            (Purpose::Document, Some(_)) => format!(r#", "string": "{}""#, URL_SAFE_NO_PAD.encode(&out)),
            _ => String::new(),
        };
        self.good.push(format!(
            r#"{{"name": "{name}", "mode": "{}", "key_id": "{}", {}, "plaintext": "{}", "derived_key": "{}", "associated_data": "{}", "nonce": "{}", "envelope": "{}"{string}}}"#,
            mode.name(),
            parse_header(&out).unwrap().key_id,
            place_json(p),
            hex(text),
            hex(&derived),
            hex(&aad),
            hex(&out[8..32]),
            hex(&out)
        ));
        out.to_vec()
    }

    fn bad(&mut self, name: &str, error: &str, p: &Place<'_>, envelope: &[u8]) {
        self.bad_with("keyring", name, error, p, envelope);
    }

    fn bad_with(&mut self, keyring: &str, name: &str, error: &str, p: &Place<'_>, env: &[u8]) {
        self.malformed.push(format!(
            r#"{{"name": "{name}", "error": "{error}", "keyring": "{keyring}", {}, "envelope": "{}"}}"#,
            place_json(p),
            hex(env)
        ));
    }
}

/// The derived key and the associated data of an envelope.
fn inside(keyring: &Keyring, p: &Place<'_>, envelope: &[u8]) -> ([u8; 32], Vec<u8>) {
    let header = parse_header(envelope).unwrap();
    let label = match header.mode {
        Mode::Random => labels::RANDOM_SEAL,
        Mode::Deterministic => labels::DETERMINISTIC_SEAL,
    };
    let root = keyring.reader(header.key_id, Role::of(header.mode)).unwrap();
    let mut aad = Vec::new();
    associated_data(&envelope::head(header.mode, header.key_id), p, &mut aad).unwrap();
    (*expand(root.prk(), label, p).unwrap(), aad)
}

fn generate() -> String {
    let cipher = |states| Cipher::new(keyring("vector", states));
    let mut out = Out {
        good: Vec::new(),
        malformed: Vec::new(),
        ciphers: [cipher(USUAL), cipher(["retired", "active", "pending"]), cipher(["retired", "pending", "active"])],
    };
    cases::add_good(&mut out);
    cases::add_malformed(&mut out);
    let prf: Vec<_> = [ScopeKind::Tag, ScopeKind::Rule]
        .into_iter()
        .flat_map(|kind| [&b""[..], b"visitor-1"].map(|element| (kind, element)))
        .map(|(kind, element)| {
            let p = place(Purpose::Element, kind, b"visits", None);
            format!(
                r#"{{"key_id": "00112233", {}, "element": "{}", "output": "{}"}}"#,
                place_json(&p),
                hex(element),
                hex(&out.ciphers[0].prf(&p, element).unwrap())
            )
        })
        .collect();
    let list = |items: &[String]| format!("[\n    {}\n  ]", items.join(",\n    "));
    format!(
        "{{\n  \"format\": \"waxseal-envelope-vectors\",\n  \"version\": 1,\n  \"keyring\": {},\n  \"other_keyring\": {},\n  \"good\": {},\n  \"prf\": {},\n  \"malformed\": {}\n}}\n",
        keyring_json("vector", USUAL),
        keyring_json("other", USUAL),
        list(&out.good),
        list(&prf),
        list(&out.malformed)
    )
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("proto/envelope-vectors.json")
}

fn committed() -> Value {
    serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap()
}

#[test]
fn the_committed_file_is_the_generated_one() {
    let made = generate();
    if std::env::var_os("WAXSEAL_WRITE_VECTORS").is_some() {
        std::fs::write(path(), &made).unwrap();
    }
    let found = std::fs::read_to_string(path()).unwrap();
    assert!(found == made, "proto/envelope-vectors.json differs: a format change?");
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

/// Calls `check` with each vector of a list, a cipher for it and its place.
fn each(list: &str, check: impl Fn(&Value, &mut Cipher, &Place<'_>)) -> usize {
    let file = committed();
    let vectors = file[list].as_array().unwrap();
    for backend in [Backend::Native, Backend::Portable] {
        for v in vectors {
            let keyring = file[v["keyring"].as_str().unwrap_or("keyring")].to_string();
            let keyring = Arc::new(Keyring::from_json(keyring.as_bytes()).unwrap());
            let mut cipher = Cipher::with_backend(keyring, backend);
            let (id, field) = (unhex(text(v, "scope_id")), v["field"].as_str().map(unhex));
            let p = place(
                Purpose::from_name(text(v, "purpose")).unwrap(),
                ScopeKind::from_name(text(v, "scope_kind")).unwrap(),
                &id,
                field.as_deref(),
            );
            check(v, &mut cipher, &p);
        }
    }
    vectors.len()
}

#[test]
fn good_vectors_open_and_seal() {
    let count = each("good", |v, cipher, p| {
        let name = text(v, "name");
        let (envelope, plain) = (unhex(text(v, "envelope")), unhex(text(v, "plaintext")));
        let mut out = BytesMut::from(&b"before"[..]);
        cipher.open(p, &envelope, &mut out).unwrap();
        assert!(out[6..] == plain[..], "{name}");
        assert!(out.starts_with(b"before"));
        let (derived, aad) = inside(cipher.keyring(), p, &envelope);
        assert_eq!(hex(&derived), text(v, "derived_key"), "{name}");
        assert_eq!(hex(&aad), text(v, "associated_data"), "{name}");
        let mut out = BytesMut::new();
        if text(v, "mode") == "deterministic" {
            cipher.seal_deterministic(p, &plain, &mut out).unwrap();
        } else if text(v, "key_id") == cipher.keyring().active().to_string() {
            let nonce = unhex(text(v, "nonce")).try_into().unwrap();
            cipher.seal_random(p, nonce, &plain, &mut out).unwrap();
        } else {
            return;
        }
        assert!(out == envelope, "{name}");
    });
    assert!(count > 60);
}

#[test]
fn malformed_vectors_are_refused() {
    let count = each("malformed", |v, cipher, p| {
        let mut out = BytesMut::from(&b"before"[..]);
        let error = match cipher.open(p, &unhex(text(v, "envelope")), &mut out) {
            Ok(()) => "none",
            Err(OpenError::NotSealed) => "not-sealed",
            Err(OpenError::Truncated) => "truncated",
            Err(OpenError::UnknownVersion(_)) => "unknown-version",
            Err(OpenError::UnknownMode(_)) => "unknown-mode",
            Err(OpenError::UnknownKey(_)) => "unknown-key",
            Err(OpenError::DestroyedKey(_)) => "destroyed-key",
            Err(OpenError::Forged) => "forged",
        };
        assert_eq!(error, text(v, "error"), "{}", text(v, "name"));
        assert_eq!(out, "before", "{}", text(v, "name"));
    });
    assert!(count > 40);
}

#[test]
fn prf_vectors_hold() {
    each("prf", |v, cipher, p| {
        let got = cipher.prf(p, &unhex(text(v, "element"))).unwrap();
        assert_eq!(hex(&got), text(v, "output"));
    });
}
