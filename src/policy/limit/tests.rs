use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};

use super::*;
use crate::policy::{IdentityId, Origin};

const SECOND: Nanos = 1_000_000_000;
/// A window of a second begins here.
const START: Nanos = 1_800_000_000 * SECOND;

fn origin(address: u32) -> Origin {
    Origin::of(std::net::IpAddr::V4(address.into()))
}

fn n(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

fn bucket(burst: u64) -> Algorithm {
    Algorithm::TokenBucket { burst: n(burst) }
}

fn per_second(per: Per, algorithm: Algorithm, limit: u64) -> RateLimit {
    RateLimit {
        per,
        algorithm,
        unit: Unit::Commands,
        limit: n(limit),
        window: Duration::from_secs(1),
        classes: Classes::ALL,
        over: Over::Error,
    }
}

/// One client of its own limits.
fn client(limits: impl IntoIterator<Item = RateLimit>) -> Allowances {
    Allowances::new(&Limits::new(limits).into(), origin(1)).unwrap()
}

/// A write of ten bytes by nobody in particular.
fn take(allowances: &mut Allowances, now: Nanos) -> Result<Duration, RateLimited> {
    allowances.take(IdentityId::default(), CommandClass::Write, 10, now)
}

fn admitted(allowances: &mut Allowances, tries: usize, now: Nanos) -> usize {
    (0..tries).filter(|_| take(allowances, now).is_ok()).count()
}

#[test]
fn a_bucket_admits_its_burst_and_then_its_rate() {
    let mut client = client([per_second(Per::Connection, bucket(20), 10)]);
    assert_eq!(admitted(&mut client, 100, START), 20);
    for tenth in 1..=50 {
        assert_eq!(admitted(&mut client, 2, START + tenth * SECOND / 10), 1);
    }
}

/// `governor` is the oracle: another's code for the same algorithm.
#[test]
fn a_bucket_decides_as_governor_does() {
    for (limit, burst) in [(1, 1), (3, 7), (10, 20), (1000, 1), (1_000_000, 5)] {
        let clock = FakeRelativeClock::default();
        let period = Duration::from_secs(1) / limit;
        let quota = Quota::with_period(period).unwrap().allow_burst(burst.try_into().unwrap());
        let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
        let mut client = client([per_second(Per::Connection, bucket(u64::from(burst)), u64::from(limit))]);
        let (mut now, mut dice) = (START, 1_u64);
        for step in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let passed = (dice >> 33) % (2 * u64::try_from(period.as_nanos()).unwrap());
            if dice >> 62 != 0 {
                now += passed;
                clock.advance(Duration::from_nanos(passed));
            }
            assert_eq!(take(&mut client, now).is_ok(), oracle.check().is_ok(), "{limit} {burst}, step {step}");
        }
    }
}

#[test]
fn fixed_windows_count_what_they_refuse() {
    let mut client = client([per_second(Per::Connection, Algorithm::FixedWindow, 5)]);
    assert_eq!(admitted(&mut client, 3, START + SECOND / 2), 3);
    assert_eq!(admitted(&mut client, 9, START + SECOND - 1), 2);
    assert_eq!(admitted(&mut client, 9, START + SECOND), 5);
    let refused = take(&mut client, START + SECOND + 1).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_nanos(SECOND - 1));
    // A large request that was refused has its place, and no smaller one passes behind it.
    let bytes = RateLimit { unit: Unit::Bytes, ..per_second(Per::Connection, Algorithm::FixedWindow, 100) };
    let mut client = self::client([bytes]);
    let mut send = |bytes, now| client.take(IdentityId::default(), CommandClass::Read, bytes, now).is_ok();
    assert!(send(60, START));
    assert!(!send(60, START));
    assert!(!send(1, START));
    assert!(send(60, START + SECOND));
}

