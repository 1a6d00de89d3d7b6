//! `[audit]`: the audit log, its key and how much it tells.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::files;
use super::source::Sources;
use super::types::{Audit, AuditKeys};
use crate::crypto::AuditKey;

const SECTION: &str = "audit";
const KEY: &str = "WAXSEAL_AUDIT_KEY";
const MAKE: &str = "make one with: waxseal audit key --out audit.key";

const INTERVAL: Duration = Duration::from_secs(10);
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const MAX_SIZE: u64 = 64 << 20;
const SIZES: RangeInclusive<u64> = 64 << 10..=64 << 30;
const KEEP: u64 = 10;

pub(super) fn read(sources: &mut Sources<'_>, config: Option<&Path>) -> Option<Audit> {
    let file = sources.text(SECTION, "file");
    let anchor = sources.text(SECTION, "anchor_file");
    let key_file = sources.text(SECTION, "key_file");
    // With `_FILE` behind it, it is the variable of key_file.
    let in_variable = sources.variable(KEY).map(Zeroizing::new);
    let keys = sources.choice(
        SECTION,
        "keys",
        &[("none", AuditKeys::None), ("hashed", AuditKeys::Hashed), ("clear", AuditKeys::Clear)],
    );
    let interval = sources.duration(SECTION, "interval", INTERVALS);
    let max_size = sources.size(SECTION, "max_size", SIZES);
    let keep = sources.count(SECTION, "keep", 1..=10_000);
    let Some(file) = file else {
        let other = [anchor.map(|set| set.place), key_file.map(|set| set.place), keys.map(|set| set.place)];
        if let Some(place) = other.into_iter().flatten().next() {
            sources.fault(place, "is set, but there is no audit log", "set file in [audit], or remove it");
        }
        return None;
    };
    let path = files::resolve(&file.value, file.origin, config);
    let anchor_file = match anchor {
        Some(set) => files::resolve(&set.value, set.origin, config),
        None => {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".anchor");
            beside.into()
        }
    };
    let (place, text) = match (key_file, in_variable) {
        (Some(set), Some(_)) => {
            sources.fault(
                set.place,
                format!("is set, and {KEY} too; which of them counts would be a guess"),
                "remove one of them",
            );
            return None;
        }
        (Some(set), None) => {
            let path = files::resolve(&set.value, set.origin, config);
            match files::read(&path) {
                Ok(bytes) => (set.place, bytes),
                Err((cause, mend)) => {
                    sources.fault(set.place, cause, format!("{mend}; {MAKE}"));
                    return None;
                }
            }
        }
        (None, Some(text)) => (KEY.into(), text.as_bytes().to_vec().into()),
        (None, None) => {
            sources.fault(
                "[audit] key_file",
                "is missing, and without a key anybody could change the audit log",
                format!("{MAKE}; then set key_file in [audit], or put its content into {KEY}"),
            );
            return None;
        }
    };
    let Some(key) = std::str::from_utf8(&text).ok().and_then(AuditKey::parse) else {
        sources.fault(place, "is not the key of an audit log", MAKE);
        return None;
    };
    if anchor_file == path {
        sources.fault("[audit] anchor_file", "is the audit log itself", "name another file, best on another disk");
    }
    Some(Audit {
        file: path,
        anchor_file,
        key,
        keys: keys.map_or(AuditKeys::None, |set| set.value),
        interval: interval.map_or(INTERVAL, |set| set.value),
        max_size: max_size.unwrap_or(MAX_SIZE),
        keep: keep.map_or(KEEP, |set| set.value) as usize,
    })
}
