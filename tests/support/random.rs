//! A small generator (splitmix64): the same seed, the same program.

pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 up to and without `below`.
pub fn below(state: &mut u64, below: usize) -> usize {
    usize::try_from(next(state) % below as u64).expect("below a usize")
}
