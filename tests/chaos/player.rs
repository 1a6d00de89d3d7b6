//! One client of the crowd: plays rounds of random scenarios, and knows what is stored under its keys.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::aftermath::plausible;
use super::model::{Database, Maker, Op, State};
use super::names::Names;
use super::wire::{Fault, Reply, Transcript, Wire, short, wrong};
use crate::support::Frame;
use crate::support::raw::encode;

const PIPELINE: usize = 120;
/// More than the sidecar lets one client have in flight.
const DEEP_PIPELINE: usize = 2_500;
/// How long it may take until the database is reached again after a cut.
const RECOVERY: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(30);
const MESSAGES: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub rounds: usize,
    pub replies: usize,
    pub loading: usize,
    pub closed: usize,
}

pub struct Player {
    port: u16,
    /// Nobody cuts anything: no error and no close has an excuse.
    calm: bool,
    maker: Maker,
    state: State,
    wire: Option<Wire>,
    unanswered: VecDeque<Op>,
    transcript: Transcript,
    counts: Counts,
    /// This client left by itself in the middle.
    left: bool,
}

/// How a client takes its replies.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Quick,
    Slow,
}

impl Player {
    pub fn new(number: usize, port: u16, seed: u64, calm: bool) -> Self {
        let maker = Maker::new(number, seed);
        Self {
            port,
            calm,
            maker,
            state: State::default(),
            wire: None,
            unanswered: VecDeque::new(),
            transcript: Transcript::default(),
            counts: Counts::default(),
            left: false,
        }
    }

    /// Plays until `end`; Err with all that is known of a reply that should not have been.
    pub async fn play(mut self, end: Instant) -> Result<Counts, String> {
        loop {
            let outcome = match self.round().await {
                Err(Fault::Closed) if self.left || !self.calm => self.recover().await,
                other => other,
            };
            let what = match outcome {
                Ok(()) => "",
                Err(Fault::Closed) => "the connection was closed, although nothing was cut",
                Err(Fault::Wrong(what)) => &what.clone(),
            };
            if !what.is_empty() {
                let (client, last) = (self.maker.names.client, self.transcript.text());
                return Err(format!("client {client}: {what}\n  its last frames:\n{last}"));
            }
            self.counts.rounds += 1;
            if Instant::now() >= end {
                return Ok(self.counts);
            }
        }
    }

    async fn round(&mut self) -> Result<(), Fault> {
        if self.wire.is_none() {
            self.transcript.note('=', "connects");
            self.wire = Some(Wire::connect(self.port).await);
        }
        match self.maker.random.below(14) {
            0 => self.leave().await,
            1 | 2 => self.interactive_transaction().await,
            3 => self.messages_to_itself().await,
            4 => self.blocking().await,
            5 => {
                let ops = (0..DEEP_PIPELINE).map(|_| Op::Get(self.maker.random.below(3))).collect();
                self.pipeline(ops, Pace::Quick).await
            }
            6 | 7 => {
                let ops = self.random_ops();
                self.pipeline(ops, Pace::Slow).await
            }
            _ => {
                let ops = self.random_ops();
                self.pipeline(ops, Pace::Quick).await
            }
        }
    }

    fn random_ops(&mut self) -> Vec<Op> {
        (0..=self.maker.random.below(PIPELINE)).map(|_| self.maker.any()).collect()
    }

    async fn pipeline(&mut self, ops: Vec<Op>, pace: Pace) -> Result<(), Fault> {
        let names = self.maker.names;
        let bytes: Vec<u8> = ops.iter().flat_map(|op| op.bytes(names)).collect();
        self.transcript.note('>', format!("{} commands, {} bytes", ops.len(), bytes.len()));
        self.unanswered = ops.into();
        let Self { wire, state, unanswered, transcript, counts, maker, calm, .. } = self;
        let wire = wire.as_mut().expect("connected by the round");
        wire.exchange(&bytes, async |input, from| {
            if pace == Pace::Slow {
                tokio::time::sleep(Duration::from_millis(maker.random.below(80) as u64)).await;
            }
            while let Some(op) = unanswered.front() {
                if pace == Pace::Slow && maker.random.one_in(20) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let resp3 = if let Op::Hello(resp3) = op { *resp3 } else { state.resp3 };
                let mut frames = Vec::new();
                for _ in 0..op.replies() {
                    let reply: Reply = input.reply(from).await?;
                    counts.replies += 1;
                    counts.loading += usize::from(reply.frame.is_error("LOADING"));
                    transcript.note('<', format!("{}: {}", op.name(), short(&reply.frame)));
                    if !reply.fits(resp3) {
                        return wrong(format!("{}: a reply of the other protocol version", op.name()));
                    }
                    frames.push(reply.frame);
                }
                op.judge(frames, state, names, !*calm).map_err(Fault::Wrong)?;
                unanswered.pop_front();
            }
            Ok(())
        })
        .await
    }

