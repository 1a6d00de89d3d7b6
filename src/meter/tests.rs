use super::*;

#[test]
fn sums_are_over_all_workers() {
    let meters: Vec<_> = (0..2).map(|_| Meter::new(Arc::default())).collect();
    let all = Meters::new(meters.clone());
    let kind = Kind { class: CommandClass::Read, way: Way::Sealed };
    meters[0].answered(kind, b'$');
    meters[1].answered(kind, b'$');
    meters[1].answered(kind, b'-');
    assert_eq!(all.answers(kind), (2, 1));
    assert_eq!(all.answers(Kind { way: Way::Raw, ..kind }), (0, 0));

    meters[0].queued.record(Duration::from_micros(1));
    meters[1].queued.record(Duration::from_micros(2));
    let (buckets, sum) = all.times(|meter| &meter.queued);
    assert_eq!((buckets[0], buckets[1]), (1, 1));
    assert_eq!(sum, Duration::from_micros(3));

    meters[1].lane(LaneKind::Bulk).up();
    assert_eq!((all.lanes(LaneKind::Bulk), all.lanes(LaneKind::Shared)), (1, 0));
}

#[test]
fn a_refusal_is_known_by_its_error() {
    for (error, why) in [
        ("WAXSEAL COMMAND_REFUSED GETBIT is", Refused::Command),
        ("WAXSEAL RATE_LIMITED over", Refused::RateLimited),
        ("NOPERM this", Refused::Denied),
        ("NOAUTH Authentication required.", Refused::Login),
        ("LOADING the upstream", Refused::Unavailable),
        ("ERR syntax error", Refused::Redis),
    ] {
        assert_eq!(Refused::of(error), why, "{error}");
    }
}

#[test]
fn every_label_is_where_its_number_says() {
    assert!(Way::ALL.iter().enumerate().all(|(at, way)| *way as usize == at));
    assert!(Refused::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
    assert!(Cut::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
    assert!(LaneKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
}
