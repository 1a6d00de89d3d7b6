//! What the sidecar knows about commands: THE TABLE, and how a request is read by it.
//!
//! Job: look a request up and tell its keys, values, reply, lane and verdict.
//! In: the arguments as the scanner found them. Out: [`Request`] and its [`Spec`].
//! Must never: guess. What is not in the table, or not understood, is said to be so; the policy and
//! transform rooms refuse it. Nothing here shows an argument.

mod category;
mod class;
mod docs;
mod grammar;
mod json_path;
mod keys;
mod reason;
mod request;
mod row_set;
mod shape;
mod sorting;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod treatment;

pub use category::Categories;
pub use class::CommandClass;
pub use docs::{on_rule, render as render_docs};
pub use grammar::{Effect, Form, Grammar, GrammarError, Word};
pub use json_path::{JsonPath, Nowhere, PathFault, SealedPaths, Spot};
pub use keys::{ChannelAt, ChannelPositions, KeyAt, KeyPositions, Unclear};
pub use reason::Reason;
pub(crate) use request::look_up;
pub use request::{Args, Request};
pub use row_set::{RowSet, Selector};
pub use shape::Shape;
pub use sorting::{NoOption, SortOption, sort_options};
pub use spec::{Access, Flags, Keys, Lane, Spec, check_arity};
pub use table::{Group, find, groups, table};
pub use treatment::{
    Around, Change, Combine, Combining, Computed, Conditional, Destination, Document, FieldNames, Lex, Method, Move,
    Reply, Scanned, Search, Source, Values, Verdict, Wanted, When, Words,
};