#[test]
fn sliding_windows_weigh_the_one_before() {
    let mut client = client([per_second(Per::Connection, Algorithm::SlidingWindow, 10)]);
    assert_eq!(admitted(&mut client, 99, START), 10);
    // A quarter on, floor(0.75 * 10) of the window before still count, and refusals do not.
    assert_eq!(admitted(&mut client, 99, START + SECOND + SECOND / 4), 3);
    // At half, floor(0.5 * 10) and the three of this one.
    assert_eq!(admitted(&mut client, 99, START + SECOND + SECOND / 2), 2);
    // A whole window without requests forgets all.
    assert_eq!(admitted(&mut client, 99, START + 4 * SECOND), 10);
}

/// Every refusal names the first moment at which the request would pass.
#[test]
fn coming_back_when_told_is_neither_early_nor_late() {
    for algorithm in [bucket(3), Algorithm::SlidingWindow] {
        for limit in [1, 2, 7, 100] {
            for bytes in [1, 3, 70] {
                let limit = RateLimit { unit: Unit::Bytes, ..per_second(Per::Connection, algorithm, limit) };
                let mut client = client([limit]);
                let mut now = START + 123_456_789;
                for _ in 0..200 {
                    let ask = |client: &mut Allowances, now| {
                        client.take(IdentityId::default(), CommandClass::Write, bytes, now)
                    };
                    let Err(refused) = ask(&mut client, now) else { continue };
                    let wait = u64::try_from(refused.retry_after.as_nanos()).unwrap();
                    assert!(ask(&mut client, now + wait - 1).is_err(), "{limit:?}: {wait} is late");
                    now += wait;
                    assert!(ask(&mut client, now).is_ok(), "{limit:?}: {wait} is early");
                }
            }
        }
    }
}

#[test]
fn a_request_larger_than_the_burst_passes_when_nothing_is_owed_and_is_paid_off() {
    let bytes = RateLimit { unit: Unit::Bytes, ..per_second(Per::Connection, bucket(200), 100) };
    let mut client = client([bytes]);
    let mut send = |bytes, now| client.take(IdentityId::default(), CommandClass::Write, bytes, now);
    send(1000, START).unwrap();
    assert_eq!(send(1, START).unwrap_err().retry_after, Duration::from_millis(8010));
    assert_eq!(send(1000, START).unwrap_err().retry_after, Duration::from_secs(10));
    send(1000, START + 10 * SECOND).unwrap();
}

#[test]
fn only_the_classes_of_a_limit_count() {
    let writes = [CommandClass::Write, CommandClass::Script].into_iter().collect();
    let mut client = client([RateLimit { classes: writes, ..per_second(Per::Connection, bucket(1), 1) }]);
    let mut run = |class| client.take(IdentityId::default(), class, 10, START).is_ok();
    assert!(run(CommandClass::Read) && run(CommandClass::Read));
    assert!(run(CommandClass::Write));
    assert!(!run(CommandClass::Script));
    assert!(run(CommandClass::Read));
}

#[test]
fn a_refused_request_counts_against_no_limit() {
    let own = per_second(Per::Connection, bucket(5), 1);
    let slides = per_second(Per::Identity, Algorithm::SlidingWindow, 5);
    let all = per_second(Per::Process, bucket(2), 1);
    // The order of the configuration does not matter: the narrowest is asked first.
    let mut client = client([all, slides, own]);
    assert_eq!(admitted(&mut client, 50, START), 2);
    let refused = take(&mut client, START).unwrap_err();
    assert_eq!(refused.limit, all);
    // What the wider limit refused 48 times has left the narrower ones their three.
    assert_eq!(admitted(&mut client, 50, START + SECOND), 1);
    let tallies: Vec<_> = client.limits.tallies().map(|(limit, tally)| (limit.per, tally.refused())).collect();
    assert_eq!(tallies, [(Per::Connection, 0), (Per::Identity, 0), (Per::Process, 48 + 1 + 49)]);
}

