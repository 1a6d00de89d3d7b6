//! `waxseal doctor`: try the upstream step by step, and say what fails and how to mend it.
//!
//! Inputs: the configuration; the network. Output: a line for each step with its outcome and time; for the
//! first that fails, its cause and the mend. Exit code 0, 69 (the upstream) or 78 (the configuration).
//! Must never: print a password, a key or a value; leave a key behind (it is deleted, and expires anyway).
//!
//! It has a connection of its own instead of the `redis` crate's, because it has to stop between name, TCP,
//! TLS and login, and because `server_name` may differ from the host.

mod connection;
mod roundtrip;
mod trouble;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use super::args::{CommonArgs, DoctorArgs};
use super::progress::{Step, WORDS, milliseconds};
use super::{exit, run, tell};
use crate::config::{Config, KeyringOrigin, ProcessEnv};
use crate::upstream::Endpoint;
use connection::{Connection, Reply};
use trouble::Trouble;

/// An odd number, so that the median is a measured time.
const PINGS: usize = 5;
/// How long one command may take: a database that needs longer is not one to wait for in a diagnosis.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) fn execute(args: DoctorArgs) -> ExitCode {
    tell(b"Waxseal doctor\n\n");
    let outcome = configuration(args.common).and_then(|(config, endpoint)| {
        keyring(&config);
        upstream(&config, &endpoint).map_err(|trouble| (trouble, exit::UNAVAILABLE))
    });
    match outcome {
        Ok(()) => {
            tell(b"\nAll is well.\n");
            ExitCode::SUCCESS
        }
        Err((trouble, code)) => {
            tell(format!("\n{trouble}\n").as_bytes());
            ExitCode::from(code)
        }
    }
}

/// Runs one step; what fails is printed as such, and ends the examination.
fn step<T>(name: &'static str, work: impl FnOnce() -> Result<(T, String), Trouble>) -> Result<T, Trouble> {
    // Dropped on an error, it prints that it failed.
    let step = Step::begin(WORDS, name);
    let (value, note) = work()?;
    step.done(&note);
    Ok(value)
}

fn configuration(common: CommonArgs) -> Result<(Config, Endpoint), (Trouble, u8)> {
    let loaded = step("configuration", || {
        let config = Config::load(&common.into(), &ProcessEnv).map_err(|faults| Trouble::new(faults, None))?;
        let endpoint = run::endpoint(&config).map_err(|fault| Trouble::new(fault, None))?;
        let file = config.file.as_ref().map_or("no file".to_owned(), |path| path.display().to_string());
        let rules = config.encrypt.len();
        let note = format!("{file}; {rules} {}", if rules == 1 { "rule" } else { "rules" });
        Ok(((config, endpoint), note))
    });
    let (config, endpoint) = loaded.map_err(|trouble| (trouble, exit::CONFIG))?;
    for warning in &config.warnings {
        tell(format!("         ! {warning}\n").as_bytes());
    }
    Ok((config, endpoint))
}

/// A faulty one was a fault of the configuration.
fn keyring(config: &Config) {
    let step = Step::begin(WORDS, "keyring");
    match &config.keyring {
        Some(loaded) => {
            let origin = match &loaded.origin {
                KeyringOrigin::File(path) => path.display().to_string(),
                KeyringOrigin::Environment(name) => format!("environment {name}"),
            };
            step.done(&format!("{origin}; new values under key {}", loaded.keyring.active()));
        }
        None => step.skipped("there is none, and no rule: nothing will be encrypted"),
    }
}

fn upstream(config: &Config, endpoint: &Endpoint) -> Result<(), Trouble> {
    let limit = endpoint.connect_timeout;
    let addresses = step("resolve the name", || {
        let found = connection::resolve(&endpoint.host, endpoint.port, limit)
            .map_err(|error| trouble::unresolved(&endpoint.host, &error))?;
        let given: Result<IpAddr, _> = endpoint.host.parse();
        let note = match given {
            Ok(_) => "an IP address".to_owned(),
            Err(_) => format!("{} is {}", endpoint.host, list(&found)),
        };
        Ok((found, note))
    })?;
    let tcp = step("connect", || {
        let (stream, address) = connection::connect(&addresses, limit)
            .map_err(|error| trouble::unconnected(&endpoint.address(), limit, &error))?;
        Ok((stream, address.to_string()))
    })?;
    let mut connection = match &endpoint.tls {
        None => {
            Step::begin(WORDS, "TLS").skipped("off: redis:// on this machine");
            Connection::plain(tcp)
        }
        Some((tls, name)) => step("TLS", || {
            let (connection, version) = Connection::tls(tcp, tls.clone(), name.clone(), limit)
                .map_err(|error| trouble::untrusted(config, &endpoint.address(), &error))?;
            Ok((connection, format!("{version}, certificate trusted for {}", show(name))))
        })?,
    };
    connection.patience(ANSWER).map_err(|error| trouble::cut(&endpoint.address(), &error))?;
    let resp3 = step("log in", || log_in(&mut connection, endpoint))?;
    step("round trip", || {
        let median = ping(&mut connection, endpoint)?;
        Ok(((), format!("{} (median of {PINGS} PINGs)", milliseconds(median))))
    })?;
    server(&mut connection, endpoint)?;
    features(&mut connection, endpoint, resp3)?;
    roundtrip::sealed(&mut connection, endpoint, config)
}

