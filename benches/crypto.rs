//! What sealing and opening cost: both backends, four sizes, cached and uncached derivation.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::BytesCount;
use waxseal::crypto::{Backend, Cipher, Keyring, OVERHEAD, Place, Purpose, Scope, ScopeKind};

const SIZES: [usize; 4] = [100, 1024, 64 * 1024, 1024 * 1024];
/// More keys than the cache of derived keys holds, used in turn.
const MORE_THAN_CACHED: u64 = 100_000;

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn seal_native(bencher: Bencher, size: usize) {
    seal(bencher, size, Backend::Native);
}

#[divan::bench(args = SIZES)]
fn seal_portable(bencher: Bencher, size: usize) {
    seal(bencher, size, Backend::Portable);
}

#[divan::bench(args = SIZES)]
fn open_native(bencher: Bencher, size: usize) {
    open(bencher, size, Backend::Native);
}

#[divan::bench(args = SIZES)]
fn open_portable(bencher: Bencher, size: usize) {
    open(bencher, size, Backend::Portable);
}

#[divan::bench(args = SIZES)]
fn seal_deterministic(bencher: Bencher, size: usize) {
    let mut cipher = cipher(Backend::Native);
    let (plaintext, mut out) = (vec![b'v'; size], BytesMut::with_capacity(size + OVERHEAD));
    let place = place(b"session:1234");
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        cipher.seal_deterministic(&place, black_box(&plaintext), &mut out).unwrap();
    });
}

/// One byte sealed under the same Redis key again and again.
#[divan::bench]
fn derive_cached(bencher: Bencher) {
    derive(bencher, 1);
}

/// One byte sealed under a Redis key that is not in the cache.
#[divan::bench]
fn derive_uncached(bencher: Bencher) {
    derive(bencher, MORE_THAN_CACHED);
}

fn seal(bencher: Bencher, size: usize, backend: Backend) {
    let mut cipher = cipher(backend);
    let (plaintext, mut out) = (vec![b'v'; size], BytesMut::with_capacity(size + OVERHEAD));
    let place = place(b"session:1234");
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        cipher.seal(&place, black_box(&plaintext), &mut out).unwrap();
    });
}

fn open(bencher: Bencher, size: usize, backend: Backend) {
    let mut cipher = cipher(backend);
    let place = place(b"session:1234");
    let mut envelope = BytesMut::new();
    cipher.seal(&place, &vec![b'v'; size], &mut envelope).unwrap();
    let mut out = BytesMut::with_capacity(size);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        cipher.open(&place, black_box(&envelope), &mut out).unwrap();
    });
}

fn derive(bencher: Bencher, keys: u64) {
    let mut cipher = cipher(Backend::Native);
    let mut out = BytesMut::with_capacity(1 + OVERHEAD);
    let next = Cell::new(0u64);
    bencher.bench_local(|| {
        let n = next.replace((next.get() + 1) % keys);
        out.clear();
        cipher.seal(&place(&n.to_be_bytes()), b"v", &mut out).unwrap();
    });
}

fn cipher(backend: Backend) -> Cipher {
    Cipher::with_backend(Arc::new(Keyring::generate().unwrap()), backend)
}

fn place(id: &[u8]) -> Place<'_> {
    Place { purpose: Purpose::Value, scope: Scope { kind: ScopeKind::Key, id }, field: None }
}
