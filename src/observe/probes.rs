//! `/livez` and `/readyz`: is the process in order, and can it serve?
//!
//! Must never: call a process dead because the database is; a restart would not help.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::meter::{LaneKind, Meters};

/// A worker says once a second that it runs; one that has been silent for this long hangs.
const SILENT: Duration = Duration::from_secs(10);
/// A shared lane is dialled until there is one, so that a failure counts until then. A lane for each client
/// (`lanes = "dedicated"`) is not dialled without clients, whom readiness brings; there a failure counts for this long.
const FAILURE_COUNTS: Duration = Duration::from_secs(10);

pub type Verdict = Result<(), &'static str>;

/// What the probes have to remember between two questions.
#[derive(Debug, Default)]
pub struct Probes {
    dials: Mutex<Dials>,
    /// With a lane for each client there may be none.
    dedicated: bool,
}

#[derive(Debug, Default)]
struct Dials {
    failed: u64,
    failed_at: Option<Instant>,
}

impl Probes {
    pub fn new(dedicated: bool) -> Self {
        Self { dedicated, ..Self::default() }
    }

    pub fn live(&self, meters: &Meters, draining: bool, now: Instant) -> Verdict {
        // Workers that have served their last client are silent for good.
        if !draining && meters.silence(now) >= SILENT {
            return Err("a worker has hung for 10 seconds or more");
        }
        Ok(())
    }

    pub fn ready(&self, meters: &Meters, draining: bool, now: Instant) -> Verdict {
        if draining {
            return Err("stopping: no new connections are taken");
        }
        self.live(meters, draining, now)?;
        let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = meters.sum(|meter| &meter.dial_failed);
        let more_failed = failed > dials.failed;
        dials.failed = failed;
        if LaneKind::ALL.iter().any(|kind| meters.lanes(*kind) > 0) {
            dials.failed_at = None;
            return Ok(());
        }
        if more_failed {
            dials.failed_at = Some(now);
        }
        let counts = |at| !self.dedicated || now.saturating_duration_since(at) < FAILURE_COUNTS;
        if dials.failed_at.is_some_and(counts) {
            return Err("the database cannot be reached, or refuses the login; the log says why");
        }
        if !self.dedicated && meters.sum(|meter| &meter.dialled) == 0 {
            return Err("not connected to the database yet");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Meter;
    use std::sync::Arc;

    struct Scene {
        meter: Arc<Meter>,
        meters: Meters,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let meter = Meter::new(Arc::default());
            Self { meters: Meters::new(vec![meter.clone()]), meter, start: Instant::now() }
        }

        fn after(&self, seconds: u64) -> Instant {
            let now = self.start + Duration::from_secs(seconds);
            self.meter.heart.beat(now);
            now
        }

        fn ready(&self, probes: &Probes, seconds: u64) -> bool {
            probes.ready(&self.meters, false, self.after(seconds)).is_ok()
        }
    }

    #[test]
    fn a_silent_worker_is_not_alive_unless_it_is_stopping() {
        let scene = Scene::new();
        let probes = Probes::default();
        let later = |seconds| scene.start + Duration::from_secs(seconds);
        scene.after(5);
        assert!(probes.live(&scene.meters, false, later(14)).is_ok());
        assert!(probes.live(&scene.meters, false, later(16)).is_err());
        assert!(probes.ready(&scene.meters, false, later(16)).is_err());
        assert!(probes.live(&scene.meters, true, later(16)).is_ok());
    }

    #[test]
    fn ready_is_what_is_or_was_connected_and_has_not_failed_since() {
        let scene = Scene::new();
        let probes = Probes::new(false);
        assert!(!scene.ready(&probes, 0), "nothing was dialled yet");
        scene.meter.dialled.add(1);
        scene.meter.lane(LaneKind::Shared).up();
        assert!(scene.ready(&probes, 1));
        // Closed by the database while nobody used it.
        scene.meter.lane(LaneKind::Shared).down();
        assert!(scene.ready(&probes, 2));
        scene.meter.dial_failed.add(1);
        assert!(!scene.ready(&probes, 3));
        assert!(!scene.ready(&probes, 300), "an attempt may take its time");
        scene.meter.lane(LaneKind::Pinned).up();
        assert!(scene.ready(&probes, 301));
        assert!(probes.ready(&scene.meters, true, scene.after(302)).is_err(), "draining");
    }

    #[test]
    fn without_clients_dedicated_lanes_are_ready_until_one_fails_and_again_later() {
        let scene = Scene::new();
        let probes = Probes::new(true);
        assert!(scene.ready(&probes, 0));
        scene.meter.dial_failed.add(1);
        assert!(!scene.ready(&probes, 1));
        assert!(!scene.ready(&probes, 10));
        assert!(scene.ready(&probes, 11), "a client has to come before anything is dialled");
    }
}
