//! `waxseal demo`: a local Redis behind TLS, the sidecar in front of it, one key seen from both sides.
//!
//! Inputs: a loopback address, redis-server on the PATH. Output: what was done, what the application reads,
//! what the database holds, and what to try.
//! Must never: leave a process or a file behind, put the password on a command line, or print it.

mod place;
mod processes;
mod show;

use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::DemoArgs;
use super::progress::{Step, TICKS};
use super::{complain, exit, tell};
use place::Place;
use processes::{Database, Sidecar};

/// The rules of the demo. Other keys are left alone, so that both can be seen.
const PATTERNS: [&str; 2] = ["session:*", "user:*"];

/// What went wrong and what to do, for people.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn execute(args: DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format_args!("the runtime could not start: {error}")),
    };
    runtime.block_on(async {
        // From here on a signal ends the demo in order, at every stage of it.
        let mut stop = match Stop::new() {
            Ok(stop) => stop,
            Err(error) => return failed(&format_args!("signals cannot be watched: {error}")),
        };
        let outcome = tokio::select! {
            biased;
            () = stop.signal() => Ok(true),
            outcome = demo(&args) => outcome.map(|()| false),
        };
        match outcome {
            Ok(interrupted) => {
                let text = if interrupted { "\nEnded; everything is removed.\n" } else { "" };
                tell(text.as_bytes());
                ExitCode::SUCCESS
            }
            Err(failure) => failed(&failure),
        }
    })
}

fn failed(what: &impl fmt::Display) -> ExitCode {
    complain(what);
    ExitCode::from(exit::FAILED)
}

/// Dropped at any await, it ends both processes and removes their directory, in this order.
async fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let listen = listen_address(&args.listen)?;
    let server = processes::find_server()?;
    tell(b"A local Redis as stand-in for your database, and Waxseal in front of it:\n\n");

    let step = Step::begin(TICKS, "certificates, keys and a password");
    let place = Place::new()?;
    step.done("");

    let step = Step::begin(TICKS, "redis-server, with TLS only");
    let mut database = Database::start(&server, &place).await?;
    step.done(&format!("on port {}", database.port));

    let step = Step::begin(TICKS, "waxseal run");
    let mut sidecar = Sidecar::start(listen, database.port, &place).await?;
    step.done(&format!("on port {}, encrypting {}", listen.port(), PATTERNS.join(" and ")));

    let step = Step::begin(TICKS, "an application writes three keys");
    let seen = show::write_and_look(listen, database.port, &place)?;
    step.done("");

    tell(seen.table().as_bytes());
    if args.once {
        return Ok(());
    }
    tell(show::hints(listen, database.port, &place).as_bytes());
    tokio::select! {
        failure = database.ended(&place) => Err(failure),
        failure = sidecar.ended(&place) => Err(failure),
    }
}

/// Where the sidecar is to listen; port 0 means any free one.
fn listen_address(text: &str) -> Result<SocketAddr, Failure> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| Failure::new("--listen is not an address: write IP:PORT, such as --listen 127.0.0.1:6380"))?;
    if !address.ip().is_loopback() {
        return Err(Failure::new(
            "--listen is not a loopback address, and the demo has no password for its clients: write \
             --listen 127.0.0.1:PORT",
        ));
    }
    let listener = TcpListener::bind(address).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "is taken by another program".into(),
            ErrorKind::PermissionDenied => "needs more rights than this user has".into(),
            _ => format!("cannot be used ({error})"),
        };
        let other = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(address.port() - 1));
        Failure::new(format_args!("{address} {why}; choose another port, such as: waxseal demo --listen {other}"))
    })?;
    listener.local_addr().map_err(Failure::new)
}

/// The signals that end a program in a terminal, a container or a closed window.
struct Stop([Signal; 3]);

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn signal(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_are_refused_with_the_way_out() {
        let text = |given: &str| listen_address(given).unwrap_err().to_string();
        assert!(text("6380").contains("--listen 127.0.0.1:6380"));
        assert!(text("0.0.0.0:6380").contains("loopback"));
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let refused = text(&address);
        assert!(refused.contains("is taken") && refused.contains("--listen"), "{refused}");
        assert_ne!(listen_address("127.0.0.1:0").unwrap().port(), 0);
    }
}
