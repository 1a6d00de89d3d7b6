//! `[listen]`: where clients connect, and how long they may take.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::defaults::{
    HANDSHAKE_TIMEOUT, LISTEN, MAX_IDLE_TIMEOUT, MAX_LISTENERS, MAX_UNIX_PATH, REQUEST_TIMEOUT, UNIX_MODE,
};
use super::listen_tls;
use super::source::Sources;
use super::types::{Auth, Identity, Listen, ListenAddress};

pub(super) fn read(sources: &mut Sources<'_>, file: Option<&Path>, identities: &[Identity]) -> Listen {
    let auth = auth(sources, identities);
    // Whoever has not said who it is gets nothing.
    let must_log_in =
        auth == Auth::Required || !identities.is_empty() && !identities.iter().any(|identity| identity.default);
    let unix_mode = unix_mode(sources, must_log_in);
    let tls = listen_tls::read(sources, file);
    let has_tls = tls.is_some() || sources.faulty("[listen.tls]", "LISTEN_TLS");
    let shows_certificates = tls.as_ref().is_some_and(|tls| tls.client_certificates);
    if !shows_certificates && identities.iter().any(|identity| !identity.certificates.is_empty()) {
        sources.fault(
            "[[identity]] certificates",
            "is set, but no client is asked for a certificate",
            "set client_ca_file in [listen.tls], or remove certificates",
        );
    }
    let second = Duration::from_secs(1);
    let mut time = |name, from, default| {
        sources.duration("listen", name, from..=MAX_IDLE_TIMEOUT).map_or(default, |set| set.value)
    };
    let idle_timeout = time("idle_timeout", Duration::ZERO, Duration::ZERO);
    let handshake_timeout = time("handshake_timeout", second, HANDSHAKE_TIMEOUT);
    let request_timeout = time("request_timeout", second, REQUEST_TIMEOUT);
    let max_clients_per_address = sources.count("listen", "max_clients_per_address", 1..=1_000_000);
    let reached = Reached { must_log_in, has_tls, shows_certificates };
    let redis = addresses(sources, &reached);
    if tls.is_some() && !redis.iter().any(|address| matches!(address, ListenAddress::Tls(_))) {
        sources.warn("[listen.tls]", "has no effect: no address in redis begins with tls:");
    }
    Listen {
        redis,
        auth,
        unix_mode,
        tls,
        idle_timeout,
        handshake_timeout,
        request_timeout,
        max_clients_per_address: max_clients_per_address.and_then(|set| usize::try_from(set.value).ok()),
    }
}

/// How whoever reaches an address is kept out.
struct Reached {
    must_log_in: bool,
    has_tls: bool,
    shows_certificates: bool,
}

fn auth(sources: &mut Sources<'_>, identities: &[Identity]) -> Auth {
    let set = sources.choice("listen", "auth", &[("none", Auth::None), ("required", Auth::Required)]);
    if let Some(set) = &set
        && set.value == Auth::Required
        && identities.iter().any(|identity| identity.default)
    {
        sources.fault(
            &set.place,
            "is \"required\", and an identity is there for clients that have not logged in",
            "remove default = true from that identity, or auth",
        );
    }
    set.map_or(Auth::None, |set| set.value)
}

fn addresses(sources: &mut Sources<'_>, reached: &Reached) -> Vec<ListenAddress> {
    let Some(set) = sources.list("listen", "redis") else {
        return vec![ListenAddress::Tcp(LISTEN.parse().expect("the constant is an address"))];
    };
    if set.value.is_empty() || set.value.len() > MAX_LISTENERS {
        sources.fault(
            &set.place,
            format!("has {} addresses", set.value.len()),
            format!("give from 1 to {MAX_LISTENERS}, such as \"{LISTEN}\" or \"unix:/run/waxseal.sock\""),
        );
    }
    let mut redis = Vec::new();
    for (number, text) in set.value.iter().enumerate() {
        let place = format!("{}[{number}]", set.place);
        match parse(text) {
            None => sources.fault(
                place,
                "is not an address to listen on",
                "write IP:PORT, [IPv6]:PORT, localhost:PORT, tls: in front of one of these, or unix:/path (at most 107 bytes)",
            ),
            // Port 0 asks for any free one, which may be done twice.
            Some(address) if redis.contains(&address) && !any_port(&address) => {
                sources.fault(place, "is listed twice", "remove one of the two");
            }
            Some(address) => {
                check(sources, &place, &address, reached);
                redis.push(address);
            }
        }
    }
    redis
}

fn check(sources: &mut Sources<'_>, place: &str, address: &ListenAddress, reached: &Reached) {
    let (tcp, is_kept) = match address {
        ListenAddress::Unix(_) => return,
        ListenAddress::Tcp(tcp) => (tcp, reached.must_log_in),
        ListenAddress::Tls(tcp) => (tcp, reached.must_log_in || reached.shows_certificates),
    };
    if matches!(address, ListenAddress::Tls(_)) && !reached.has_tls {
        sources.fault(place, "has no certificate to show", "set cert_file and key_file in [listen.tls]");
    }
    if !tcp.ip().is_loopback() && !is_kept {
        sources.fault(
            place,
            "is not a loopback address: whoever reaches it would read every value decrypted",
            "listen on 127.0.0.1; or have clients log in, by auth = \"required\" in [listen] or an [[identity]] each; or \
             have them show certificates, by tls: and client_ca_file in [listen.tls]",
        );
    }
}

fn parse(text: &str) -> Option<ListenAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        let usable = (1..=MAX_UNIX_PATH).contains(&path.len()) && !path.contains('\0');
        return usable.then(|| ListenAddress::Unix(PathBuf::from(path)));
    }
    match text.strip_prefix("tls:") {
        Some(text) => tcp(text).map(ListenAddress::Tls),
        None => tcp(text).map(ListenAddress::Tcp),
    }
}

pub(super) fn tcp(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse().ok(),
        None => text.parse().ok(),
    }
}

fn any_port(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Tcp(tcp) | ListenAddress::Tls(tcp) if tcp.port() == 0)
}

fn unix_mode(sources: &mut Sources<'_>, must_log_in: bool) -> u32 {
    let Some(set) = sources.text("listen", "unix_mode") else {
        return UNIX_MODE;
    };
    let mode = u32::from_str_radix(&set.value, 8).ok().filter(|mode| *mode <= 0o777);
    let Some(mode) = mode else {
        sources.fault(set.place, "is not a file mode", "write it as chmod takes it, in quotes: \"0600\" or \"0660\"");
        return UNIX_MODE;
    };
    if mode & 0o002 != 0 && !must_log_in {
        sources.fault(
            set.place,
            "lets every user of this machine connect and read values decrypted",
            "use \"0660\" and a group, or set auth = \"required\" in [listen]",
        );
    }
    mode
}