    /// Pops from a list that is mostly empty, with commands behind it that have to wait.
    async fn blocking(&mut self) -> Result<(), Fault> {
        let mut ops = vec![Op::BlockingPop, Op::Ping, Op::Get(0), Op::Push(self.maker.value("list"))];
        ops.extend([Op::Range, Op::BlockingPop, Op::Increment, Op::BlockingPop]);
        self.pipeline(ops, Pace::Quick).await
    }

    /// Sends a part of what it wanted to, and is gone.
    async fn leave(&mut self) -> Result<(), Fault> {
        let mut ops = self.random_ops();
        if self.maker.random.one_in(3) {
            ops.push(Op::BlockingPop);
        }
        let bytes: Vec<u8> = ops.iter().flat_map(|op| op.bytes(self.maker.names)).collect();
        let part = self.maker.random.below(bytes.len() + 1);
        let mut wire = self.wire.take().expect("connected by the round");
        wire.send(&bytes[..part]).await;
        if self.maker.random.one_in(2) {
            tokio::time::sleep(Duration::from_millis(self.maker.random.below(20) as u64)).await;
        }
        let reset = self.maker.random.one_in(2);
        wire.leave(reset);
        self.transcript.note('=', format!("leaves (reset: {reset}) after {part} of {} bytes", bytes.len()));
        self.unanswered = ops.into();
        self.left = true;
        Err(Fault::Closed)
    }

    /// One command, one reply.
    async fn ask(&mut self, args: &[&[u8]]) -> Result<Frame, Fault> {
        let name = String::from_utf8_lossy(args[0]).into_owned();
        self.transcript.note('>', &name);
        let wire = self.wire.as_mut().expect("connected by the round");
        wire.send(&encode(args)).await;
        let reply = wire.read().await?;
        self.transcript.note('<', format!("{name}: {}", short(&reply.frame)));
        self.counts.replies += 1;
        self.counts.loading += usize::from(reply.frame.is_error("LOADING"));
        if reply.fits(self.state.resp3 || name == "HELLO") {
            Ok(reply.frame)
        } else {
            wrong(format!("{name}: a reply of the other protocol version"))
        }
    }

    /// The reply must be `wanted`; false if the command was not sent, where that has an excuse.
    fn is(&self, what: &str, reply: &Frame, wanted: &Frame) -> Result<bool, Fault> {
        if reply == wanted {
            return Ok(true);
        }
        if !self.calm && (reply.is_error("LOADING") || reply.is_error("EXECABORT")) {
            return Ok(false);
        }
        wrong(format!("{what}: got {}, wanted {}", short(reply), short(wanted)))
    }

    /// WATCH, MULTI and the rest, each after the reply to the one before; sometimes another connection changes the
    /// watched key.
    async fn interactive_transaction(&mut self) -> Result<(), Fault> {
        self.unanswered.clear();
        let names = self.maker.names;
        let (key, watched) = (0, self.maker.random.one_in(2));
        let mut disturbed = false;
        if watched {
            let reply = self.ask(&[b"WATCH", &names.string(key)]).await?;
            if !self.is("WATCH", &reply, &Frame::ok())? {
                return Ok(());
            }
            let wanted = Op::Get(key).apply(&mut self.state);
            let reply = self.ask(&[b"GET", &names.string(key)]).await?;
            self.is("GET while watching", &reply, &wanted)?;
            // The other connection begins at database 0.
            if self.state.selected == 0 && self.maker.random.one_in(2) {
                disturbed = self.disturb(key).await?;
            }
        }
        let reply = self.ask(&[b"MULTI"]).await?;
        if !self.is("MULTI", &reply, &Frame::ok())? {
            return Ok(());
        }
        let ops: Vec<Op> = (0..self.maker.random.below(4)).map(|_| self.maker.simple()).collect();
        for op in &ops {
            let wire = self.wire.as_mut().expect("connected by the round");
            wire.send(&op.bytes(names)).await;
            let reply = wire.read().await?.frame;
            self.transcript.note('<', format!("{} in MULTI: {}", op.name(), short(&reply)));
            self.is("a command in MULTI", &reply, &Frame::Simple("QUEUED".into()))?;
        }
        if !disturbed {
            self.unanswered = VecDeque::from([Op::Transaction { ops: ops.clone(), watch: None, refused: false }]);
        }
        let exec = self.ask(&[b"EXEC"]).await?;
        self.unanswered.clear();
        if disturbed {
            return self.is("EXEC after the watched key was changed", &exec, &Frame::Null).map(drop);
        }
        let op = Op::Transaction { ops, watch: None, refused: false };
        let queued = vec![Frame::Simple("QUEUED".into()); op.parts().len()];
        let replies = [vec![Frame::ok()], queued, vec![exec]].concat();
        op.judge(replies, &mut self.state, names, !self.calm).map_err(Fault::Wrong)
    }

    async fn disturb(&mut self, key: usize) -> Result<bool, Fault> {
        let mut other = Wire::connect(self.port).await;
        let op = Op::Set(key, self.maker.secret(key));
        other.send(&op.bytes(self.maker.names)).await;
        self.unanswered = VecDeque::from([op.clone()]);
        let reply = other.read().await?.frame;
        self.unanswered.clear();
        let done = self.is("SET by another connection", &reply, &Frame::ok())?;
        if done {
            op.apply(&mut self.state);
        }
        Ok(done)
    }

