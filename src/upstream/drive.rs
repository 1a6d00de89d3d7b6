//! The task of one lane: connect, then move bytes both ways until the connection ends.
//!
//! One poll loop for both directions. What is waiting is written as soon as the socket takes it:
//! requests gather while the socket is busy or while other tasks run, never because of a timer.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::dial::Endpoint;
use super::handshake::{self, Greeting};
use super::lane::{LARGE, Lane, Opening};
use super::stream::Stream;
use super::unavailable::{Fault, Unavailable};
use crate::resp::ReplyScanner;
use crate::transform::Control;

/// An idle connection is asked for a sign of life this often; Upstash has been seen to cut idle ones
/// after 30 s, and PING is not billed.
const PING_EVERY: Duration = Duration::from_secs(15);
/// And given up if none comes within this, which must be longer than a tick.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// For saying goodbye on a connection that is given up.
const HANG_UP: Duration = Duration::from_millis(100);
/// How often to look at the two above.
const TICK: Duration = Duration::from_secs(5);
/// An unused bulk lane is closed after this, so that a large value now and then does not cost a connection for good.
const IDLE_BULK: Duration = Duration::from_secs(30);
/// An unused pinned lane is closed after this: a pool must shrink after a burst.
const IDLE_PINNED: Duration = Duration::from_secs(60);
/// First and further room for reading; a TLS record holds at most 16 KiB.
const READ_RESERVE: usize = 16 * 1024;
/// The most that is reserved on the word of a reply's header.
const MAX_RESERVE: usize = 1024 * 1024;
/// A reply that has to be opened is held whole, because nothing of a value may leave before its tag
/// is checked; this bounds it.
const MAX_REPLY: usize = 1024 * 1024 * 1024;
/// After so many bytes of replies the other tasks of the worker get their turn: to open these takes some tenths of a millisecond.
const TURN: usize = 256 * 1024;
/// An empty read buffer larger than this is given back at once, others when the lane rests.
const KEEP_CAPACITY: usize = 2 * 1024 * 1024;

/// Connects `lane`. The caller has bounded the time.
pub(super) async fn connect(lane: &Lane, endpoint: &Endpoint) -> Result<(Stream, Greeting), Unavailable> {
    let connecting = async {
        let mut stream = endpoint.dial().await?;
        let greeting = handshake::shake(&mut stream, endpoint, lane.key).await?;
        Ok((stream, greeting))
    };
    match tokio::time::timeout(endpoint.connect_timeout, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Unavailable::new(
            Fault::Network,
            format!("{} (no answer within {} ms)", endpoint.address(), endpoint.connect_timeout.as_millis()),
        )),
    }
}

/// Runs the connected lane to its end; gives the stream back and says why it ended.
pub(super) async fn run(lane: Rc<Lane>, stream: Stream, address: String) -> (Stream, Unavailable) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let now = Instant::now();
    let mut driver = Driver {
        lane,
        stream,
        address,
        incoming: BytesMut::new(),
        scanner: ReplyScanner::new(),
        streaming: false,
        opening: None,
        unflushed: false,
        handed_on: 0,
        heard: now,
        used: now,
        pinged: None,
        ticks,
    };
    let why = std::future::poll_fn(|cx| driver.poll(cx)).await;
    (driver.stream, why)
}

/// Best effort: the database learns at once that nobody waits for a blocked command any more.
pub(super) async fn hang_up(mut stream: Stream) {
    let _ = tokio::time::timeout(HANG_UP, stream.shutdown()).await;
}

