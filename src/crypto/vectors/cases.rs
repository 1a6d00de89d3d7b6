//! The cases of the vectors: what must open, and what must not, named for its fault.

use super::{Backend, Mode, Out, Place, Purpose, Scope, ScopeKind, inside, place, sha};

pub(super) fn add_good(out: &mut Out) {
    for mode in [Mode::Random, Mode::Deterministic] {
        for size in [0, 1, 63, 64, 65, 1000] {
            let text: Vec<u8> = (0..size).map(|i: u32| (i * 7 + 1).to_le_bytes()[0]).collect();
            let p = place(Purpose::Value, ScopeKind::Key, b"session:1", None);
            out.good(&format!("{} {size} bytes", mode.name()), mode, 0, &p, &text);
        }
        for purpose in Purpose::ALL.into_iter().filter(|p| *p != Purpose::Element) {
            for kind in ScopeKind::ALL {
                let name = format!("{} {} {}", mode.name(), purpose.name(), kind.name());
                let p = place(purpose, kind, b"sessions", None);
                out.good(&name, mode, 0, &p, name.as_bytes());
            }
        }
        let binary: Vec<u8> = (0..=255).collect();
        for (what, id, field, text) in [
            ("field", &b"user:7"[..], Some(&b"ssn"[..]), &b"123-45-6789"[..]),
            ("empty field", b"user:7", Some(b""), b"123-45-6789"),
            ("no field", b"user:7", None, b"123-45-6789"),
            ("binary key, field and value", &binary, Some(&binary), &binary),
            ("empty key", b"", None, b"v"),
            ("value that is an envelope's beginning", b"k", None, b"\xC1WX\x11"),
        ] {
            let p = place(Purpose::Value, ScopeKind::Key, id, field);
            out.good(&format!("{} {what}", mode.name()), mode, 0, &p, text);
        }
    }
    for (what, path, text) in [
        ("string", &b"$['card']['number']"[..], &b"\"4111\""[..]),
        ("number", b"$['card']['number']", b"4111.0"),
        ("object", b"$['people'][*]['it\\'s']", b"{\"a\":[null]}"),
    ] {
        let p = place(Purpose::Document, ScopeKind::Key, b"user:7", Some(path));
        out.good(&format!("JSON document: {what}"), Mode::Random, 0, &p, text);
    }
    let p = place(Purpose::Payload, ScopeKind::Tag, b"7", Some(b"carts"));
    out.good("DUMP payload under a tag, with its rule", Mode::Random, 0, &p, b"\x00\x01v\x0a\x00");
    let p = place(Purpose::Value, ScopeKind::Key, b"session:1", None);
    out.good("retired key", Mode::Random, 1, &p, b"old");
    out.good("pending key", Mode::Random, 2, &p, b"new");
}