    /// RESP3: subscribed, and going on with other commands on the same connection.
    async fn messages_to_itself(&mut self) -> Result<(), Fault> {
        self.unanswered.clear();
        let names = self.maker.names;
        let channel = format!("session:channel:{}", names.client).into_bytes();
        self.ask(&[b"HELLO", b"3"]).await?;
        self.state.resp3 = true;
        let subscribed = Frame::Push(vec![Frame::bulk("subscribe"), Frame::bulk(&channel), Frame::Integer(1)]);
        let reply = self.ask(&[b"SUBSCRIBE", &channel]).await?;
        if !self.is("SUBSCRIBE", &reply, &subscribed)? {
            return Ok(());
        }
        let values: Vec<Vec<u8>> = (0..MESSAGES).map(|_| self.maker.secret(0)).collect();
        let mut bytes = Vec::new();
        for value in &values {
            bytes.extend(encode(&[b"PUBLISH", &channel, value]));
            bytes.extend(Op::Get(0).bytes(names));
        }
        let wanted = Op::Get(0).apply(&mut self.state);
        let Self { wire, transcript, .. } = self;
        let wire = wire.as_mut().expect("connected by the round");
        wire.exchange(&bytes, async |input, from| {
            let (mut heard, mut answered) = (0, 0);
            while heard < MESSAGES || answered < 2 * MESSAGES {
                let reply = input.reply(from).await?.frame;
                transcript.note('<', short(&reply));
                if let Frame::Push(items) = reply {
                    let message = [Frame::bulk("message"), Frame::bulk(&channel), Frame::bulk(&values[heard])];
                    if items != message {
                        return wrong("a message that was not sent, or not now");
                    }
                    heard += 1;
                } else {
                    let wanted = if answered % 2 == 0 { &Frame::Integer(1) } else { &wanted };
                    if reply != *wanted {
                        return wrong(format!("while subscribed: got {}, wanted {}", short(&reply), short(wanted)));
                    }
                    answered += 1;
                }
            }
            Ok(())
        })
        .await?;
        let left = Frame::Push(vec![Frame::bulk("unsubscribe"), Frame::bulk(&channel), Frame::Integer(0)]);
        let reply = self.ask(&[b"UNSUBSCRIBE", &channel]).await?;
        self.is("UNSUBSCRIBE", &reply, &left).map(drop)
    }

    /// Compares what is stored with what may be, then goes on under new keys: something of before may still be on
    /// its way to the database.
    async fn recover(&mut self) -> Result<(), Fault> {
        self.counts.closed += usize::from(!self.left);
        self.transcript.note('=', "looks at what is stored");
        let end = Instant::now() + RECOVERY;
        let found = loop {
            match self.snapshots().await {
                Ok(Some(found)) => break found,
                Err(Fault::Wrong(what)) => return Err(Fault::Wrong(what)),
                Err(Fault::Closed) if self.calm => return wrong("closed while it read its keys back"),
                Ok(None) | Err(Fault::Closed) if Instant::now() < end => tokio::time::sleep(RETRY).await,
                _ => return wrong(format!("its keys could not be read back within {RECOVERY:?}")),
            }
        };
        let unanswered: Vec<Op> = self.unanswered.drain(..).collect();
        plausible(&self.state, &unanswered, &found, self.calm)
            .map_err(|what| Fault::Wrong(format!("after a lost connection: {what}")))?;
        self.maker.names = Names { generation: self.maker.names.generation + 1, ..self.maker.names };
        self.state = State::default();
        self.wire = None;
        self.left = false;
        Ok(())
    }

    /// `None`: could not be read now.
    async fn snapshots(&mut self) -> Result<Option<Vec<Database>>, Fault> {
        let mut wire = Wire::connect(self.port).await;
        let names = self.maker.names;
        let mut found = Vec::new();
        for database in 0..self.state.databases.len() {
            let commands = names.snapshot(database);
            wire.send(&commands.concat()).await;
            let mut exec = Frame::Null;
            let mut failed = false;
            for _ in &commands {
                exec = wire.read().await?.frame;
                failed |= matches!(exec, Frame::Error(_));
            }
            if failed {
                self.transcript.note('<', format!("snapshot: {}", short(&exec)));
                return if self.calm { wrong("its keys could not be read back") } else { Ok(None) };
            }
            let Some(state) = Names::read_snapshot(exec) else {
                return wrong("EXEC of a snapshot gave something else than was asked for");
            };
            found.push(state);
        }
        for database in 0..self.state.databases.len() {
            let keys = names.all();
            let mut del: Vec<&[u8]> = vec![b"DEL"];
            del.extend(keys.iter().map(Vec::as_slice));
            wire.send(&[encode(&[b"SELECT", database.to_string().as_bytes()]), encode(&del)].concat()).await;
        }
        // The replies do not matter.
        for _ in 0..2 * self.state.databases.len() {
            if wire.read().await.is_err() {
                break;
            }
        }
        Ok(Some(found))
    }
}
