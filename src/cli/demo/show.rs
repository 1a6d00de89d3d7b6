//! What the demo shows: the same keys from both sides, and what to try.
//!
//! The values are the demo's own, so that printing them is the point of it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use redis::{Client, Connection, RedisResult, TlsCertificates};

use super::{Failure, Place};
use crate::crypto::{OVERHEAD, parse_header};

const SESSION: &str = "session:42";
const SESSION_VALUE: &str = r#"{"user":"alice","cart":3}"#;
const USER: &str = "user:7";
const FIELD: &str = "email";
const FIELD_VALUE: &str = "alice@example.com";
const COUNTER: &str = "page:views";
/// The database's column; with the others a line fits into 100 columns.
const RAW_WIDTH: usize = 40;

/// How long either side may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// One place, from both sides.
struct Row {
    place: String,
    application: Vec<u8>,
    database: Vec<u8>,
}

pub(super) struct Seen {
    rows: Vec<Row>,
}

/// Writes through the sidecar as an application does, then reads on both sides.
pub(super) fn write_and_look(listen: SocketAddr, database: u16, place: &Place) -> Result<Seen, Failure> {
    let failed = |side: &str, error: &redis::RedisError| {
        Failure::new(format_args!("{side} does not answer as it should: {error}"))
    };
    let application = || -> RedisResult<_> {
        let mut sidecar = connect(&Client::open(format!("redis://{listen}"))?)?;
        write(&mut sidecar)?;
        read(&mut sidecar)
    };
    let raw = || -> RedisResult<_> {
        let root = std::fs::read(place.path("ca.pem"))?;
        let url = format!("rediss://default:{}@127.0.0.1:{database}", place.password());
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(root) };
        read(&mut connect(&Client::build_with_tls(url, certificates)?)?)
    };
    let application = application().map_err(|error| failed("the sidecar", &error))?;
    let database = raw().map_err(|error| failed("the database", &error))?;
    let places = [SESSION.to_owned(), format!("{USER} {FIELD}"), COUNTER.to_owned()];
    let both = application.into_iter().zip(database);
    let rows = places
        .into_iter()
        .zip(both)
        .map(|(place, (application, database))| Row { place, application, database })
        .collect();
    Ok(Seen { rows })
}

fn connect(client: &Client) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn write(sidecar: &mut Connection) -> RedisResult<()> {
    redis::cmd("SET").arg(SESSION).arg(SESSION_VALUE).exec(sidecar)?;
    redis::cmd("HSET").arg(USER).arg(FIELD).arg(FIELD_VALUE).exec(sidecar)?;
    redis::cmd("INCR").arg(COUNTER).exec(sidecar)
}

fn read(connection: &mut Connection) -> RedisResult<[Vec<u8>; 3]> {
    Ok([
        redis::cmd("GET").arg(SESSION).query(connection)?,
        redis::cmd("HGET").arg(USER).arg(FIELD).query(connection)?,
        redis::cmd("GET").arg(COUNTER).query(connection)?,
    ])
}

impl Seen {
    pub(super) fn table(&self) -> String {
        let mut out = String::from("\n");
        let titles = ("", "the application reads", "the database holds");
        let cells: Vec<(&str, String, String)> = self
            .rows
            .iter()
            .map(|row| (row.place.as_str(), escape(&row.application), cut(&escape(&row.database), RAW_WIDTH)))
            .collect();
        let place = cells.iter().map(|cell| cell.0.len()).max().unwrap_or(0);
        let reads = cells.iter().map(|cell| cell.1.len()).max().unwrap_or(0).max(titles.1.len());
        let mut line = |one: &str, two: &str, three: &str| {
            // Writing to a `String` does not fail.
            let _ = writeln!(out, "  {one:<place$}   {two:<reads$}   {three}");
        };
        line(titles.0, titles.1, titles.2);
        line(&"-".repeat(place), &"-".repeat(reads), &"-".repeat(RAW_WIDTH));
        for (one, two, three) in &cells {
            line(one, two, three);
        }
        out.push('\n');
        for row in &self.rows {
            describe(&mut out, row);
        }
        out
    }
}

fn describe(out: &mut String, row: &Row) {
    let _ = match parse_header(&row.database) {
        Ok(header) => writeln!(
            out,
            "  {} is encrypted with key {}: {} bytes of value, {OVERHEAD} of envelope (version {}).",
            row.place,
            header.key_id,
            row.database.len().saturating_sub(OVERHEAD),
            header.version,
        ),
        Err(_) => writeln!(out, "  {} matches no pattern, and is left as it is.", row.place),
    };
}

/// On one line, whatever the bytes are.
fn escape(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let shown: String = text.chars().take(width - 3).collect();
    format!("{shown}...")
}

pub(super) fn hints(listen: SocketAddr, database: u16, place: &Place) -> String {
    let host = if listen.ip().to_string() == "127.0.0.1" { String::new() } else { format!("-h {} ", listen.ip()) };
    let sidecar = format!("redis-cli {host}-p {}", listen.port());
    let shell = |name: &str| shell_quote(&place.path(name).display().to_string());
    format!(
        "\nTry it from another terminal. As the application, through Waxseal:
  {sidecar} SET session:43 hello
  {sidecar} GET session:43

As somebody who looks into the database itself:
  REDISCLI_AUTH=$(cat {password}) redis-cli --tls --cacert {ca} -p {database} GET session:43

Commands that compute work as before; what cannot be done on encrypted data is refused, and says why:
  {sidecar} APPEND session:43 x
  {sidecar} INCR page:views
  {sidecar} LREM session:list 1 x

Ctrl-C ends it and removes everything.
",
        password = shell("password"),
        ca = shell("ca.pem"),
    )
}

/// For a POSIX shell; most paths need none.
fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_keeps_to_one_line() {
        let row = |place: &str, application: &[u8], database: &[u8]| Row {
            place: place.into(),
            application: application.into(),
            database: database.into(),
        };
        let mut sealed = crate::crypto::MAGIC.to_vec();
        sealed.push(0x11);
        sealed.extend([0; 60]);
        let seen = Seen { rows: vec![row("k:1", b"hello\nworld", &sealed), row("other", b"1", b"1")] };
        let text = seen.table();
        let expected = r"
          the application reads   the database holds
  -----   ---------------------   ----------------------------------------
  k:1     hello\nworld            \xc1WX\x11\x00\x00\x00\x00\x00\x00\x0...
  other   1                       1

  k:1 is encrypted with key 00000000: 16 bytes of value, 48 of envelope (version 1).
  other matches no pattern, and is left as it is.
";
        assert_eq!(text, expected);
    }

    #[test]
    fn shell_words() {
        assert_eq!(shell_quote("/tmp/a-1"), "/tmp/a-1");
        assert_eq!(shell_quote("/tmp/a b'c"), r"'/tmp/a b'\''c'");
    }
}
