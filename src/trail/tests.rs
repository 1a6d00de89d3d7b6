use super::*;

fn all() -> Interest {
    Interest { entries: true, keys: true, conduct: true }
}

fn report_of(heard: &Receiver<Told>) -> Report {
    match heard.try_recv() {
        Ok(Told::Report(report)) => report,
        other => panic!("no report but {other:?}"),
    }
}

#[test]
fn keys_are_counted_by_name_up_to_a_bound_and_as_one_beyond() {
    let (teller, heard, _) = channel(all());
    let trail = Trail::new(teller);
    let what = (IdentityId(1), CommandClass::Read, 0);
    for key in 0..MAX_ENTRIES + 5 {
        trail.counted.borrow_mut().count(what, key.to_string().as_bytes(), true);
    }
    trail.counted.borrow_mut().count(what, b"0", true);
    trail.counted.borrow_mut().count(what, &[b'k'; MAX_KEY + 1], true);
    trail.report();
    let report = report_of(&heard);
    let of = |key: Option<&[u8]>| report.entries.iter().find(|entry| entry.key.as_deref() == key).map(|e| e.count);
    assert_eq!((of(Some(b"0")), of(Some(b"7")), of(None)), (Some(2), Some(1), Some(6)));
    assert_eq!(report.entries.len(), MAX_ENTRIES + 1);
}

#[test]
fn without_room_reports_wait_and_events_are_counted_as_dropped() {
    let (teller, heard, dropped) = channel(all());
    let trail = Trail::new(teller);
    let who = Who { identity: IdentityId(2), client: 7 };
    for _ in 0..ROOM + 3 {
        trail.event(who, What::LoginFailed);
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
    let what = (who.identity, CommandClass::Write, 4);
    for _ in 0..2 {
        trail.counted.borrow_mut().count(what, b"k", true);
        trail.counted.borrow_mut().conduct(who.identity).touch(b"k");
        trail.report();
    }
    assert_eq!(heard.try_iter().count(), ROOM);
    trail.report();
    let report = report_of(&heard);
    let key = Some(b"k".as_slice().into());
    assert_eq!(report.entries, [Entry { identity: who.identity, class: CommandClass::Write, rule: 4, key, count: 2 }]);
    assert_eq!((report.conducts[0].0, report.conducts[0].1.touches), (who.identity, 2));
    trail.report();
    assert!(heard.try_recv().is_err(), "nothing is told twice");
    // While a report is not dealt with, no other one is sent.
    trail.counted.borrow_mut().count(what, b"k", true);
    trail.report();
    assert!(heard.try_recv().is_err());
    drop(report);
    trail.report();
    assert_eq!(report_of(&heard).entries[0].count, 1);
}

#[test]
fn the_sketch_counts_different_keys_within_a_tenth() {
    for keys in [0_u64, 1, 10, 1000, 10_000] {
        let mut sketch = Conduct::default();
        for _ in 0..3 {
            (0..keys).for_each(|key| sketch.touch(key.to_string().as_bytes()));
        }
        let count = sketch.keys.count();
        assert!(count.abs_diff(keys) <= keys / 10, "{count} instead of {keys}");
    }
}
