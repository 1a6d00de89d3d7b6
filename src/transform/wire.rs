//! The bytes that wait to be written to one upstream connection.
//!
//! Only this room can append what a client sent, and it does so by sealing an
//! [`Admitted`](crate::policy::Admitted) request: a lane cannot be given anything else.

use bytes::{Buf, BytesMut};

use crate::resp::{Proto, encode};

/// An empty wire gives a buffer larger than this back at once, others when its lane rests ([`Wire::rest`]).
const KEEP_CAPACITY: usize = 2 * 1024 * 1024;

#[derive(Default)]
pub struct Wire(BytesMut);

/// Commands that the sidecar sends on its own account. Each is documented by Upstash, but for
/// TRACKING, which a client asked for, and UNBLOCK, whose refusal is expected.
#[derive(Clone, Copy)]
pub enum Control<'a> {
    Hello {
        proto: Proto,
        auth: Option<(&'a str, &'a str)>,
    },
    Select(u32),
    Ping,
    Unwatch,
    /// CLIENT TRACKING, with the server's number of the connection that is to get what is told.
    Tracking {
        on: bool,
        redirect: Option<u64>,
        options: &'a [&'a [u8]],
    },
    /// CLIENT UNBLOCK of a connection of ours.
    Unblock {
        connection: u64,
        error: bool,
    },
}

impl Wire {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first `n` bytes were written.
    pub fn advance(&mut self, n: usize) {
        self.0.advance(n);
        if self.0.is_empty() {
            // `capacity` would tell only what is left behind the bytes that were written.
            if self.0.try_reclaim(KEEP_CAPACITY + 1) {
                self.0 = BytesMut::new();
            } else {
                self.0.clear();
            }
        }
    }

    /// Nothing has been written for a while: one large value must not be paid for forever.
    pub fn rest(&mut self) {
        if self.0.is_empty() {
            self.0 = BytesMut::new();
        }
    }

    /// Moves everything out of `other`, behind what is here.
    pub fn append(&mut self, other: &mut Wire) {
        if self.is_empty() {
            std::mem::swap(&mut self.0, &mut other.0);
        } else {
            self.0.extend_from_slice(&other.0);
        }
        other.0 = BytesMut::new();
    }

    pub fn control(&mut self, command: Control<'_>) {
        match command {
            Control::Hello { proto, auth } => {
                let version: &[u8] = match proto {
                    Proto::Resp2 => b"2",
                    Proto::Resp3 => b"3",
                };
                match auth {
                    Some((user, password)) => encode::command(
                        &mut self.0,
                        &[b"HELLO", version, b"AUTH", user.as_bytes(), password.as_bytes()],
                    ),
                    None => encode::command(&mut self.0, &[b"HELLO", version]),
                }
            }
            Control::Select(db) => {
                encode::command(&mut self.0, &[b"SELECT", db.to_string().as_bytes()]);
            }
            Control::Ping => encode::command(&mut self.0, &[b"PING"]),
            Control::Unwatch => encode::command(&mut self.0, &[b"UNWATCH"]),
            Control::Tracking { on, redirect, options } => {
                let redirect = redirect.map(|connection| connection.to_string());
                let mut words: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", if on { b"ON" } else { b"OFF" }];
                if let Some(connection) = &redirect {
                    words.extend([b"REDIRECT", connection.as_bytes()]);
                }
                words.extend(options);
                encode::command(&mut self.0, &words);
            }
            Control::Unblock { connection, error } => {
                let how: &[u8] = if error { b"ERROR" } else { b"TIMEOUT" };
                encode::command(&mut self.0, &[b"CLIENT", b"UNBLOCK", connection.to_string().as_bytes(), how]);
            }
        }
    }

    /// For sealing only.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.0
    }
}
