//! What failed, why, and the mend: the texts of the doctor.
//!
//! Inputs: the error of a step. Output: [`Trouble`], for people.
//! Must never: repeat a server's error unread. Redis before version 6 answers an unknown HELLO with its
//! arguments, the password among them.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::time::Duration;

use rustls::CertificateError;

use super::connection::Reply;
use crate::config::Config;
use crate::upstream::Endpoint;

/// As much of a server's error as is shown: its code and a sentence.
const MAX_SAID: usize = 200;

/// Where a password comes from.
const PASSWORD: &str = "it comes from WAXSEAL_UPSTREAM_PASSWORD, else the URL of the upstream, else \
                        UPSTASH_REDIS_REST_TOKEN (the variables also with _FILE)";

/// One fault: the cause, and the mend where there is one to give.
#[derive(Debug)]
pub(super) struct Trouble {
    cause: String,
    mend: Option<String>,
}

impl Trouble {
    pub(super) fn new(cause: impl Display, mend: Option<String>) -> Self {
        Self { cause: cause.to_string(), mend }
    }

    fn mended(cause: impl Display, mend: impl Display) -> Self {
        Self::new(cause, Some(mend.to_string()))
    }
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "What is wrong: {}", self.cause)?;
        if let Some(mend) = &self.mend {
            write!(f, "\nWhat to do:    {mend}")?;
        }
        Ok(())
    }
}

pub(super) fn unresolved(host: &str, error: &io::Error) -> Trouble {
    let why =
        if error.kind() == ErrorKind::TimedOut { "the name server does not answer".into() } else { error.to_string() };
    Trouble::mended(
        format!("the name {host} does not resolve ({why})"),
        "check the host in the upstream's URL, letter by letter, and that this machine can resolve names (in a \
         container: that its network lets DNS out)",
    )
}

pub(super) fn unconnected(address: &str, limit: Duration, error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::ConnectionRefused => Trouble::mended(
            format!("nothing listens on {address}: the connection was refused"),
            "check the port of the upstream's URL (the console of Upstash shows it), and that the database runs",
        ),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::mended(
            format!("{address} does not answer within {} s", limit.as_secs_f32()),
            "check the host and the port; a firewall, a security group or a NetworkPolicy may be dropping the \
             packets; a far database may need a longer connect_timeout in [upstream]",
        ),
        _ => Trouble::mended(
            format!("{address} cannot be reached ({error})"),
            "check that this machine has a route to it (an IPv6 address needs an IPv6 network)",
        ),
    }
}

pub(super) fn untrusted(config: &Config, address: &str, error: &io::Error) -> Trouble {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return not_tls(address, &describe(error));
    };
    match tls {
        rustls::Error::InvalidMessage(_) => not_tls(address, "it answers with something else"),
        rustls::Error::InvalidCertificate(fault) => certificate(config, address, fault),
        rustls::Error::AlertReceived(alert) => Trouble::mended(
            format!("{address} refuses the TLS handshake ({alert:?})"),
            "if it asks for a client certificate, turn that off for this client (redis-server: tls-auth-clients \
             no); it must speak TLS 1.2 or 1.3",
        ),
        other => Trouble::mended(
            format!("the TLS handshake with {address} fails ({other})"),
            "the database must speak TLS 1.2 or 1.3 with a current cipher suite",
        ),
    }
}

fn not_tls(address: &str, why: &str) -> Trouble {
    Trouble::mended(
        format!("{address} does not speak TLS on this port ({why})"),
        "check the port: it must be the TLS one (redis-server: tls-port); a redis:// upstream without TLS is \
         allowed on a loopback address only, with --insecure-upstream",
    )
}

