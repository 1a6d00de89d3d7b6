//! How long something took, in buckets that double.

use std::time::Duration;

use super::Counter;

/// The first bucket ends at 2^10 ns, about a microsecond; each further one at twice that; the last but one at 2^34 ns, about
/// 17 s; the last has no end.
const FIRST: u32 = 10;
pub const BUCKETS: usize = 26;

/// Counts by duration.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    nanoseconds: Counter,
}

impl Histogram {
    pub fn record(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanoseconds)].add(1);
        self.nanoseconds.add(nanoseconds);
    }

    pub(super) fn read(&self) -> ([u64; BUCKETS], Duration) {
        let counts = std::array::from_fn(|at| self.buckets[at].value());
        (counts, Duration::from_nanos(self.nanoseconds.value()))
    }
}

/// The longest duration that the bucket counts; `None` for the last.
#[must_use]
pub fn bound(bucket: usize) -> Option<Duration> {
    (bucket < BUCKETS - 1).then(|| Duration::from_nanos(1 << (FIRST as usize + bucket)))
}

fn bucket(nanoseconds: u64) -> usize {
    // The number of bits of one less: 1024 ns belongs to the bucket that ends there.
    let bits = u64::BITS - nanoseconds.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_does_not_end_before_it() {
        for bucket in 0..BUCKETS - 1 {
            let end = bound(bucket).unwrap().as_nanos() as u64;
            assert_eq!(super::bucket(end), bucket);
            assert_eq!(super::bucket(end + 1), bucket + 1);
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bound(BUCKETS - 1), None);
    }

    #[test]
    fn counts_and_sum() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_nanos(300));
        histogram.record(Duration::from_micros(3));
        let (counts, sum) = histogram.read();
        assert_eq!((counts[0], counts[2], counts.iter().sum::<u64>()), (1, 1, 2));
        assert_eq!(sum, Duration::from_nanos(3300));
    }
}
