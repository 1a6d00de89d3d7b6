//! Those around the players: subscribers, publishers, clients that wait, clients that send garbage.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::random::Random;
use super::wire::{Fault, Wire, short};
use crate::support::raw::encode;
use crate::support::{Frame, MARKER, contains};

const CHANNELS: usize = 4;
const QUIET: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_millis(30);

fn channel(number: usize) -> Vec<u8> {
    format!("session:news:{number}").into_bytes()
}

/// Sends numbered messages.
pub async fn publish(number: usize, port: u16, seed: u64, end: Instant, calm: bool) -> Result<usize, String> {
    let mut random = Random::new(seed, 10_000 + number as u64);
    let mut wire = Wire::connect(port).await;
    let mut sent = [0_usize; CHANNELS];
    while Instant::now() < end {
        let to = random.below(CHANNELS);
        let text = format!("{MARKER} publisher {number} channel {to} number {}", sent[to] + 1);
        wire.send(&encode(&[b"PUBLISH", &channel(to), text.as_bytes()])).await;
        match wire.read().await.map(|reply| reply.frame) {
            Ok(Frame::Integer(_)) => sent[to] += 1,
            Ok(reply) if !calm && reply.is_error("LOADING") => tokio::time::sleep(RETRY).await,
            Err(Fault::Closed) if !calm => {
                sent[to] += 1; // perhaps
                wire = Wire::connect(port).await;
            }
            Ok(reply) => return Err(format!("publisher {number}: {}", short(&reply))),
            Err(fault) => return Err(format!("publisher {number}: {fault:?}")),
        }
        tokio::time::sleep(Duration::from_millis(random.below(10) as u64)).await;
    }
    Ok(sent.iter().sum())
}

/// Each message must be of a channel it asked for, and be the next one of its publisher (later ones where upstream
/// connections are cut).
pub async fn listen(number: usize, port: u16, seed: u64, end: Instant, calm: bool) -> Result<usize, String> {
    let mut random = Random::new(seed, 20_000 + number as u64);
    let mut heard = 0;
    while Instant::now() < end {
        match listen_once(&mut random, port, end, calm, &mut heard).await {
            Ok(()) => {}
            Err(Fault::Closed) if !calm => tokio::time::sleep(RETRY).await,
            Err(fault) => return Err(format!("subscriber {number}: {fault:?}")),
        }
    }
    Ok(heard)
}

async fn listen_once(random: &mut Random, port: u16, end: Instant, calm: bool, heard: &mut usize) -> Result<(), Fault> {
    let wrong = |what: String| Err(Fault::Wrong(what));
    let mut wire = Wire::connect(port).await;
    let by_pattern = random.one_in(3);
    let mine = random.below(CHANNELS);
    let (command, name): (&str, Vec<u8>) =
        if by_pattern { ("PSUBSCRIBE", b"session:news:*".to_vec()) } else { ("SUBSCRIBE", channel(mine)) };
    wire.send(&encode(&[command.as_bytes(), &name])).await;
    let reply = wire.read().await?.frame;
    if !calm && reply.is_error("LOADING") {
        return Err(Fault::Closed);
    }
    let confirmation = [Frame::bulk(command.to_lowercase()), Frame::bulk(&name), Frame::Integer(1)];
    if reply != Frame::Array(confirmation.to_vec()) {
        return wrong(format!("{command}: {}", short(&reply)));
    }
    let mut last: HashMap<(usize, usize), usize> = HashMap::new();
    let mut pings = 0;
    // For a while, then anew; between messages it pings, so that it is never silent for long.
    let until = end.min(Instant::now() + Duration::from_millis(500 + random.below(3_000) as u64));
    while Instant::now() < until || pings > 0 {
        if pings == 0 {
            wire.send(b"PING\r\n").await;
            pings += 1;
        }
        let Frame::Array(items) = wire.read().await?.frame else { return wrong("not an array".into()) };
        if items == [Frame::bulk("pong"), Frame::bulk("")] {
            pings -= 1;
            tokio::time::sleep(Duration::from_millis(random.below(30) as u64)).await;
            continue;
        }
        let (from, text) = match items.as_slice() {
            [Frame::Bulk(kind), Frame::Bulk(from), Frame::Bulk(text)] if !by_pattern && kind == b"message" => {
                (from, text)
            }
            [Frame::Bulk(kind), _, Frame::Bulk(from), Frame::Bulk(text)] if by_pattern && kind == b"pmessage" => {
                (from, text)
            }
            other => return wrong(format!("not a message: {}", short(&Frame::Array(other.to_vec())))),
        };
        let text = String::from_utf8_lossy(text).into_owned();
        let Some((publisher, named, count)) = numbers(&text) else {
            return wrong(format!("a message of whom? {text}"));
        };
        if *from != channel(named) || (!by_pattern && named != mine) {
            return wrong(format!("a message of another channel: {text}"));
        }
        let before = last.insert((publisher, named), count);
        if before.is_some_and(|before| if calm { count != before + 1 } else { count <= before }) {
            return wrong(format!("after number {before:?} came: {text}"));
        }
        *heard += 1;
    }
    wire.leave(random.one_in(2));
    Ok(())
}

