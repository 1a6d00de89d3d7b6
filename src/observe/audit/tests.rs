use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::*;
use crate::crypto::AuditKey;

fn key() -> AuditKey {
    AuditKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()
}

fn files(folder: &Path) -> Files {
    Files { log: folder.join("audit.log"), anchor: folder.join("anchor"), max_size: 1 << 20, keep: 3 }
}

/// A log of `n` lines beside its first.
fn write(files: &Files, n: u64) {
    let mut log = AuditLog::open(files.clone(), &key()).unwrap();
    for count in 0..n {
        log.append(Line { count: Some(count), ..Line::of("access", SystemTime::now()) });
        log.flush();
    }
}

fn check(files: &Files) -> Report {
    verify(&files.log, &files.anchor, &key(), None).unwrap()
}

fn lines(path: &PathBuf) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(String::from).collect()
}

fn put(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

type Spoil = Box<dyn Fn(&mut Vec<String>)>;

#[test]
fn a_log_goes_on_over_restarts_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write(&files, 5);
    write(&files, 5);
    let report = check(&files);
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!((report.lines, report.first, report.last, report.anchored), (11, 1, 11, true));
}

#[test]
fn a_line_that_was_removed_changed_moved_or_cut_off_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write(&files, 9);
    let sound = lines(&files.log);
    assert!(check(&files).is_sound());
    let spoiled: [(&str, Spoil, &str); 8] = [
        ("removed", Box::new(|lines| drop(lines.remove(4))), "lines were removed or moved"),
        ("first removed", Box::new(|lines| drop(lines.remove(0))), "was changed"),
        ("changed", Box::new(|lines| lines[3] = lines[3].replace("\"count\":2", "\"count\":7")), "was changed"),
        ("last cut off", Box::new(|lines| drop(lines.pop())), "went at least to number 10"),
        ("all but the first cut off", Box::new(|lines| lines.truncate(1)), "went at least to number 10"),
        ("all cut off", Box::new(Vec::clear), "went at least to number 10"),
        ("swapped", Box::new(|lines| lines.swap(2, 3)), "lines were removed or moved"),
        ("inserted", Box::new(|lines| lines.insert(2, "{}".into())), "is no line"),
    ];
    for (what, spoil, fault) in spoiled {
        let mut changed = sound.clone();
        spoil(&mut changed);
        put(&files.log, &changed);
        let report = check(&files);
        assert!(report.faults.iter().any(|found| found.contains(fault)), "{what}: {:?}", report.faults);
    }
    put(&files.log, &sound);
    assert!(check(&files).is_sound());
    fs::remove_file(&files.anchor).unwrap();
    assert!(check(&files).faults[0].contains("cannot be told"), "without an anchor the end is not known");
    let last: serde_json::Value = serde_json::from_str(sound.last().unwrap()).unwrap();
    let known = Anchor::parse(&format!("10:{}", last["mac"].as_str().unwrap()));
    assert!(verify(&files.log, &files.anchor, &key(), known).unwrap().is_sound());
}

#[test]
fn nothing_is_written_behind_a_log_that_was_tampered_with() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write(&files, 4);
    let sound = lines(&files.log);
    put(&files.log, &sound[..3]);
    let fault = AuditLog::open(files.clone(), &key()).unwrap_err().to_string();
    assert!(fault.contains("lines were removed"), "{fault}");
    fs::remove_file(&files.log).unwrap();
    assert!(AuditLog::open(files.clone(), &key()).is_err(), "the anchor says that there was one");
    put(&files.log, &sound);
    let other = AuditKey::generate().unwrap();
    assert!(AuditLog::open(files.clone(), &other).unwrap_err().to_string().contains("this key"));
    fs::rename(&files.anchor, folder.path().join("away")).unwrap();
    assert!(AuditLog::open(files.clone(), &key()).unwrap_err().to_string().contains("anchor"));
    fs::rename(folder.path().join("away"), &files.anchor).unwrap();
    assert!(AuditLog::open(files, &key()).is_ok());
}

#[test]
fn a_line_that_a_crash_has_torn_is_mended_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write(&files, 2);
    let mut text = fs::read(&files.log).unwrap();
    text.extend_from_slice(b"{\"seq\":4,\"at\"");
    fs::write(&files.log, text).unwrap();
    assert!(check(&files).faults[0].contains("not complete"));
    write(&files, 1);
    let report = check(&files);
    assert!(report.is_sound(), "{:?}", report.faults);
    assert!(fs::read_to_string(&files.log).unwrap().contains("\"event\":\"repaired\""));
}

#[test]
fn full_files_are_kept_up_to_a_number_and_their_removal_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { max_size: 1000, ..files(folder.path()) };
    write(&files, 60);
    write(&files, 20);
    let report = check(&files);
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!(report.files, files.keep + 1);
    assert!(report.first > 1);
    let full = log::full_files(&files.log).unwrap();
    // The oldest that is left disappears without a word.
    fs::rename(&full[0].1, folder.path().join("stolen")).unwrap();
    let missing = check(&files).faults;
    assert!(missing.iter().any(|fault| fault.contains("are missing")), "{missing:?}");
    fs::rename(folder.path().join("stolen"), &full[0].1).unwrap();
    fs::rename(&full[1].1, folder.path().join("stolen")).unwrap();
    assert!(check(&files).faults[0].contains("lines were removed"), "{:?}", check(&files).faults);
}

#[test]
fn files_that_somebody_else_has_named_like_ours_make_nothing_disappear() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { max_size: 1000, ..files(folder.path()) };
    write(&files, 15);
    let before = log::full_files(&files.log).unwrap();
    assert!(before.len() > 1 && before.len() <= files.keep);
    for number in [2_u64, 999_999_999_901, 999_999_999_902, 999_999_999_903] {
        fs::write(folder.path().join(format!("audit.log.{number:012}")), "").unwrap();
    }
    fs::create_dir(folder.path().join("audit.log.000000000003")).unwrap();
    write(&files, 5);
    assert!(before.iter().all(|(_, path)| path.exists()), "a fake file pushed a real one out");
    for number in [2_u64, 999_999_999_901, 999_999_999_902, 999_999_999_903] {
        fs::remove_file(folder.path().join(format!("audit.log.{number:012}"))).unwrap();
    }
    assert!(check(&files).is_sound(), "{:?}", check(&files).faults);
    // Old files that are missing are not forgiven because later ones are removed in order.
    fs::remove_file(&before[0].1).unwrap();
    write(&files, 60);
    assert!(check(&files).faults.iter().any(|fault| fault.contains("are missing")), "{:?}", check(&files).faults);
}

#[test]
fn a_log_is_not_begun_where_its_anchor_cannot_be_written_nor_behind_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Files { anchor: folder.path().join("not/there"), ..files(folder.path()) };
    assert!(AuditLog::open(nowhere, &key()).is_err());
    let files = files(folder.path());
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("anchor.new")).unwrap();
    write(&files, 1);
    fs::remove_file(&files.log).unwrap();
    std::os::unix::fs::symlink(&victim, &files.log).unwrap();
    assert!(AuditLog::open(files, &key()).is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn two_processes_do_not_write_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let _first = AuditLog::open(files.clone(), &key()).unwrap();
    assert!(AuditLog::open(files, &key()).unwrap_err().to_string().contains("another process"));
}

#[test]
fn what_finds_no_room_is_counted_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let mut log = AuditLog::open(files.clone(), &key()).unwrap();
    log.note_lost(7);
    log.flush();
    drop(log);
    let report = check(&files);
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!(report.lost, 7);
}
