//! The one source of chance: a small generator, so that a printed seed repeats what one client or fault did.

#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// A stream of its own for each `stream` of one seed (splitmix64 of both).
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    /// xorshift64.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 11) % bound as u64).expect("below a usize")
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Small numbers as often as large ones: up to `2^bits`.
    pub fn scaled(&mut self, bits: usize) -> usize {
        let magnitude = self.below(bits);
        self.below(2 << magnitude)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| u8::try_from(self.below(256)).expect("below 256")).collect()
    }
}

/// WAXSEAL_CHAOS_SEED, or one from the clock; always printed.
pub fn seed(test: &str) -> u64 {
    let given = std::env::var("WAXSEAL_CHAOS_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("clock after 1970");
        now.as_secs() * 1_000 + u64::from(now.subsec_millis())
    });
    println!("{test}: WAXSEAL_CHAOS_SEED={seed}");
    seed
}
