//! Connections to the database.
//!
//! Job: dial over TLS, log in, keep lanes, match replies to requests in their order.
//! Inputs: sealed requests in a [`Wire`](crate::transform::Wire) with the plan of each reply.
//! Outputs: whole reply frames, each to the one client it belongs to; failures that tell the truth.
//! Must never: give a frame to a client that did not ask for it; say "not sent" of bytes that may
//! have been; send a command of its own that is not documented by the upstream.

mod dial;
mod drive;
mod handshake;
mod lane;
mod pool;
mod probe;
mod replies;
mod stream;
mod tls;
mod unavailable;

pub use dial::{Endpoint, Login};
pub use handshake::Product;
pub use lane::{Apart, Downstream, Failure, Frames, LARGE, Lane, LaneKey, Opening};
pub use pool::{Budgets, Class, Exhausted, Pinned, Pool};
pub use tls::{TlsFault, client_config};
pub use unavailable::{Fault, Unavailable};
