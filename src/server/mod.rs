//! Listeners, workers and connections: where the pieces meet the sockets.
//!
//! Job: accept, spread connections over workers, run each to its end, drain.
//! Inputs: sockets. Outputs: bytes to clients and lanes, in order.
//! Must never: send upstream what the transform room has not sealed; let one client hold another up.

mod arrivals;
mod attach;
mod block;
mod bulk;
mod charge;
mod conn;
mod course;
mod desk;
mod dispatch;
mod emulate;
mod listen;
mod local;
mod login;
mod multi;
mod orders;
mod patience;
mod peer;
mod pubsub;
mod rehearse;
mod serve;
mod sink;
mod stored;
mod tracking;
mod turns;
mod worker;

pub use listen::{Address, Bound, ListenFault, bind};
pub use login::Logins;
pub use peer::Crowd;
pub use serve::{Stopped, run};
pub use worker::{Bounds, Shared};