pub(super) fn add_malformed(out: &mut Out) {
    let p = place(Purpose::Value, ScopeKind::Key, b"user:7", Some(b"ssn"));
    let envelope = out.good("the one that is spoilt below", Mode::Random, 0, &p, b"123-45-6789");
    let second = out.good("the one spliced with it", Mode::Random, 0, &p, b"987-65-4321");
    let deterministic = out.good("its like, deterministic", Mode::Deterministic, 0, &p, b"123-45-6789");
    let with = |at: usize, byte: u8| {
        let mut e = envelope.clone();
        e[at] = byte;
        e
    };
    out.bad("empty", "not-sealed", &p, b"");
    out.bad("plaintext", "not-sealed", &p, b"123-45-6789");
    for (at, byte) in envelope[..3].iter().enumerate() {
        out.bad(&format!("wrong magic, byte {at}"), "not-sealed", &p, &with(at, byte ^ 1));
    }
    out.bad("short: two bytes of magic", "not-sealed", &p, &envelope[..2]);
    for (what, len) in [("magic", 3), ("version and mode", 4), ("half a key id", 6), ("key id", 8)] {
        out.bad(&format!("short: to {what}"), "truncated", &p, &envelope[..len]);
    }
    for (what, len) in [("half a nonce", 20), ("nonce", 32), ("tag's last byte missing", 47)] {
        out.bad(&format!("short: to {what}"), "truncated", &p, &envelope[..len]);
    }
    out.bad("short: last byte missing", "forged", &p, &envelope[..envelope.len() - 1]);
    out.bad("long: one byte more", "forged", &p, &[&envelope[..], b"\0"].concat());
    out.bad("version 0", "unknown-version", &p, &with(3, 0x01));
    out.bad("version 2", "unknown-version", &p, &with(3, 0x21));
    out.bad("mode 0", "unknown-mode", &p, &with(3, 0x10));
    out.bad("mode 3", "unknown-mode", &p, &with(3, 0x13));
    out.bad("mode changed to deterministic", "forged", &p, &with(3, 0x12));
    let mut changed = deterministic.clone();
    changed[3] = 0x11;
    out.bad("mode changed to random", "forged", &p, &changed);
    let key = |id: [u8; 4]| [&envelope[..4], &id, &envelope[8..]].concat();
    out.bad("key id unknown", "unknown-key", &p, &key([1, 2, 3, 4]));
    out.bad("key id zero", "unknown-key", &p, &key([0; 4]));
    out.bad("key id of a destroyed key", "destroyed-key", &p, &key([0x0d, 0xea, 0xd0, 0xff]));
    out.bad("key id of another key", "forged", &p, &key([0, 0, 0xbe, 0xef]));
    out.bad("key id of a deterministic key", "forged", &p, &key([0xd0; 4]));
    out.bad("key id of a PRF key", "forged", &p, &key([0, 0x11, 0x22, 0x33]));
    for (what, at) in [("nonce, first half", 8), ("nonce, second half", 31), ("ciphertext", 32)] {
        out.bad(&format!("bit flipped in {what}"), "forged", &p, &with(at, envelope[at] ^ 0x80));
    }
    let last = envelope.len() - 1;
    out.bad("bit flipped in tag", "forged", &p, &with(last, envelope[last] ^ 1));
    let mut flipped = deterministic.clone();
    flipped[8] ^= 1;
    out.bad("bit flipped in a deterministic nonce", "forged", &p, &flipped);
    out.bad("nonce of another envelope", "forged", &p, &[&envelope[..8], &second[8..32], &envelope[32..]].concat());
    out.bad(
        "ciphertext of another envelope",
        "forged",
        &p,
        &[&envelope[..32], &second[32..43], &envelope[43..]].concat(),
    );
    out.bad("tag of another envelope", "forged", &p, &[&envelope[..43], &second[43..]].concat());
    out.bad_with("other_keyring", "wrong keyring, same key id", "forged", &p, &envelope);
    let scope = |kind, id| Place { scope: Scope { kind, id }, ..p };
    out.bad("wrong key", "forged", &scope(ScopeKind::Key, b"user:8"), &envelope);
    out.bad("wrong scope: tag", "forged", &scope(ScopeKind::Tag, b"user:7"), &envelope);
    out.bad("wrong scope: rule", "forged", &scope(ScopeKind::Rule, b"user:7"), &envelope);
    out.bad("wrong field", "forged", &Place { field: Some(b"SSN"), ..p }, &envelope);
    out.bad("field empty instead of set", "forged", &Place { field: Some(b""), ..p }, &envelope);
    out.bad("no field instead of set", "forged", &Place { field: None, ..p }, &envelope);
    for purpose in Purpose::ALL.into_iter().filter(|q| *q != p.purpose) {
        let name = format!("wrong purpose: {}", purpose.name());
        out.bad(&name, "forged", &Place { purpose, ..p }, &envelope);
    }
    let bare = Place { field: None, ..p };
    let empty = Place { field: Some(b""), ..p };
    let no_field = out.good("without a field", Mode::Random, 0, &bare, b"v");
    out.bad("empty field instead of none", "forged", &empty, &no_field);
    let border = place(Purpose::Value, ScopeKind::Key, b"user:7s", Some(b"sn"));
    out.bad("border between key and field moved", "forged", &border, &envelope);
    forge_deterministic(out, &p);
}

/// Sealed by one who has the sealing key, but with a nonce that is not the plaintext's.
fn forge_deterministic(out: &mut Out, p: &Place<'_>) {
    let mut envelope = out.good("deterministic, to be sealed with another nonce", Mode::Deterministic, 0, p, b"member");
    let (key, aad) = inside(out.ciphers[0].keyring(), p, &envelope);
    envelope[8..32].copy_from_slice(&sha("waxseal chosen nonce")[..24]);
    let nonce: [u8; 24] = envelope[8..32].try_into().unwrap();
    let mut text = *b"member";
    let tag = Backend::Native.seal(&key, &nonce, &aad, &mut text).unwrap();
    envelope[32..38].copy_from_slice(&text);
    envelope[38..].copy_from_slice(&tag);
    out.bad("deterministic nonce not of this plaintext", "forged", p, &envelope);
}
