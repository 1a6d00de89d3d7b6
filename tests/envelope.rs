//! A second implementation of `proto/envelope.md`, in Python, agrees with the first: on the
//! committed vectors, and on what a new keyring seals.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use bytes::BytesMut;
use waxseal::crypto::{Cipher, Keyring, Place, Purpose, Scope, ScopeKind};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the reader with this on standard input. `make setup` installs its Python.
fn reader(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(root().join(".venv/bin/python3"))
        .arg(root().join("tests/python/envelope_reader.py"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`make setup` installs .venv/bin/python3");
    let mut stdin = child.stdin.take().unwrap();
    // A reader that has already failed has closed its input; its output tells.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn keyring_file(keyring: &Keyring) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keyring.json");
    std::fs::write(&path, keyring.to_json().as_bytes()).unwrap();
    (dir, path)
}

#[test]
fn the_python_reader_agrees_on_every_vector() {
    let vectors = root().join("proto/envelope-vectors.json");
    let output = reader(&["vectors", vectors.to_str().unwrap()], b"");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with(" passed, 0 failed\n"), "{said}");
}

#[test]
fn the_python_reader_opens_what_a_new_keyring_seals() {
    let keyring = Arc::new(Keyring::generate().unwrap());
    let (_dir, path) = keyring_file(&keyring);
    let mut cipher = Cipher::new(keyring);
    let text: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for (purpose, kind, field, deterministic) in [
        (Purpose::Value, ScopeKind::Key, None, false),
        (Purpose::Value, ScopeKind::Key, Some("ssn"), false),
        (Purpose::Message, ScopeKind::Tag, None, false),
        (Purpose::Member, ScopeKind::Rule, None, true),
    ] {
        let id = "user:7";
        let place = Place { purpose, scope: Scope { kind, id: id.as_bytes() }, field: field.map(str::as_bytes) };
        let mut envelope = BytesMut::new();
        if deterministic {
            cipher.seal_deterministic(&place, &text, &mut envelope).unwrap();
        } else {
            cipher.seal(&place, &text, &mut envelope).unwrap();
        }
        let mut args = vec!["open", "--keyring", path.to_str().unwrap()];
        args.extend(["--purpose", purpose.name(), "--scope", kind.name()]);
        args.extend(["--scope-id", id]);
        args.extend(field.iter().flat_map(|f| ["--field", f]));
        let output = reader(&args, &envelope);
        assert!(output.status.success(), "{place:?}");
        assert!(output.stdout == text, "{place:?}");

        envelope[40] ^= 1;
        let output = reader(&args, &envelope);
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}
