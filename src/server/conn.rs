//! One client connection: the poll loop that moves its bytes.
//!
//! A connection without traffic holds no buffer: what is read goes through the worker's own buffer,
//! and only a request that is not complete yet, or has to wait, is kept.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::desk::{Desk, Flow};
use super::sink::End;
use crate::resp::{RequestLimits, RequestScanner, encode};

/// A client that does not take its replies gets no further ones computed.
const OUTPUT_PAUSE: usize = 1024 * 1024;
/// Input kept of a client that has to wait; it also shows when such a client leaves.
const READ_AHEAD: usize = 64 * 1024;
/// An empty input buffer larger than this is given back.
const KEEP_CAPACITY: usize = 16 * 1024;
/// Room for reading on, and the most that is reserved on the word of a request's header.
const READ_RESERVE: usize = 16 * 1024;
const MAX_RESERVE: usize = 1024 * 1024;
/// One request, or a pipeline that has to wait, may not be larger: Redis's client-query-buffer-limit.
const MAX_INPUT: usize = 1024 * 1024 * 1024;
/// Rounds of reading before other connections of the worker get their turn.
const ROUNDS: usize = 16;

/// A client's socket.
pub(super) enum ClientIo {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl ClientIo {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Self::Unix(s) => Pin::new(s).poll_read(cx, buf),
            Self::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }

