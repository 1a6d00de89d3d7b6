//! A TCP relay that adds a round trip: every byte is passed on half of it later, in both directions. Only for the
//! comparison in this folder. Arguments: where to listen, where to connect to, microseconds for each direction.
//!
//! With 0 microseconds a direction is one thread that reads and writes: what the kernel alone costs a proxy with a
//! connection of its own for each client. Else one thread reads and stamps, another waits and writes, so that a delay
//! costs no throughput.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a read takes at most.
const PIECE: usize = 256 * 1024;
/// Pieces under way in a direction: at 20 ms and small pieces more than any load here sends, and a bound on memory.
const PIECES: usize = 8192;
/// Small pieces are common; their thread needs little.
const STACK: usize = 128 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, upstream, delay] = &arguments[..] else {
        panic!("usage: delay LISTEN UPSTREAM MICROSECONDS");
    };
    let delay = Duration::from_micros(delay.parse().expect("microseconds"));
    let listener = TcpListener::bind(listen).expect("the port is free");
    for client in listener.incoming().flatten() {
        let Ok(server) = TcpStream::connect(upstream) else { continue };
        for end in [&client, &server] {
            end.set_nodelay(true).expect("a TCP socket");
        }
        let (Ok(client_out), Ok(server_out)) = (client.try_clone(), server.try_clone()) else { continue };
        spawn(move || pass(client, server_out, delay));
        spawn(move || pass(server, client_out, delay));
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
}

/// One direction, to its end, which is passed on as well.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut buffer = vec![0; PIECE];
    if delay.is_zero() {
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        return;
    }
    let (pieces, due) = sync_channel(PIECES);
    spawn(move || write_when_due(&due, &mut to));
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if pieces.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
            break;
        }
    }
}

fn write_when_due(due: &Receiver<(Instant, Vec<u8>)>, to: &mut TcpStream) {
    for (at, piece) in due {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
