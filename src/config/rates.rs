//! Rate limits: the four short tables of `[limits]`, which have environment variables too, and the list
//! `[[limits.rate]]` for more of them. Both have the same settings.

use std::num::NonZeroU64;
use std::time::Duration;

use toml::Table;

use super::defaults::{MAX_DELAY, MAX_MAX_DELAY, MAX_RATE_BYTES, MAX_RATES, MAX_WINDOW, MIN_DELAY, MIN_WINDOW};
use super::source::{Found, Set, Sources};
use super::words::{choose, join, one_of, suggestion};
use crate::command::CommandClass;
use crate::policy::{Algorithm, Classes, Over, Per, RateLimit, Unit};

const LIST: &str = "limits.rate";
const PERS: [(&str, Per); 4] = [
    ("connection", Per::Connection),
    ("identity", Per::Identity),
    ("address", Per::Address),
    ("process", Per::Process),
];
const SHORT: [(&str, Per); 4] = [
    ("limits.per_connection", Per::Connection),
    ("limits.per_identity", Per::Identity),
    ("limits.per_address", Per::Address),
    ("limits.per_process", Per::Process),
];
const UNITS: [(&str, Unit); 2] = [("commands", Unit::Commands), ("bytes", Unit::Bytes)];
const ALGORITHMS: [(&str, Kind); 3] =
    [("token_bucket", Kind::Bucket), ("sliding_window", Kind::Sliding), ("fixed_window", Kind::Fixed)];
const SETTINGS: [&str; 9] = ["per", "algorithm", "limit", "window", "burst", "unit", "classes", "over", "max_delay"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bucket,
    Sliding,
    Fixed,
}