fn certificate(config: &Config, address: &str, fault: &CertificateError) -> Trouble {
    let own_roots = config.upstream.tls.as_ref().is_some_and(|tls| tls.ca_pem.is_some());
    match fault {
        CertificateError::UnknownIssuer => Trouble::mended(
            format!("the certificate of {address} is signed by nobody who is trusted"),
            if own_roots {
                "ca_file holds the only certificates that are trusted, and none of them signed it: name the \
                 authority that did, or for a public one (as Upstash's) leave ca_file out"
            } else {
                "only the public roots are trusted: if the authority is your own, name its certificate with \
                 ca_file in [upstream] (or --ca-file); Upstash's is from a public \
                 one, and another in its place means that something is in between"
            },
        ),
        // The authority's name is right and its key is another: it has been made anew since.
        CertificateError::BadSignature => Trouble::mended(
            format!("the certificate of {address} is signed by an authority that has the name of a trusted one only"),
            "ca_file is out of date, or that of another installation: fetch the authority's present certificate \
             (ca_file in [upstream] holds the only ones that are trusted)",
        ),
        CertificateError::NotValidForName => misnamed(address, None),
        CertificateError::NotValidForNameContext { presented, .. } => misnamed(address, Some(presented)),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Trouble::mended(
            format!("the certificate of {address} has expired"),
            "renew it on the database, and check this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Trouble::mended(
            format!("the certificate of {address} is not valid yet"),
            "check this machine's clock, and when the certificate begins",
        ),
        other => Trouble::mended(
            format!("the certificate of {address} is not accepted ({other})"),
            "the database needs a server certificate of its own, signed by the authority in ca_file; the \
             authority's certificate itself will not do",
        ),
    }
}

fn misnamed(address: &str, presented: Option<&Vec<String>>) -> Trouble {
    let names = presented.filter(|names| !names.is_empty()).map_or(String::new(), |names| {
        let names: String = names.join(", ").chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
        format!("; it is for {names}")
    });
    Trouble::mended(
        format!("the certificate that {address} shows is for another name{names}"),
        "use that name as the host of the upstream's URL, or set server_name in [upstream] to it if the \
         database is reached by another address",
    )
}

pub(super) fn refused_login(endpoint: &Endpoint, error: &str) -> Trouble {
    let address = endpoint.address();
    let user = endpoint.login.as_ref().map_or("default", |login| login.user.as_str());
    match error.split(' ').next().unwrap_or_default() {
        "WRONGPASS" => Trouble::mended(
            format!("{address} refuses user {user} with this password"),
            format!(
                "set the right password; {PASSWORD}. A read-only token belongs to user default_ro \
                 (token_kind = \"read_only\" in [upstream]). A database of Upstash from before 2024 may have \
                 a password that is not its token: take it from the rediss:// URL in the console"
            ),
        ),
        "NOAUTH" => {
            Trouble::mended(format!("{address} wants a password and there is none"), format!("set one; {PASSWORD}"))
        }
        _ if error.contains("max number of clients") => Trouble::mended(
            format!("{address} takes no more clients"),
            "close some, or raise its limit (redis-server: maxclients)",
        ),
        "NOPROTO" => old_server(&address),
        _ if error.contains("unknown command") => old_server(&address),
        _ => Trouble::mended(
            format!("{address} does not let us in: {}", said(endpoint, error)),
            format!("check user and password; {PASSWORD}"),
        ),
    }
}

fn old_server(address: &str) -> Trouble {
    Trouble::mended(format!("{address} does not know HELLO"), "the sidecar needs Redis 6 or later, Valkey or Upstash")
}

/// What a user without the right to write is answered.
pub(super) fn is_read_only(error: &str) -> bool {
    error.starts_with("NOPERM") || error.starts_with("READONLY")
}

pub(super) fn refused_write(endpoint: &Endpoint, error: &str) -> Trouble {
    let mend = match error.split(' ').next().unwrap_or_default() {
        "OOM" => "the database is full: free memory, or raise its limit",
        "MISCONF" => "the database cannot save to its disk, and takes no writes until it can; see its log",
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" => "the database is not ready yet; try again in a moment",
        "MOVED" => "this is a node of a cluster; the sidecar needs a single address, as Upstash gives",
        _ => "the text is the database's own; its plan or its rights may not allow writing",
    };
    Trouble::mended(format!("{} refuses to store a value: {}", endpoint.address(), said(endpoint, error)), mend)
}

