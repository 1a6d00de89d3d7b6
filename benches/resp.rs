//! Cost of framing: requests scanned, replies scanned and walked, commands written.

use bytes::BytesMut;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use waxseal::resp::{MAX_BULK, ReplyScanner, RequestLimits, RequestScanner, Walker, encode};

const SIZES: [usize; 4] = [100, 1024, 64 * 1024, 1024 * 1024];

/// What one read from a socket may bring.
const PIECE: usize = 16 * 1024;

fn main() {
    divan::main();
}

fn set(size: usize) -> BytesMut {
    let mut out = BytesMut::new();
    encode::command(&mut out, &[b"SET", b"user:1000:profile", &vec![b'x'; size]]);
    out
}

fn bulk(size: usize) -> BytesMut {
    let mut out = BytesMut::new();
    encode::bulk(&mut out, &vec![b'x'; size]);
    out
}

fn array(elements: usize) -> BytesMut {
    let mut out = BytesMut::new();
    encode::array_header(&mut out, elements);
    for _ in 0..elements {
        encode::bulk(&mut out, &[b'x'; 100]);
    }
    out
}

#[divan::bench(args = SIZES)]
fn request_scan_set(bencher: Bencher, size: usize) {
    let data = set(size);
    let limits = RequestLimits::authenticated(MAX_BULK);
    let mut scanner = RequestScanner::new();
    bencher.counter(BytesCount::new(data.len())).bench_local(|| {
        scanner.reset();
        let found = scanner.scan(black_box(&data), &limits);
        black_box((found, scanner.request(&data).args.len()))
    });
}

#[divan::bench]
fn request_scan_inline(bencher: Bencher) {
    let limits = RequestLimits::authenticated(MAX_BULK);
    let mut scanner = RequestScanner::new();
    bencher.bench_local(|| {
        scanner.reset();
        scanner.scan(black_box(b"SET user:1000:profile \"a b\"\r\n"), &limits)
    });
}

#[divan::bench(args = SIZES)]
fn request_write_set(bencher: Bencher, size: usize) {
    let value = vec![b'x'; size];
    let mut out = BytesMut::with_capacity(size + 100);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        out.clear();
        encode::command(&mut out, &[b"SET", b"user:1000:profile", black_box(&value)]);
    });
}

fn scan_and_walk(bencher: Bencher, data: &[u8]) {
    let mut scanner = ReplyScanner::new();
    bencher.counter(BytesCount::new(data.len())).bench_local(|| {
        scanner.reset();
        let found = scanner.scan(black_box(data));
        black_box((found, Walker::new(data).count()))
    });
}

#[divan::bench(args = SIZES)]
fn reply_scan_and_walk_bulk(bencher: Bencher, size: usize) {
    scan_and_walk(bencher, &bulk(size));
}

#[divan::bench(args = [100, 10_000])]
fn reply_scan_and_walk_array(bencher: Bencher, elements: usize) {
    scan_and_walk(bencher, &array(elements));
}

#[divan::bench(args = [100, 10_000])]
fn reply_scan_array_in_pieces(bencher: Bencher, elements: usize) {
    let data = array(elements);
    let mut scanner = ReplyScanner::new();
    bencher.counter(BytesCount::new(data.len())).bench_local(|| {
        scanner.reset();
        let mut found = Ok(None);
        for end in (0..data.len()).step_by(PIECE).chain([data.len()]) {
            found = scanner.scan(black_box(&data[..end]));
        }
        found
    });
}
