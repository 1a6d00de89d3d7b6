//! Tests across the files of this room; what one file decides alone is tested in it.

mod codec;
mod encode;
mod oracle;
mod reply;
mod request;
mod server;

use std::time::Duration;

/// Far beyond any linear scan on a slow machine, far below any quadratic one.
const LINEAR: Duration = Duration::from_secs(4);

/// The ends of the pieces when `len` bytes are cut at `cuts` (taken modulo the length), the whole last.
fn piece_ends(len: usize, cuts: &[usize]) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (len + 1)).collect();
    ends.push(len);
    ends.sort_unstable();
    ends
}