pub(super) fn unexpected(command: &str, endpoint: &Endpoint, reply: &Reply) -> Trouble {
    let what = reply.error().map_or("something that is no answer to it".into(), |error| said(endpoint, &error));
    Trouble::mended(
        format!("{} answers {command} with {what}", endpoint.address()),
        "check that this is a Redis server, and what its user may do",
    )
}

pub(super) fn cut(address: &str, error: &io::Error) -> Trouble {
    let alert = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(alert @ rustls::Error::AlertReceived(_)) = alert {
        // TLS 1.3: a server that misses our certificate says so only after the handshake.
        return Trouble::mended(
            format!("{address} ends the TLS connection ({alert})"),
            "if it asks for a client certificate, turn that off for this client (redis-server: tls-auth-clients no)",
        );
    }
    match error.kind() {
        ErrorKind::InvalidData => Trouble::mended(
            format!("{address} does not answer as a Redis server does"),
            "check host and port: something else listens there",
        ),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Trouble::mended(
            format!("{address} took the command and does not answer"),
            "the database may be overloaded, or hang in a script: look at its console or log",
        ),
        _ => Trouble::mended(
            format!("{address} cut the connection ({})", describe(error)),
            "check that the port is the right one, TLS or not, and the database's log",
        ),
    }
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer in time".into(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => "it closed the connection".into(),
        _ => error.to_string(),
    }
}

/// A server's error text, short, on one line, and without what it repeats of ours.
fn said(endpoint: &Endpoint, error: &str) -> String {
    let own = error.find(", with args").map_or(error, |at| &error[..at]);
    let password = endpoint.login.as_ref().map(|login| login.password.as_str()).filter(|text| !text.is_empty());
    match password {
        Some(password) if own.contains(password) => "an error that repeats the password".into(),
        _ => own.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect(),
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::upstream::Login;

    fn endpoint() -> Endpoint {
        let login = Login { user: "default".into(), password: Zeroizing::new("hunter2".into()) };
        Endpoint {
            host: "db".into(),
            port: 6379,
            tls: None,
            login: Some(login),
            connect_timeout: Duration::from_secs(1),
            reached: std::sync::atomic::AtomicU64::new(0),
        }
    }

    #[test]
    fn logins_are_mended_and_no_password_is_repeated() {
        let old = "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`, ";
        for (error, expected) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", "WAXSEAL_UPSTREAM_PASSWORD"),
            ("WRONGPASS invalid username-password pair or user is disabled.", "default_ro"),
            ("NOAUTH HELLO must be called with the client already authenticated", "wants a password"),
            (old, "Redis 6 or later"),
            ("ERR max number of clients reached", "maxclients"),
            ("DENIED hunter2", "repeats the password"),
        ] {
            let text = refused_login(&endpoint(), error).to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(!refused_write(&endpoint(), old).to_string().contains("hunter2"));
        assert!(refused_write(&endpoint(), "OOM command not allowed").to_string().contains("free memory"));
    }

    #[test]
    fn errors_of_the_network_are_told_apart() {
        let limit = Duration::from_secs(5);
        let refused = unconnected("h:1", limit, &ErrorKind::ConnectionRefused.into()).to_string();
        assert!(refused.contains("nothing listens on h:1"), "{refused}");
        let silent = unconnected("h:1", limit, &ErrorKind::TimedOut.into()).to_string();
        assert!(silent.contains("within 5 s") && silent.contains("firewall"), "{silent}");
        let name = unresolved("h", &ErrorKind::TimedOut.into()).to_string();
        assert!(name.contains("name server"), "{name}");
        let plain = cut("h:1", &ErrorKind::InvalidData.into()).to_string();
        assert!(plain.contains("something else listens"), "{plain}");
    }

    #[test]
    fn a_wrong_name_shows_those_of_the_certificate() {
        let text = misnamed("h:1", Some(&vec!["db.example".into()])).to_string();
        assert!(text.contains("it is for db.example") && text.contains("server_name"), "{text}");
    }
}
