//! The address of the upstream: `rediss://user:password@host:port`, or the REST address of an Upstash
//! console paste.
//!
//! Must never: put any part of an address into an error; the password is in the middle of it.

use std::net::{IpAddr, Ipv6Addr};

use super::defaults::UPSTREAM_PORT;
use super::secret::Secret;

/// A parsed address.
#[derive(Debug)]
pub(super) struct Url {
    pub tls: bool,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    pub user: Option<String>,
    pub password: Option<Secret>,
}

/// Cause and mend.
type Wrong = (&'static str, &'static str);

const FORM: &str = "write it as rediss://USER@HOST:PORT";

impl Url {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(("is not an address", FORM));
        };
        let tls = match scheme {
            "rediss" | "valkeys" => true,
            "redis" | "valkey" => false,
            "http" | "https" => {
                return Err((
                    "is a REST address, and Waxseal speaks the Redis protocol",
                    "use the rediss:// address of the database, or set UPSTASH_REDIS_REST_URL",
                ));
            }
            _ => return Err(("has a scheme that is not rediss://", FORM)),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains(['?', '#']) || authority.contains(['?', '#']) {
            return Err((
                "has options behind the address; they would be ignored",
                "remove them; what Waxseal knows has its own setting. A ? or # inside a \
                 password is written %3F or %23",
            ));
        }
        if !matches!(path, "" | "0") {
            return Err((
                "names a database; each client chooses its own by SELECT",
                "remove what follows the port, and name the database in the address that the \
                 clients connect to",
            ));
        }
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login {
            Some(login) => read_login(login)?,
            None => (None, None),
        };
        let (host, port) = read_place(place)?;
        Ok(Self { tls, host, port: port.unwrap_or(UPSTREAM_PORT), user, password })
    }

    /// From `https://HOST`, as Upstash's console and Vercel's storage hand out: the same name answers
    /// the Redis protocol over TLS on port 6379, user `default`.
    pub fn from_rest(text: &str) -> Result<Self, Wrong> {
        const MEND: &str = "paste the value from the Upstash console (https://NAME.upstash.io), or \
                            set WAXSEAL_UPSTREAM_URL to the rediss:// address";
        let Some(rest) = text.strip_prefix("https://") else {
            return Err(("is not an https:// address", MEND));
        };
        let place = rest.trim_end_matches('/');
        if place.contains(['/', '?', '#', '@']) {
            return Err(("has more than a host in it", MEND));
        }
        let (host, port) = read_place(place)?;
        if !matches!(port, None | Some(443)) {
            return Err((
                "has a port of its own, so that of the Redis protocol cannot be known",
                "set WAXSEAL_UPSTREAM_URL to the rediss:// address",
            ));
        }
        Ok(Self { tls: true, host, port: UPSTREAM_PORT, user: Some("default".into()), password: None })
    }

    /// Whether the host can only be this machine: a loopback address, or `localhost` (RFC 6761).
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

fn read_login(login: &str) -> Result<(Option<String>, Option<Secret>), Wrong> {
    let decode = |part: &str| match (part, percent_decoded(part)) {
        ("", _) => Ok(None),
        (_, Some(text)) => Ok(Some(text)),
        (_, None) => Err((
            "has a user or password that is not written as addresses need it",
            "write a % as %25, and @ : / ? # as %40 %3A %2F %3F %23; or leave the password out and \
             put it as it is in WAXSEAL_UPSTREAM_PASSWORD",
        )),
    };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Ok((decode(user)?, decode(password)?.map(Secret::new)))
}

fn read_place(place: &str) -> Result<(String, Option<u16>), Wrong> {
    const WRONG_PORT: Wrong = (
        "has a port that is no number from 1 to 65535",
        "write HOST:PORT; a password with / ? # @ or : in it needs them percent-encoded",
    );
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())
            .ok_or(("has brackets without an IPv6 address in them", "write it as rediss://[::1]:6379"))?;
        match after.strip_prefix(':') {
            None if after.is_empty() => (host, None),
            Some(port) => (host, Some(port)),
            None => return Err(WRONG_PORT),
        }
    } else {
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let bracketed = place.starts_with('[');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || (!bracketed && !host.chars().all(plain)) {
        return Err(("has no host that could be one", FORM));
    }
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0).ok_or(WRONG_PORT)?),
    };
    Ok((host.to_owned(), port))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn every_part_is_read() {
        let url = Url::parse("rediss://us%40er:p%3Aw:x@db.example.com:30690/0").unwrap();
        assert!(url.tls);
        assert_eq!((&*url.host, url.port), ("db.example.com", 30690));
        assert_eq!(url.user.as_deref(), Some("us@er"));
        assert_eq!(url.password.unwrap().expose(), "p:w:x");

        let url = Url::parse("redis://:pw@[::1]").unwrap();
        assert!(!url.tls && url.is_loopback());
        assert_eq!((url.port, url.user), (6379, None));

        let url = Url::from_rest("https://eu1-abc-1.upstash.io/").unwrap();
        assert_eq!((&*url.host, url.port), ("eu1-abc-1.upstash.io", 6379));
        assert_eq!(url.user.as_deref(), Some("default"));
    }

    #[test]
    fn no_error_shows_the_address() {
        for bad in [
            "SECRET",
            "ftp://SECRET",
            "https://SECRET",
            "rediss://SECRET:SECRET@",
            "rediss://u:SECRET#1@host",
            "rediss://u:SECRET/2@host",
            "rediss://u:SECRET%zz@host",
            "rediss://host:SECRET",
            "rediss://host:0",
            "rediss://host:70000",
            "rediss://host/1",
            "rediss://[SECRET]:1",
            "rediss://[::1]SECRET",
            "rediss://h ost",
        ] {
            let (cause, mend) = Url::parse(bad).expect_err(bad);
            assert!(!cause.contains("SECRET") && !mend.contains("SECRET"));
        }
        for bad in ["http://x", "https://", "https://a/b", "https://a:8079"] {
            Url::from_rest(bad).expect_err(bad);
        }
    }
}