#[test]
fn delayed_requests_come_at_the_limits_pace_and_not_later_than_allowed() {
    let over = Over::Delay { most: Duration::from_millis(500) };
    let mut client = client([RateLimit { over, ..per_second(Per::Connection, bucket(2), 10) }]);
    let waits: Vec<_> = (0..8).map(|_| take(&mut client, START).map(|wait| wait.as_millis())).collect();
    let (passed, refused) = waits.split_at(7);
    let passed: Vec<_> = passed.iter().map(|wait| *wait.as_ref().unwrap()).collect();
    assert_eq!(passed, [0, 0, 100, 200, 300, 400, 500]);
    assert_eq!(refused[0].unwrap_err().retry_after, Duration::from_millis(600));
    let (_, tally) = client.limits.tallies().next().unwrap();
    assert_eq!((tally.delayed(), tally.refused()), (5, 1));
}

#[test]
fn limits_are_shared_as_they_say() {
    let limits = |per| Arc::new(Limits::new([per_second(per, bucket(1), 1)]));
    let (here, there) = (origin(1), origin(2));
    let (somebody, app) = (IdentityId(0), IdentityId(1));
    let run = |allowances: &mut Allowances, who| allowances.take(who, CommandClass::Read, 1, START).is_ok();
    // Whether a second client has a measure of its own: from the same address as the same identity, from elsewhere,
    // and as somebody else.
    for (per, expected) in [
        (Per::Connection, [true, true, true]),
        (Per::Address, [false, true, false]),
        (Per::Identity, [false, false, true]),
        (Per::Process, [false, false, false]),
    ] {
        let second = |address, who| {
            let limits = limits(per);
            assert!(run(&mut Allowances::new(&limits, here).unwrap(), somebody));
            run(&mut Allowances::new(&limits, address).unwrap(), who)
        };
        assert_eq!([second(here, somebody), second(there, somebody), second(here, app)], expected, "{per:?}");
    }
    // Logging in as another and back gives no new measure.
    let limits = limits(Per::Identity);
    let mut client = Allowances::new(&limits, here).unwrap();
    assert!(run(&mut client, somebody) && run(&mut client, app));
    assert!(!run(&mut client, somebody) && !run(&mut client, app));
}

/// A hundred clients on threads of their own, at moments that all reach together.
#[test]
fn a_hundred_clients_together_get_exactly_what_is_allowed() {
    const CLIENTS: usize = 100;
    const ROUNDS: u64 = 20;
    let expected = |algorithm, round: u64| match algorithm {
        Algorithm::TokenBucket { .. } => Some(if round == 0 { 1000 } else { 100 }),
        Algorithm::FixedWindow => Some(if round.is_multiple_of(4) { 400 } else { 0 }),
        // One client alone is the measure of what has no simple formula.
        Algorithm::SlidingWindow => None,
    };
    for per in [Per::Identity, Per::Address, Per::Process] {
        for algorithm in [bucket(1000), Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            let limits = Arc::new(Limits::new([per_second(per, algorithm, 400)]));
            let rounds: Vec<AtomicU64> = (0..ROUNDS).map(|_| AtomicU64::new(0)).collect();
            let together = Barrier::new(CLIENTS);
            thread::scope(|scope| {
                for _ in 0..CLIENTS {
                    scope.spawn(|| {
                        let mut client = Allowances::new(&limits, origin(7)).unwrap();
                        for round in 0..ROUNDS {
                            together.wait();
                            let now = START + round * SECOND / 4;
                            let passed = admitted(&mut client, 20, now);
                            rounds[round as usize].fetch_add(passed as u64, Ordering::Relaxed);
                        }
                    });
                }
            });
            let mut alone = client([per_second(Per::Connection, algorithm, 400)]);
            for (round, count) in rounds.iter().enumerate() {
                let round = round as u64;
                let as_one = admitted(&mut alone, 20 * CLIENTS, START + round * SECOND / 4) as u64;
                let count = count.load(Ordering::Relaxed);
                assert_eq!(count, as_one, "{per:?} {algorithm:?}, round {round}");
                assert!(
                    expected(algorithm, round).is_none_or(|expected| count == expected),
                    "{algorithm:?}, round {round}"
                );
            }
        }
    }
}

