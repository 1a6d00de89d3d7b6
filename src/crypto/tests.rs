//! Attacks and properties of sealing and opening.

use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn place<'a>(id: &'a [u8], field: Option<&'a [u8]>) -> Place<'a> {
    Place { purpose: Purpose::Value, scope: Scope { kind: ScopeKind::Key, id }, field }
}

fn cipher() -> Cipher {
    Cipher::new(Arc::new(Keyring::generate().unwrap()))
}

fn seal(cipher: &mut Cipher, p: &Place<'_>, text: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    cipher.seal(p, text, &mut out).unwrap();
    out
}

fn open(cipher: &mut Cipher, p: &Place<'_>, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut out = BytesMut::from(&b"earlier"[..]);
    let result = cipher.open(p, envelope, &mut out);
    assert!(out.starts_with(b"earlier"));
    let text = out.split_off(7);
    if result.is_err() {
        assert!(text.is_empty());
    }
    result.map(|()| text.to_vec())
}

/// Random mode again and again, deterministic mode: both by one call.
fn seal_mode(cipher: &mut Cipher, mode: Mode, p: &Place<'_>, text: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    match mode {
        Mode::Random => cipher.seal(p, text, &mut out).unwrap(),
        Mode::Deterministic => cipher.seal_deterministic(p, text, &mut out).unwrap(),
    }
    out
}

#[test]
fn every_flipped_bit_is_refused() {
    let mut cipher = cipher();
    let p = place(b"user:7", Some(b"ssn"));
    for mode in [Mode::Random, Mode::Deterministic] {
        let envelope = seal_mode(&mut cipher, mode, &p, b"123-45-6789");
        for bit in 0..envelope.len() * 8 {
            let mut changed = envelope.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&mut cipher, &p, &changed).is_err(), "{mode:?} bit {bit}");
        }
        assert_eq!(open(&mut cipher, &p, &envelope).unwrap(), b"123-45-6789");
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let mut cipher = cipher();
    let p = place(b"k", None);
    let envelope = seal(&mut cipher, &p, b"some value");
    for len in 0..envelope.len() {
        assert!(open(&mut cipher, &p, &envelope[..len]).is_err(), "{len}");
    }
    for more in [&b"\0"[..], b"x", &envelope.clone()] {
        let mut longer = envelope.clone();
        longer.extend_from_slice(more);
        assert_eq!(open(&mut cipher, &p, &longer), Err(OpenError::Forged));
    }
}

#[test]
fn every_other_place_is_refused() {
    let mut cipher = cipher();
    let places: Vec<Place<'_>> = Purpose::ALL
        .into_iter()
        .flat_map(|purpose| ScopeKind::ALL.map(|kind| (purpose, kind)))
        .flat_map(|(purpose, kind)| [&b""[..], b"a", b"ab"].map(|id| (purpose, Scope { kind, id })))
        .flat_map(|(purpose, scope)| {
            [None, Some(&b""[..]), Some(b"a"), Some(b"b")].map(|field| Place { purpose, scope, field })
        })
        .collect();
    for mode in [Mode::Random, Mode::Deterministic] {
        for (i, sealed_for) in places.iter().enumerate().step_by(7) {
            let envelope = seal_mode(&mut cipher, mode, sealed_for, b"v");
            for (j, opened_for) in places.iter().enumerate() {
                let want = if i == j { Ok(b"v".to_vec()) } else { Err(OpenError::Forged) };
                assert_eq!(open(&mut cipher, opened_for, &envelope), want, "{i} {j}");
            }
        }
    }
}

#[test]
fn random_mode_never_repeats_and_deterministic_always_does() {
    let mut cipher = cipher();
    let p = place(b"s", None);
    let a = seal_mode(&mut cipher, Mode::Random, &p, b"member");
    let b = seal_mode(&mut cipher, Mode::Random, &p, b"member");
    assert_ne!(a, b);
    let a = seal_mode(&mut cipher, Mode::Deterministic, &p, b"member");
    let b = seal_mode(&mut cipher, Mode::Deterministic, &p, b"member");
    assert_eq!(a, b);
    let c = seal_mode(&mut cipher, Mode::Deterministic, &p, b"nember");
    assert_ne!(a[8..32], c[8..32]);
}