struct Driver {
    lane: Rc<Lane>,
    stream: Stream,
    address: String,
    incoming: BytesMut,
    scanner: ReplyScanner,
    /// The front request's reply is being handed on in pieces.
    streaming: bool,
    /// It is being opened on another thread. Nothing is read meanwhile.
    opening: Option<Opening>,
    unflushed: bool,
    /// Bytes that were read since its turn began.
    handed_on: usize,
    heard: Instant,
    /// The same without answers to PINGs of ours.
    used: Instant,
    pinged: Option<Instant>,
    ticks: Interval,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Unavailable> {
        self.lane.register(cx.waker());
        self.handed_on = 0;
        loop {
            // First, so that a command of a client that has left is not written any more.
            if self.lane.must_end() {
                let what = format!("{} (connection closed here)", self.address);
                return Poll::Ready(Unavailable::new(Fault::Network, what));
            }
            match self.turn(cx) {
                Ok(true) if self.handed_on >= TURN => {
                    // Others' turn; this one comes back at once.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(why) => return Poll::Ready(why),
            }
        }
    }

    /// One round of writing and reading; `true` if another one may find something.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Unavailable> {
        self.write(cx)?;
        let read = match self.take(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(why)) => return Err(why),
            Poll::Pending => false,
        };
        let mut asked = false;
        while self.ticks.poll_tick(cx).is_ready() {
            asked |= self.keep_alive()?;
        }
        // What was written makes nothing possible here before an answer comes.
        Ok(read || asked)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Unavailable> {
        loop {
            let stream = Pin::new(&mut self.stream);
            let wrote = self.lane.write_with(|bytes| match stream.poll_write(cx, bytes) {
                // A failing call may have sent some of what it was offered: all of it counts as sent.
                Poll::Ready(Ok(0)) => (bytes.len(), Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => (n, Ok(true)),
                Poll::Ready(Err(e)) => (bytes.len(), Err(e)),
                Poll::Pending => (0, Ok(false)),
            });
            match wrote {
                Some(Ok(true)) => self.unflushed = true,
                Some(Ok(false)) | None => break,
                Some(Err(e)) => return Err(self.cut(&e)),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(e)) => return Err(self.cut(&e)),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// What comes next: the end of an opening, or bytes.
    fn take(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unavailable>> {
        let Some(opening) = &mut self.opening else { return self.read(cx) };
        let done = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        let Some(apart) = done else {
            let what = format!("{} (a reply could not be opened: the thread failed)", self.address);
            return Poll::Ready(Err(Unavailable::new(Fault::Protocol, what)));
        };
        self.lane.opened(apart)?;
        Poll::Ready(self.deliver())
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unavailable>> {
        // Of what is handed on in pieces only a piece is held.
        let wanted = if self.streaming { 0 } else { self.scanner.wanted().saturating_sub(self.incoming.len()) };
        self.incoming.reserve(wanted.clamp(READ_RESERVE, MAX_RESERVE));
        let read = {
            let reading = pin!(self.stream.read_buf(&mut self.incoming));
            ready!(reading.poll(cx))
        };
        match read {
            Ok(0) => {
                return Poll::Ready(Err(Unavailable::new(
                    Fault::Network,
                    format!("{} (closed the connection)", self.address),
                )));
            }
            Ok(n) => {
                self.handed_on += n;
                self.lane.meter.bytes_from_upstream.add(n as u64);
            }
            Err(e) => return Poll::Ready(Err(self.cut(&e))),
        }
        self.heard = Instant::now();
        if self.pinged.take().is_none() {
            self.used = self.heard;
        }
        Poll::Ready(self.deliver())
    }

    /// Hands on every whole frame, and pieces of a large one.
    fn deliver(&mut self) -> Result<(), Unavailable> {
        let mut taken = 0;
        loop {
            let rest = &self.incoming[taken..];
            let Some(first) = rest.first() else { break };
            match self.scanner.scan(rest) {
                Ok(Some(len)) => {
                    if self.streaming {
                        self.streaming = false;
                        self.lane.piece(&rest[..len], true)?;
                    } else if self.lane.takes_long(&rest[..len]) {
                        self.scanner.reset();
                        self.incoming.advance(taken);
                        let frame = self.incoming.split_to(len).freeze();
                        self.opening = Some(self.lane.open_apart(frame)?);
                        return Ok(());
                    } else {
                        self.lane.frame(&rest[..len])?;
                    }
                    self.scanner.reset();
                    taken += len;
                }
                Ok(None) => {
                    if self.streaming || (rest.len() >= LARGE && self.lane.can_stream(*first)) {
                        self.streaming = true;
                        let whole = self.scanner.scanned(rest.len());
                        self.lane.piece(&rest[..whole], false)?;
                        self.scanner.forget(whole);
                        taken += whole;
                    }
                    if rest.len() > MAX_REPLY {
                        return Err(Unavailable::new(
                            Fault::Protocol,
                            format!("{} (a reply is larger than 1 GiB)", self.address),
                        ));
                    }
                    break;
                }
                Err(e) => return Err(Unavailable::new(Fault::Protocol, format!("{} ({e})", self.address))),
            }
        }
        self.incoming.advance(taken);
        // Of lanes with one client there may be a thousand.
        let keep = if self.lane.is_shared() { KEEP_CAPACITY } else { LARGE };
        if self.incoming.is_empty() && self.incoming.try_reclaim(keep + 1) {
            self.incoming = BytesMut::new();
        }
        Ok(())
    }

    /// `true` if there is something to write, or to look at, now.
    fn keep_alive(&mut self) -> Result<bool, Unavailable> {
        let now = Instant::now();
        if now - self.heard >= TICK && self.incoming.is_empty() {
            self.lane.rest();
            self.incoming = BytesMut::new();
            self.stream.rest();
        }
        if let Some(asked) = self.pinged {
            if now - asked >= PING_TIMEOUT {
                return Err(Unavailable::new(Fault::Network, format!("{} (no sign of life)", self.address)));
            }
            return Ok(false);
        }
        if self.lane.unused_for().is_some_and(|unused| unused >= IDLE_PINNED) {
            self.lane.close(false);
            return Ok(true);
        }
        if self.lane.key.bulk != 0 && self.lane.is_shared() && self.lane.is_idle() && now - self.used >= IDLE_BULK {
            self.lane.retire();
            return Ok(true);
        }
        // Where we may not ask, the kernel's own time-out watches.
        if !self.lane.may_ping() || now - self.heard < PING_EVERY {
            return Ok(false);
        }
        self.lane.tell(Control::Ping);
        self.pinged = Some(now);
        Ok(true)
    }

    fn cut(&self, error: &std::io::Error) -> Unavailable {
        Unavailable::new(Fault::Network, format!("{} (connection lost: {error})", self.address))
    }
}