#[test]
fn a_million_addresses_take_no_more_memory_than_a_table_holds() {
    let limiter = limiter::Limiter::new(per_second(Per::Address, bucket(1), 1));
    let mut busy = Vec::new();
    for address in 0..1_000_000 {
        // All at one moment, so that none is idle before the next comes.
        let allowance = limiter.allowance(origin(address), IdentityId::default(), START);
        let taken = limiter.method.take(&allowance, 1, START);
        busy.push(taken.is_ok());
    }
    let limiter::Shared::Addresses(table) = &limiter.shared else { panic!("a table") };
    assert_eq!(table.len(), table::MAX_ENTRIES);
    // Who found no place shares one measure with all others of that kind.
    assert_eq!(busy.iter().filter(|taken| **taken).count(), table::MAX_ENTRIES + 1);
    // A second later all are as good as new and make room.
    for address in 2_000_000..2_000_100 {
        let allowance = limiter.allowance(origin(address), IdentityId::default(), START + SECOND);
        assert!(limiter.method.take(&allowance, 1, START + SECOND).is_ok());
        assert!(limiter.method.take(&allowance, 1, START + SECOND).is_err());
    }
    assert_eq!(table.len(), table::MAX_ENTRIES);
}

#[test]
fn a_measure_is_not_forgotten_while_it_is_in_use_or_in_debt() {
    let method = allowance::Method::of(&per_second(Per::Address, bucket(1), 1));
    let table = table::Table::with_capacity(2);
    let held = table.allowance(&method, 1, START);
    let owing = table.allowance(&method, 2, START);
    method.take(&owing, 1, START).unwrap();
    drop(owing);
    let overflow = table.allowance(&method, 3, START);
    assert!(Arc::ptr_eq(&overflow, &table.allowance(&method, 4, START)));
    assert!(Arc::ptr_eq(&held, &table.allowance(&method, 1, START)));
    assert!(method.take(&table.allowance(&method, 2, START), 1, START).is_err());
    // What 2 owed is paid, so its place is free.
    let fresh = table.allowance(&method, 3, START + SECOND);
    assert!(!Arc::ptr_eq(&overflow, &fresh));
    assert!(Arc::ptr_eq(&held, &table.allowance(&method, 1, START + SECOND)));
}

#[test]
fn a_request_larger_than_a_window_is_paid_by_those_that_follow() {
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let bytes = RateLimit { unit: Unit::Bytes, ..per_second(Per::Connection, algorithm, 100) };
        let mut client = self::client([bytes]);
        let mut send = |bytes, now| client.take(IdentityId::default(), CommandClass::Read, bytes, now).is_ok();
        assert!(send(350, START));
        // 100 each in this window and the next two, 50 in the one after.
        for second in 1..3 {
            assert!(!send(1, START + second * SECOND + SECOND / 2), "{algorithm:?}, second {second}");
        }
        assert!(send(20, START + 6 * SECOND), "{algorithm:?}");
    }
}

#[test]
fn the_error_names_the_limit_and_when_to_come_back() {
    let plain = RateLimit { limit: n(1000), ..per_second(Per::Connection, bucket(2000), 1) };
    let said = |limit, nanos| RateLimited { limit, retry_after: Duration::from_nanos(nanos) }.to_string();
    assert_eq!(said(plain, 11_000_001), "over 1000 commands per 1 s (burst 2000) on this connection; retry in 12 ms");
    let limit = RateLimit {
        per: Per::Address,
        algorithm: Algorithm::SlidingWindow,
        unit: Unit::Bytes,
        window: Duration::from_millis(1500),
        classes: [CommandClass::Write, CommandClass::Script].into_iter().collect(),
        ..plain
    };
    assert_eq!(
        said(limit, 1),
        "over 1000 bytes of write or script requests per 1500 ms (sliding window) from this address; retry in 1 ms"
    );
}
