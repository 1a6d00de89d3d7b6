//! Lists of patterns of keys and of channels that may be used.

use super::glob::Glob;
use super::rules::PatternIndex;

/// Keys that may be read and written, and keys that may be read only.
#[derive(Debug)]
pub struct KeyNames {
    all: PatternIndex,
    read: PatternIndex,
    every: bool,
}

impl KeyNames {
    #[must_use]
    pub fn new<P: AsRef<[u8]>>(all: &[P], read: &[P]) -> Self {
        Self { all: index(all), read: index(read), every: covers_every(all) }
    }

    pub(super) fn may_write(&self, key: &[u8]) -> bool {
        self.all.matches(key)
    }

    pub(super) fn may_read(&self, key: &[u8]) -> bool {
        self.all.matches(key) || self.read.matches(key)
    }

    /// Is it no confinement at all?
    pub(super) fn are_all(&self) -> bool {
        self.every
    }
}

/// Channels that may be subscribed to and published to.
#[derive(Debug)]
pub struct ChannelNames {
    channels: PatternIndex,
    patterns: Box<[Box<[u8]>]>,
    every: bool,
}

impl ChannelNames {
    #[must_use]
    pub fn new<P: AsRef<[u8]>>(patterns: &[P]) -> Self {
        let own = patterns.iter().map(|pattern| pattern.as_ref().into()).collect();
        Self { channels: index(patterns), patterns: own, every: covers_every(patterns) }
    }

    /// As Redis: which channels a pattern brings cannot be told, so it has to be one of the list, letter by letter.
    pub(super) fn may_use(&self, name: &[u8], is_pattern: bool) -> bool {
        self.every
            || if is_pattern { self.patterns.iter().any(|own| **own == *name) } else { self.channels.matches(name) }
    }
}

fn index<P: AsRef<[u8]>>(patterns: &[P]) -> PatternIndex {
    PatternIndex::new(patterns.iter().map(|pattern| (Glob::new(pattern.as_ref()), 0)))
}

fn covers_every<P: AsRef<[u8]>>(patterns: &[P]) -> bool {
    patterns.iter().any(|pattern| pattern.as_ref() == b"*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_be_readable_only() {
        let names = KeyNames::new(&["session:*"], &["config:*"]);
        assert!(names.may_write(b"session:1") && names.may_read(b"session:1"));
        assert!(names.may_read(b"config:1") && !names.may_write(b"config:1"));
        assert!(!names.may_read(b"other") && !names.may_read(b""));
        assert!(!names.are_all() && KeyNames::new(&["*"], &[]).are_all());
        assert!(!KeyNames::new(&[] as &[&str], &["*"]).are_all());
    }

    #[test]
    fn a_pattern_of_channels_is_compared_by_its_letters() {
        let names = ChannelNames::new(&["news:*"]);
        assert!(names.may_use(b"news:1", false) && names.may_use(b"news:*", true));
        assert!(!names.may_use(b"news:1", true) && !names.may_use(b"news:**", true) && !names.may_use(b"*", true));
        let all = ChannelNames::new(&["*"]);
        assert!(all.may_use(b"x", false) && all.may_use(b"x*", true));
        assert!(!ChannelNames::new(&[] as &[&str]).may_use(b"x", false));
    }
}