/// Where the settings of one limit are written.
enum Place {
    Section(&'static str),
    Entry { place: String, table: Table },
}

impl Place {
    fn take(&mut self, sources: &mut Sources<'_>, name: &'static str) -> Option<Found> {
        match self {
            Self::Section(section) => sources.take(section, name),
            Self::Entry { place, table } => Some(Found::in_file(format!("{place} {name}"), table.remove(name)?)),
        }
    }
}

pub(super) fn read(sources: &mut Sources<'_>) -> Vec<RateLimit> {
    let mut limits: Vec<RateLimit> = Vec::new();
    for (section, per) in SHORT {
        limits.extend(limit(sources, &mut Place::Section(section), per));
    }
    for (index, table) in sources.take_tables(LIST).into_iter().enumerate() {
        limits.extend(entry(sources, format!("[[{LIST}]] #{}", index + 1), table));
    }
    if limits.len() > MAX_RATES {
        sources.fault(
            format!("[[{LIST}]]"),
            format!("there are {} rate limits", limits.len()),
            format!("use at most {MAX_RATES}; each is asked for every command"),
        );
    }
    limits
}

fn entry(sources: &mut Sources<'_>, place: String, table: Table) -> Option<RateLimit> {
    let mut from = Place::Entry { place: place.clone(), table };
    let per = from.take(sources, "per").map(|found| sources.as_choice(found, &PERS));
    if per.is_none() {
        sources.fault(
            format!("{place} per"),
            "is missing",
            format!("say who shares the limit: per = {}", one_of(&PERS)),
        );
    }
    let faults = sources.faults.len();
    // The rest is read whatever `per` is, so that its faults are told as well.
    let limit = limit(sources, &mut from, per.flatten().map_or(Per::Connection, |set| set.value));
    let Place::Entry { table, .. } = from else { return limit };
    if limit.is_none() && sources.faults.len() == faults {
        sources.fault(format!("{place} limit"), "is missing", "set limit = N, as many as may come per window");
    }
    for name in table.keys() {
        let mend = suggestion(name, SETTINGS.into_iter())
            .unwrap_or_else(|| format!("remove it; a rate limit has {}", join(SETTINGS.into_iter())));
        sources.fault(format!("{place} {name}"), "is not a setting", mend);
    }
    limit
}

/// One limit; none if it has no `limit`, which is a fault in a short table that has other settings.
fn limit(sources: &mut Sources<'_>, from: &mut Place, per: Per) -> Option<RateLimit> {
    let faults = sources.faults.len();
    let algorithm = from.take(sources, "algorithm").and_then(|found| sources.as_choice(found, &ALGORITHMS));
    let unit = from.take(sources, "unit").and_then(|found| sources.as_choice(found, &UNITS));
    let counted = unit.as_ref().map_or(Unit::Commands, |set| set.value);
    let limit = amount(sources, from, "limit", counted);
    let window = from.take(sources, "window").and_then(|found| sources.as_duration(found, MIN_WINDOW..=MAX_WINDOW));
    let burst = amount(sources, from, "burst", counted);
    let classes = classes(sources, from);
    let over = over(sources, from);
    let Some(limit) = limit else {
        let places = [
            algorithm.map(|set| set.place),
            unit.map(|set| set.place),
            window.map(|set| set.place),
            burst.map(|set| set.place),
            classes.map(|set| set.place),
            over.map(|set| set.place),
        ];
        if let (Some(place), Place::Section(section), true) =
            (places.into_iter().flatten().next(), from, sources.faults.len() == faults)
        {
            let name = section.trim_start_matches("limits.");
            sources.fault(
                place,
                "is set, but there is no limit",
                format!("set limit = N, commands per window, or remove {name}"),
            );
        }
        return None;
    };
    let length = window.map_or(Duration::from_secs(1), |set| set.value);
    if counted == Unit::Commands && length.as_nanos() < u128::from(limit.value.get()) {
        sources.fault(&limit.place, "is more than one command per nanosecond", "lower it, or lengthen window");
    }
    let kind = algorithm.map_or(Kind::Bucket, |set| set.value);
    if kind != Kind::Bucket {
        let place = burst.as_ref().map(|set| &set.place);
        let waits = over.as_ref().filter(|set| set.value != Over::Error).map(|set| &set.place);
        for place in [place, waits].into_iter().flatten() {
            let mend = "remove it, or set algorithm = \"token_bucket\"";
            sources.fault(place, "is for a token bucket only", mend);
        }
    }
    Some(RateLimit {
        per,
        algorithm: match kind {
            Kind::Bucket => Algorithm::TokenBucket { burst: burst.map_or(limit.value, |set| set.value) },
            Kind::Sliding => Algorithm::SlidingWindow,
            Kind::Fixed => Algorithm::FixedWindow,
        },
        unit: counted,
        limit: limit.value,
        window: length,
        classes: classes.map_or(Classes::ALL, |set| set.value),
        over: over.map_or(Over::Error, |set| set.value),
    })
}

/// A number of commands, or of bytes written as a size.
fn amount(sources: &mut Sources<'_>, from: &mut Place, name: &'static str, unit: Unit) -> Option<Set<NonZeroU64>> {
    let found = from.take(sources, name)?;
    let set = match unit {
        Unit::Commands => sources.as_count(found, 1..=u64::from(u32::MAX)),
        Unit::Bytes => sources.as_size(found, 1..=MAX_RATE_BYTES),
    }?;
    let value = NonZeroU64::new(set.value)?;
    Some(set.map(|_| value))
}

fn classes(sources: &mut Sources<'_>, from: &mut Place) -> Option<Set<Classes>> {
    let found = from.take(sources, "classes")?;
    let names = sources.as_list(found)?;
    let known = CommandClass::ALL.map(|class| (class.name(), class));
    let chosen: Option<Vec<CommandClass>> =
        names.value.iter().map(|name| choose(&toml::Value::String(name.clone()), &known)).collect();
    let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) else {
        sources.fault(
            &names.place,
            "is not a list of classes of commands",
            format!("list one or more of {}", one_of(&known)),
        );
        return None;
    };
    Some(names.map(|_| chosen.into_iter().collect()))
}

/// `over` and `max_delay`.
fn over(sources: &mut Sources<'_>, from: &mut Place) -> Option<Set<Over>> {
    let delays =
        from.take(sources, "over").and_then(|found| sources.as_choice(found, &[("error", false), ("delay", true)]));
    let most = from.take(sources, "max_delay").and_then(|found| sources.as_duration(found, MIN_DELAY..=MAX_MAX_DELAY));
    match (delays, most) {
        (Some(set), most) if set.value => {
            Some(set.map(|_| Over::Delay { most: most.map_or(MAX_DELAY, |set| set.value) }))
        }
        (set, None) => set.map(|set| set.map(|_| Over::Error)),
        (_, Some(most)) => {
            sources.fault(&most.place, "is set, but nothing is delayed", "set over = \"delay\", or remove it");
            None
        }
    }
}
