//! `[listen]`: where clients connect.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::defaults::{LISTEN, MAX_LISTENERS, MAX_UNIX_PATH, UNIX_MODE};
use super::source::Sources;
use super::types::{Auth, Listen, ListenAddress};

pub(super) fn read(sources: &mut Sources<'_>) -> Listen {
    let auth = sources.choice("listen", "auth", &[("none", Auth::None), ("required", Auth::Required)]);
    let auth = auth.map_or(Auth::None, |set| set.value);
    let unix_mode = unix_mode(sources, auth);
    let Some(set) = sources.list("listen", "redis") else {
        let default = LISTEN.parse().expect("the constant is an address");
        return Listen { redis: vec![ListenAddress::Tcp(default)], auth, unix_mode };
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
                "write IP:PORT, [IPv6]:PORT, localhost:PORT or unix:/path (at most 107 bytes)",
            ),
            // Port 0 asks for any free one, which may be done twice.
            Some(address) if redis.contains(&address) && !any_port(&address) => {
                sources.fault(place, "is listed twice", "remove one of the two");
            }
            Some(address) => {
                if let ListenAddress::Tcp(tcp) = &address
                    && !tcp.ip().is_loopback()
                    && auth == Auth::None
                {
                    sources.fault(
                        place,
                        "is not a loopback address: whoever reaches it would read every value \
                         decrypted",
                        "listen on 127.0.0.1, or set auth = \"required\" in [listen] so that clients \
                         must send the upstream's password",
                    );
                }
                redis.push(address);
            }
        }
    }
    Listen { redis, auth, unix_mode }
}

fn parse(text: &str) -> Option<ListenAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        let usable = (1..=MAX_UNIX_PATH).contains(&path.len()) && !path.contains('\0');
        return usable.then(|| ListenAddress::Unix(PathBuf::from(path)));
    }
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    text.parse::<SocketAddr>().ok().map(ListenAddress::Tcp)
}

fn any_port(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Tcp(tcp) if tcp.port() == 0)
}

fn unix_mode(sources: &mut Sources<'_>, auth: Auth) -> u32 {
    let Some(set) = sources.text("listen", "unix_mode") else {
        return UNIX_MODE;
    };
    let mode = u32::from_str_radix(&set.value, 8).ok().filter(|mode| *mode <= 0o777);
    let Some(mode) = mode else {
        sources.fault(set.place, "is not a file mode", "write it as chmod takes it, in quotes: \"0600\" or \"0660\"");
        return UNIX_MODE;
    };
    if mode & 0o002 != 0 && auth == Auth::None {
        sources.fault(
            set.place,
            "lets every user of this machine connect and read values decrypted",
            "use \"0660\" and a group, or set auth = \"required\" in [listen]",
        );
    }
    mode
}
