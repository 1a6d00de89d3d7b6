//! `[listen] admin` and `metrics`: where operators and their tools ask.

use std::net::SocketAddr;
use std::path::Path;

use super::defaults::MIN_TOKEN;
use super::listen::tcp;
use super::source::{Set, Sources};
use super::types::{Admin, Observe};
use super::{Secret, files};

const TOKEN: &str = "WAXSEAL_LISTEN_ADMIN_TOKEN";

pub(super) fn read(sources: &mut Sources<'_>, file: Option<&Path>) -> Observe {
    let address = socket(sources, "admin");
    let metrics = socket(sources, "metrics");
    let token = token(sources, file);
    if let (Some(admin), Some(metrics)) = (&address, &metrics)
        && admin.value == metrics.value
        && metrics.value.port() != 0
    {
        sources.fault(
            &metrics.place,
            "is the address of admin, which has /metrics too",
            "remove it, or give it a port of its own",
        );
    }
    match (&address, &token) {
        // Without one that is wrong, of which there is a fault already.
        (Some(admin), None) if !admin.value.ip().is_loopback() && !sources.faulty("admin_token", TOKEN) => sources.fault(
            &admin.place,
            "is not a loopback address, and there is no token: whoever reaches it could watch and change the log",
            "use 127.0.0.1, or set WAXSEAL_LISTEN_ADMIN_TOKEN or admin_token_file in [listen]; probes and Prometheus \
             need no more than metrics in [listen]",
        ),
        (Some(admin), Some(_)) if !admin.value.ip().is_loopback() => {
            sources.warn(&admin.place, "the token goes over the network without TLS; put a proxy with TLS in front");
        }
        (None, Some(token)) => sources.warn(&token.place, "has no effect: there is no admin in [listen]"),
        _ => {}
    }
    let token = token.map(|set| set.value);
    Observe { admin: address.map(|set| Admin { address: set.value, token }), metrics: metrics.map(|set| set.value) }
}

fn socket(sources: &mut Sources<'_>, name: &'static str) -> Option<Set<SocketAddr>> {
    let set = sources.text("listen", name)?;
    let Some(value) = tcp(&set.value) else {
        sources.fault(
            set.place,
            "is not an address to listen on",
            "write IP:PORT, [IPv6]:PORT or localhost:PORT, such as \"127.0.0.1:6390\"",
        );
        return None;
    };
    Some(Set { place: set.place, origin: set.origin, value })
}

/// From the variable, or from the file that the setting names.
fn token(sources: &mut Sources<'_>, file: Option<&Path>) -> Option<Set<Secret>> {
    let direct = sources.variable(TOKEN).map(Secret::new);
    let path = sources.text("listen", "admin_token_file");
    let (place, secret) = match (direct, path) {
        (None, None) => return None,
        (Some(secret), None) => (TOKEN.to_owned(), secret),
        (Some(_), Some(set)) => {
            sources.fault(
                set.place,
                format!("is set, and {TOKEN} too; which of them counts would be a guess"),
                "unset one of them",
            );
            return None;
        }
        (None, Some(set)) => match files::secret(&files::resolve(&set.value, set.origin, file)) {
            Ok(secret) => (set.place, secret),
            Err((cause, mend)) => {
                sources.fault(set.place, cause, mend);
                return None;
            }
        },
    };
    if secret.expose().len() < MIN_TOKEN {
        sources.fault(
            place,
            format!("is shorter than {MIN_TOKEN} bytes, so that it could be guessed"),
            "make one with: openssl rand -hex 24",
        );
        return None;
    }
    Some(Set { place, origin: super::source::Origin::Environment, value: secret })
}
