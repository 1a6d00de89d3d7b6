//! Wrong passwords are answered ever more slowly, by where they come from.
//!
//! Job: say how long the next try from somewhere has to wait. In: where from, and when. Out: a delay.
//! Must never: grow without bound, or forget somebody because others guess as well.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Origin;

/// What the second try waits for after one wrong password; it doubles with each.
const FIRST: Duration = Duration::from_millis(100);
/// More would hold a mistyped password up without need: at this pace a day has 17,280 tries.
const LONGEST: Duration = Duration::from_secs(5);
/// So long after the last wrong password all is forgotten.
const MEMORY: Duration = Duration::from_secs(600);
/// Some 60 bytes each.
const MAX_ORIGINS: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    last: Instant,
}

/// The wrong passwords of late.
#[derive(Debug, Default)]
pub struct Guesses {
    wrong: HashMap<Origin, Wrong>,
}

impl Guesses {
    /// How long a try from there waits before it is answered.
    #[must_use]
    pub fn delay(&self, origin: Origin, now: Instant) -> Duration {
        let Some(wrong) = self.wrong.get(&origin).filter(|wrong| wrong.is_fresh(now)) else { return Duration::ZERO };
        let doubled = wrong.count.saturating_sub(1).min(16);
        FIRST.saturating_mul(1 << doubled).min(LONGEST)
    }

    /// There was a wrong password.
    pub fn note(&mut self, origin: Origin, now: Instant) {
        if self.wrong.len() >= MAX_ORIGINS && !self.wrong.contains_key(&origin) {
            self.make_room(now);
        }
        let wrong = self.wrong.entry(origin).or_insert(Wrong { count: 0, last: now });
        wrong.count = if wrong.is_fresh(now) { wrong.count.saturating_add(1) } else { 1 };
        wrong.last = now;
    }

    fn make_room(&mut self, now: Instant) {
        self.wrong.retain(|_, wrong| wrong.is_fresh(now));
        if self.wrong.len() < MAX_ORIGINS {
            return;
        }
        // Who guesses from many addresses pushes out those that have guessed least.
        if let Some(least) = self.wrong.iter().min_by_key(|(_, wrong)| (wrong.count, wrong.last)).map(|(at, _)| *at) {
            self.wrong.remove(&least);
        }
    }
}

impl Wrong {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < MEMORY
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(n: u32) -> Origin {
        Origin::of(IpAddr::V4(n.into()))
    }

    #[test]
    fn delays_double_up_to_a_bound_and_are_forgotten() {
        let (mut guesses, start) = (Guesses::default(), Instant::now());
        let mut seen = vec![guesses.delay(address(1), start)];
        for _ in 0..8 {
            guesses.note(address(1), start);
            seen.push(guesses.delay(address(1), start));
        }
        let millis: Vec<u128> = seen.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(guesses.delay(address(2), start), Duration::ZERO);
        for _ in 0..100 {
            guesses.note(address(1), start);
        }
        assert_eq!(guesses.delay(address(1), start), LONGEST);
        assert_eq!(guesses.delay(address(1), start + MEMORY), Duration::ZERO);
        guesses.note(address(1), start + MEMORY);
        assert_eq!(guesses.delay(address(1), start + MEMORY), FIRST);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_worst() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for _ in 0..5 {
            guesses.note(address(0), now);
        }
        for n in 1..30_000 {
            guesses.note(address(n), now);
        }
        assert_eq!(guesses.wrong.len(), MAX_ORIGINS);
        assert_eq!(guesses.delay(address(0), now), Duration::from_millis(1600));
    }

    #[test]
    fn an_ipv6_network_is_one_origin() {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
