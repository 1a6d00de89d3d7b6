//! The log on standard error, and its levels, which can be changed while the process runs.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel, LogLevels};

/// Changes the levels.
#[derive(Debug)]
pub struct LogControl {
    handle: reload::Handle<Targets, Registry>,
    levels: Mutex<LogLevels>,
}

impl LogControl {
    /// Begins to write the log.
    pub fn start(log: &Log) -> Self {
        let (filter, handle) = reload::Layer::new(targets(&log.levels));
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
        let lines = match log.format {
            LogFormat::Json => lines.json().boxed(),
            LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        };
        // A second subscriber is refused; that happens in tests only.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        Self { handle, levels: Mutex::new(log.levels.clone()) }
    }

    pub fn levels(&self) -> LogLevels {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets all levels, and logs that.
    ///
    /// # Errors
    /// Nothing was changed, because there is no log any more.
    pub fn set(&self, levels: LogLevels) -> Result<(), &'static str> {
        let mut held = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let tell = || tracing::warn!(target: "waxseal::observe", from = %held, to = %levels, "log levels were changed");
        // Told at whichever levels let it pass: a log that falls silent says so as its last word.
        let shown = tracing::enabled!(target: "waxseal::observe", Level::WARN);
        if shown {
            tell();
        }
        self.handle.reload(targets(&levels)).map_err(|_| "the log was closed; its levels cannot be changed")?;
        if !shown {
            tell();
        }
        *held = levels;
        Ok(())
    }
}

fn targets(levels: &LogLevels) -> Targets {
    // Libraries stay quiet below warnings unless everything is asked for.
    let libraries = if levels.default == LogLevel::Trace { LevelFilter::TRACE } else { LevelFilter::WARN };
    let own = Targets::new().with_default(libraries).with_target("waxseal", filter(levels.default));
    levels.targets.iter().fold(own, |all, (target, level)| all.with_target(target.clone(), filter(*level)))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_waxseals_own_and_a_target_has_another() {
        let would =
            |text: &str, target: &str, level| targets(&LogLevels::parse(text).unwrap()).would_enable(target, &level);
        assert!(would("info", "waxseal::server", Level::INFO));
        assert!(!would("info", "waxseal::server", Level::DEBUG));
        assert!(!would("debug", "rustls::conn", Level::INFO));
        assert!(would("error", "rustls::conn", Level::WARN));
        assert!(would("trace", "rustls::conn", Level::TRACE));
        let some = "warn,waxseal::upstream=debug,rustls=info";
        assert!(would(some, "waxseal::upstream", Level::DEBUG));
        assert!(!would(some, "waxseal::server", Level::INFO));
        assert!(would(some, "rustls::conn", Level::INFO));
    }
}