fn numbers(text: &str) -> Option<(usize, usize, usize)> {
    let words: Vec<&str> = text.split(' ').collect();
    Some((words.get(2)?.parse().ok()?, words.get(4)?.parse().ok()?, words.get(6)?.parse().ok()?))
}

/// Waits for what never comes.
pub async fn wait_in_vain(port: u16, end: Instant, calm: bool) -> Result<usize, String> {
    let mut closed = 0;
    'again: loop {
        let mut wire = Wire::connect(port).await;
        wire.send(b"BLPOP open:never 0\r\n").await;
        while Instant::now() < end {
            match wire.some(QUIET).await {
                None if !calm => {
                    closed += 1;
                    tokio::time::sleep(RETRY).await;
                    continue 'again;
                }
                None => return Err("an idle BLPOP was closed".into()),
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) if !calm && bytes.starts_with(b"-LOADING") => {
                    tokio::time::sleep(RETRY).await;
                    continue 'again;
                }
                Some(bytes) => {
                    return Err(format!("an idle BLPOP was answered: {}", String::from_utf8_lossy(&bytes)));
                }
            }
        }
        return Ok(closed);
    }
}

/// Sends what no client should. Whatever comes back must not be somebody's value.
pub async fn send_garbage(number: usize, port: u16, seed: u64, end: Instant) -> Result<usize, String> {
    /// In every value of the others.
    const VALUES: [&str; 4] = [MARKER, "secret number", "list number", "echo number"];
    const BEGINNINGS: [&[u8]; 12] = [
        b"",
        b"*3\r\n$3\r\nSET\r\n$9\r\ngarbage:1\r\n$4000000000\r\n",
        b"*2000000000\r\n",
        b"*-1\r\n$-1\r\n",
        b"$5\r\nhello\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET \"unbalanced\r\n",
        b"*1\r\n*1\r\n*1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"MULTI\r\nGET garbage:1\r\n*1\r\n",
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$9\r\ngarbage:2\r\nHELLO 4\r\n*x\r\n",
        b"BLPOP garbage:3 0\r\n*2\r\n$3\r\n",
    ];
    let mut random = Random::new(seed, 30_000 + number as u64);
    let mut sent = 0;
    while Instant::now() < end {
        let mut wire = Wire::connect(port).await;
        let mut bytes = BEGINNINGS[random.below(BEGINNINGS.len())].to_vec();
        if random.one_in(2) && !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = u8::try_from(random.below(256)).expect("below 256");
        }
        let tail = random.scaled(12);
        bytes.extend(random.bytes(tail));
        wire.send(&bytes).await;
        sent += 1;
        while let Some(answer) = wire.some(QUIET).await {
            if VALUES.iter().any(|text| contains(&answer, text.as_bytes())) {
                return Err(format!("garbage was answered with somebody's value: {bytes:?}"));
            }
            if answer.is_empty() {
                break;
            }
        }
        wire.leave(random.one_in(2));
    }
    Ok(sent)
}