#[test]
fn an_envelope_as_plaintext_is_sealed_again() {
    let mut cipher = cipher();
    let p = place(b"k", None);
    let inner = seal(&mut cipher, &p, b"v");
    let outer = seal(&mut cipher, &p, &inner);
    assert_eq!(outer.len(), inner.len() + OVERHEAD);
    assert_eq!(open(&mut cipher, &p, &outer).unwrap(), inner);
}

#[test]
fn a_changed_keyring_is_obeyed_at_once() {
    let (one, other) = (Keyring::generate().unwrap(), Keyring::generate().unwrap());
    let mut cipher = Cipher::new(Arc::new(one));
    let p = place(b"k", None);
    let envelope = seal(&mut cipher, &p, b"v");
    let id = cipher.keyring().active();
    // Same ids, other salt: a cached key of the old keyring must not be used.
    let json = cipher.keyring().to_json();
    let salt = other.to_json().lines().nth(3).unwrap().to_owned();
    let resalted: String =
        json.lines().map(|l| if l.contains("\"salt\"") { salt.clone() } else { l.to_owned() }).collect();
    cipher.set_keyring(Arc::new(Keyring::from_json(resalted.as_bytes()).unwrap()));
    assert_eq!(open(&mut cipher, &p, &envelope), Err(OpenError::Forged));
    cipher.set_keyring(Arc::new(other));
    assert_eq!(open(&mut cipher, &p, &envelope), Err(OpenError::UnknownKey(id)));
    cipher.set_keyring(Arc::new(Keyring::from_json(json.as_bytes()).unwrap()));
    assert_eq!(open(&mut cipher, &p, &envelope).unwrap(), b"v");
}

#[test]
fn shape_is_only_shape() {
    assert!(looks_sealed(&MAGIC));
    assert!(looks_sealed(&[MAGIC.as_slice(), &[0xFF; 90]].concat()));
    assert!(!looks_sealed(&MAGIC[..2]));
    assert!(!looks_sealed(b""));
    let mut cipher = cipher();
    let envelope = seal(&mut cipher, &place(b"k", None), b"");
    assert_eq!(envelope.len(), OVERHEAD);
    let header = parse_header(&envelope).unwrap();
    assert_eq!((header.version, header.mode), (1, Mode::Random));
    assert_eq!(header.key_id, cipher.keyring().active());
}

#[test]
fn debug_and_errors_show_nothing() {
    let cipher = cipher();
    let json = cipher.keyring().to_json();
    let p = place(b"secret-key-name", Some(b"secret-field"));
    let shown = format!("{cipher:?} {:?} {p:?}", cipher.keyring());
    assert!(!shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
    for secret in json.split('"').filter(|s| s.len() == 44) {
        assert!(!shown.contains(secret));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_backends_give_the_same_bytes(
        key: [u8; 32],
        nonce: [u8; 24],
        aad in proptest::collection::vec(any::<u8>(), 0..200),
        text in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let (mut a, mut b) = (text.clone(), text.clone());
        let tag = Backend::Native.seal(&key, &nonce, &aad, &mut a).unwrap();
        prop_assert_eq!(tag, Backend::Portable.seal(&key, &nonce, &aad, &mut b).unwrap());
        prop_assert_eq!(&a, &b);
        Backend::Portable.open(&key, &nonce, &aad, &mut a, &tag).unwrap();
        Backend::Native.open(&key, &nonce, &aad, &mut b, &tag).unwrap();
        prop_assert_eq!(&a, &text);
        prop_assert_eq!(&b, &text);
    }

    #[test]
    fn what_is_sealed_opens(
        id in proptest::collection::vec(any::<u8>(), 0..300),
        field in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
        text in proptest::collection::vec(any::<u8>(), 0..5000),
        deterministic: bool,
    ) {
        let mut cipher = cipher();
        let p = place(&id, field.as_deref());
        let mode = if deterministic { Mode::Deterministic } else { Mode::Random };
        let envelope = seal_mode(&mut cipher, mode, &p, &text);
        prop_assert_eq!(envelope.len(), text.len() + OVERHEAD);
        prop_assert_eq!(open(&mut cipher, &p, &envelope).unwrap(), text);
    }

    #[test]
    fn arbitrary_bytes_never_open(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut cipher = cipher();
        let p = place(b"k", None);
        prop_assert!(open(&mut cipher, &p, &bytes).is_err());
        let real = seal(&mut cipher, &p, b"v");
        let shared = bytes.len().min(8);
        bytes[..shared].copy_from_slice(&real[..shared]);
        prop_assert!(open(&mut cipher, &p, &bytes).is_err());
    }
}