fn list(addresses: &[SocketAddr]) -> String {
    let mut ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    ips.dedup();
    ips.join(", ")
}

fn show(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

fn call(connection: &mut Connection, endpoint: &Endpoint, args: &[&[u8]]) -> Result<Reply, Trouble> {
    connection.call(args).map_err(|error| trouble::cut(&endpoint.address(), &error))
}

/// Logs in as the sidecar does, and says whether RESP3 is there.
fn log_in(connection: &mut Connection, endpoint: &Endpoint) -> Result<(bool, String), Trouble> {
    let mut refused = None;
    for version in ["3", "2"] {
        let mut hello: Vec<&[u8]> = vec![b"HELLO", version.as_bytes()];
        if let Some(login) = &endpoint.login {
            hello.extend([b"AUTH".as_slice(), login.user.as_bytes(), login.password.as_bytes()]);
        }
        let reply = call(connection, endpoint, &hello)?;
        match reply.error() {
            None => {
                let user = endpoint.login.as_ref().map_or("without a password", |login| login.user.as_str());
                let user = if endpoint.login.is_some() { format!("as user {user}") } else { user.to_owned() };
                return Ok((version == "3", format!("{user}, RESP{version}")));
            }
            Some(error) if error.starts_with("NOPROTO") => refused = Some(error),
            Some(error) => return Err(trouble::refused_login(endpoint, &error)),
        }
    }
    Err(trouble::refused_login(endpoint, &refused.unwrap_or_default()))
}

fn ping(connection: &mut Connection, endpoint: &Endpoint) -> Result<Duration, Trouble> {
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let start = Instant::now();
        let reply = call(connection, endpoint, &[b"PING"])?;
        if reply.text() != Some(b"PONG") {
            return Err(trouble::unexpected("PING", endpoint, &reply));
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[PINGS / 2])
}

/// What kind of server it is. A user who may not ask INFO is no fault.
fn server(connection: &mut Connection, endpoint: &Endpoint) -> Result<(), Trouble> {
    let step = Step::begin(WORDS, "server");
    let reply = call(connection, endpoint, &[b"INFO", b"server"])?;
    match reply.text() {
        Some(info) => step.done(&product(&String::from_utf8_lossy(info))),
        None => step.skipped("it does not let this user ask INFO"),
    }
    Ok(())
}

/// The product by the field of INFO that only it has.
fn product(info: &str) -> String {
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        // A version is a few digits and letters; what is not is not shown.
        let shown: String = value.trim().chars().filter(|c| c.is_ascii_alphanumeric() || ".-_+".contains(*c)).collect();
        (!shown.is_empty() && shown.len() <= 40).then_some(shown)
    };
    let redis = field("redis_version");
    if let Some(version) = field("upstash_version") {
        let speaks = redis.map_or(String::new(), |redis| format!(", as Redis {redis}"));
        return format!("Upstash {version}{speaks}");
    }
    if let Some(version) = field("valkey_version") {
        return format!("Valkey {version}");
    }
    redis.map_or("it does not say which".to_owned(), |version| format!("Redis {version}"))
}

/// What the sidecar makes use of. Lacking it is said, and is no fault.
fn features(connection: &mut Connection, endpoint: &Endpoint, resp3: bool) -> Result<(), Trouble> {
    let step = Step::begin(WORDS, "features");
    let mut multi = true;
    for command in [b"MULTI".as_slice(), b"PING", b"EXEC"] {
        multi &= call(connection, endpoint, &[command])?.error().is_none();
    }
    let said = |there: bool| if there { "yes" } else { "NO" };
    step.done(&format!("MULTI {}, RESP3 {}", said(multi), said(resp3)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_told_apart() {
        let redis = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(product(redis), "Redis 7.0.15");
        let valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.0\r\n";
        assert_eq!(product(valkey), "Valkey 9.1.0");
        let upstash = "# Server\r\nupstash_version:1.2.3\r\nredis_version:8.2.0\r\n";
        assert_eq!(product(upstash), "Upstash 1.2.3, as Redis 8.2.0");
        assert_eq!(product("nothing:1"), "it does not say which");
    }
}
