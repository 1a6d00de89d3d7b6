//! One client's protocol state, without any I/O.
//!
//! Job: what a client is in the middle of (transaction, subscriptions, database, protocol), the
//! order of its replies, and the answers that the sidecar gives itself.
//! Inputs: requests, confirmations. Outputs: [`ReplyQueue`], [`Session`].
//! Must never: let a reply overtake another, or take a reply that is not due.

mod control;
mod filter;
mod info;
mod local;
mod queue;
mod registry;
mod session;
mod tracking;
mod transaction;

pub use control::unblock;
pub use info::{BlockedOn, ClientInfo, Orders, Unblock};
pub use local::{About, Answer, Credentials, Secrets, Verdict, WRONG_PASSWORD, answer, credentials, wrong_arity};
pub use queue::{OutOfOrder, ReplyQueue};
pub use registry::Registry;
pub use session::{MAX_SUBSCRIPTIONS, Replies, Session, Subscriptions};
pub use tracking::{Asked, Redirect, Tracked, Tracking, no_such_client};
pub use transaction::Block;