    fn poll_read_into(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(s) => pin!(s.read_buf(buf)).poll(cx),
            Self::Unix(s) => pin!(s.read_buf(buf)).poll(cx),
            Self::Tls(s) => pin!(s.read_buf(buf)).poll(cx),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Self::Unix(s) => Pin::new(s).poll_write(cx, bytes),
            Self::Tls(s) => Pin::new(s).poll_write(cx, bytes),
        }
    }

    /// Tells a client of TLS that the end is no accident, if that can be sent at once.
    async fn close(&mut self) {
        let Self::Tls(stream) = self else { return };
        std::future::poll_fn(|cx| {
            let _ = Pin::new(&mut *stream).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Sends what TLS has taken and the socket has not. `Pending`: it comes back when the socket takes more.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }
}

pub(super) struct Conn {
    io: ClientIo,
    desk: Desk,
    scanner: RequestScanner,
    /// What was read and not used up.
    input: BytesMut,
    /// The client has closed its side; replies that are due are still given.
    eof: bool,
    stalled: bool,
    /// TLS has bytes that the socket did not take.
    unflushed: bool,
}

impl Conn {
    pub fn new(io: ClientIo, desk: Desk) -> Self {
        Self {
            io,
            desk,
            scanner: RequestScanner::new(),
            input: BytesMut::new(),
            eof: false,
            stalled: false,
            unflushed: false,
        }
    }

    /// Runs the connection to its end.
    pub async fn run(mut self) -> End {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.desk.sink.end(end);
        self.io.close().await;
        let unanswered = {
            let inner = self.desk.sink.inner();
            inner.queue.waiting() > 0 || inner.session.holds_lane()
        };
        if unanswered {
            // The lane knows things that concern this client only; a shared one drops its replies.
            self.desk.abandon();
        } else {
            self.desk.detach();
        }
        end
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.desk.sink.register(cx.waker());
        for _ in 0..ROUNDS {
            if let Some(orders) = self.desk.sink.info.take_orders()
                && let Some(end) = self.desk.obey(&orders)
            {
                return Poll::Ready(end);
            }
            if self.write(cx).is_err() {
                return Poll::Ready(End::Client);
            }
            // What was written makes nothing possible that does not come below, so it alone asks for no further round.
            let mut progress = self.desk.advance_emulation();
            progress |= self.backlog();
            match self.read(cx) {
                Ok(more) => progress |= more,
                Err(end) => return Poll::Ready(end),
            }
            // Only now is it certain that no more input is there already.
            progress = progress || (!self.stalled && self.desk.tell());
            if let Some(end) = self.is_over() {
                return Poll::Ready(end);
            }
            if !progress {
                self.desk.release_if_idle();
                return Poll::Pending;
            }
        }
        // Others' turn; this one comes back at once.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut inner = self.desk.sink.inner();
        if inner.end.is_some_and(|e| !e.flushes()) {
            return Ok(());
        }
        let mut progress = false;
        while !inner.queue.out().is_empty() {
            match self.io.poll_write(cx, inner.queue.out()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => {
                    self.desk.worker.meter.bytes_to_clients.add(n as u64);
                    if let Some(large) = inner.queue.advance(n) {
                        self.desk.worker.put_aside(large);
                    }
                    progress = true;
                }
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => break,
            }
        }
        if progress || self.unflushed {
            self.unflushed = match self.io.poll_flush(cx) {
                Poll::Ready(done) => done.map(|()| false)?,
                Poll::Pending => true,
            };
        }
        if progress || inner.queue.out().is_empty() {
            inner.drained = Instant::now();
        }
        let drained = inner.drained;
        drop(inner);
        if progress {
            self.desk.sink.info.touch(drained);
            self.desk.sink.account();
        }
        Ok(())
    }

    fn is_over(&mut self) -> Option<End> {
        let mut inner = self.desk.sink.inner();
        let flushed = inner.queue.out().is_empty() && !self.unflushed;
        let settled = flushed && inner.queue.unsettled() == 0;
        if inner.session.ended && settled {
            inner.end_with(End::Said);
        }
        if self.eof && settled && !self.stalled {
            inner.end_with(End::Client);
        }
        if self.desk.worker.draining() && settled && !inner.session.in_multi() {
            inner.end_with(End::Drain);
        }
        inner.end.filter(|end| flushed || !end.flushes())
    }

    /// Must requests wait?
    fn is_held(&self) -> bool {
        let inner = self.desk.sink.inner();
        inner.end.is_some()
            || inner.session.ended
            || inner.queue.unsettled() >= self.desk.worker.shared.bounds.client_window
            || inner.queue.buffered() + inner.queue.held() >= OUTPUT_PAUSE
            || (self.desk.worker.draining() && !inner.session.in_multi())
    }

    /// Works on what was kept; `true` if some of it was used up.
    fn backlog(&mut self) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let mut input = std::mem::take(&mut self.input);
        let used = self.consume(&input);
        input.advance(used);
        if input.is_empty() && input.try_reclaim(KEEP_CAPACITY + 1) {
            self.desk.worker.put_aside(std::mem::take(&mut input));
        }
        self.input = input;
        self.note_input();
        used > 0
    }

    /// Takes as many whole requests as may go on; says how many bytes they were.
    fn consume(&mut self, data: &[u8]) -> usize {
        let mut used = 0;
        let mut partial = false;
        self.stalled = false;
        while used < data.len() {
            if self.is_held() || self.desk.is_held_up() {
                self.stalled = true;
                break;
            }
            let rest = &data[used..];
            let limits = self.limits();
            match self.scanner.scan(rest, &limits) {
                Ok(None) => {
                    partial = true;
                    break;
                }
                Ok(Some(len)) => {
                    if self.desk.dispatch(&self.scanner.request(rest)) == Flow::Stall {
                        self.stalled = true;
                        break;
                    }
                    self.scanner.reset();
                    used += len;
                }
                Err(error) => {
                    self.protocol_error(error.reply());
                    used = data.len();
                }
            }
        }
        self.desk.sink.inner().patience.note(partial, used > 0);
        if used > 0 {
            self.desk.finish_batch();
        }
        used
    }

    fn limits(&self) -> RequestLimits {
        if self.desk.sink.inner().session.authenticated {
            RequestLimits::authenticated(self.desk.worker.shared.bounds.max_bulk)
        } else {
            RequestLimits::unauthenticated()
        }
    }

    /// Answered in its place, then the connection ends, as in Redis. HTTP is not answered at all.
    fn protocol_error(&mut self, reply: Option<Vec<u8>>) {
        self.desk.tell();
        let mut inner = self.desk.sink.inner();
        match reply {
            Some(text) => {
                inner.queue.local(None, |out| encode::error(out, text));
                inner.session.ended = true;
            }
            None => {
                tracing::warn!(
                    target: "waxseal::server",
                    "a client spoke HTTP and was cut. If a browser did this, somebody may try to reach the database through it"
                );
                inner.end_with(End::Client);
            }
        }
    }

    /// Reads once; `true` if something came.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.eof || (self.stalled && self.input.len() >= READ_AHEAD) {
            return Ok(false);
        }
        {
            let inner = self.desk.sink.inner();
            if inner.session.ended || inner.end.is_some() {
                return Ok(false);
            }
        }
        let read = if self.input.is_empty() { self.read_through(cx) } else { self.read_on(cx) };
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(_)) => Err(End::Client),
            Poll::Ready(Ok(0)) => self.end_of_input(),
            Poll::Ready(Ok(n)) => {
                self.desk.worker.meter.bytes_from_clients.add(n as u64);
                if self.input.len() > MAX_INPUT {
                    return Err(End::Budget);
                }
                self.note_input();
                Ok(true)
            }
        }
    }

    /// What is kept of the client's input counts against the process's budget.
    fn note_input(&mut self) {
        let mut inner = self.desk.sink.inner();
        let changed = inner.input != self.input.len();
        inner.input = self.input.len();
        drop(inner);
        if changed {
            self.desk.sink.account();
        }
    }

    /// Through the worker's buffer: nothing is kept of a complete request.
    fn read_through(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let worker = self.desk.worker.clone();
        let mut scratch = worker.scratch();
        let mut buf = ReadBuf::new(&mut scratch[..]);
        match self.io.poll_read(cx, &mut buf) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
            Poll::Ready(Ok(())) => {}
        }
        let data = buf.filled();
        let used = self.consume(data);
        let kept = &data[used..];
        if kept.len() > KEEP_CAPACITY
            && let Some(large) = worker.large_buffer()
        {
            self.input = large;
        }
        self.input.reserve(kept.len().max(self.scanner.wanted().min(MAX_RESERVE)));
        self.input.extend_from_slice(kept);
        Poll::Ready(Ok(data.len()))
    }

    /// Behind what is kept.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let wanted = self.scanner.wanted().saturating_sub(self.input.len());
        self.input.reserve(wanted.clamp(READ_RESERVE, MAX_RESERVE));
        self.io.poll_read_into(cx, &mut self.input)
    }

    /// The client closed, or its sending side at least. A blocked command must not take an element
    /// for somebody who may have left; other replies are still given.
    fn end_of_input(&mut self) -> Result<bool, End> {
        self.eof = true;
        self.desk.leaving = true;
        let inner = self.desk.sink.inner();
        if inner.blocked.is_some() {
            return Err(End::Client);
        }
        Ok(true)
    }
}
