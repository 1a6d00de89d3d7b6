//! What is at which path.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::watch;

use super::exposition;
use super::guard;
use super::http::Door;
use super::log::LogControl;
use super::probes::{Probes, Verdict};
use super::watched::Watched;
use super::{metrics, status};
use crate::config::{LogLevels, Secret};
use crate::server::Shared;
use crate::trail::{What, Who};

const PLAIN: &str = "text/plain; charset=utf-8";
/// The one request with a body is PUT /log.
const MAX_BODY: usize = 2048;
const BODY: Duration = Duration::from_secs(5);
/// On every answer. The console loads nothing from elsewhere, and nobody else may show it in a frame.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
/// The console's files.
const FILES: [(&str, &str, &str); 4] = [
    ("/", "text/html; charset=utf-8", include_str!("console/index.html")),
    ("/console.css", "text/css; charset=utf-8", include_str!("console/console.css")),
    ("/console.js", "text/javascript; charset=utf-8", include_str!("console/console.js")),
    ("/icon.svg", "image/svg+xml", include_str!("console/icon.svg")),
];

type Answer = Response<Full<Bytes>>;

/// Everything that the answers are made of.
pub struct Site {
    pub shared: Arc<Shared>,
    pub probes: Probes,
    pub log: LogControl,
    /// Of the admin address.
    pub token: Option<Secret>,
    pub stopping: watch::Receiver<bool>,
    pub started: SystemTime,
}

impl Site {
    pub(super) async fn answer(&self, door: Door, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let probe = matches!(path, "/livez" | "/readyz");
        if door == Door::Admin
            && let Err((status, why)) = guard::check(&head, self.token.as_ref(), probe)
        {
            return refuse(status, why);
        }
        if door == Door::Admin && path == "/log" && head.method == Method::PUT {
            return self.set_log(body).await;
        }
        let Some(answer) = self.get(door, path) else {
            return refuse(StatusCode::NOT_FOUND, "there is nothing at this path");
        };
        if head.method == Method::GET || head.method == Method::HEAD {
            return answer;
        }
        let mut refused = refuse(StatusCode::METHOD_NOT_ALLOWED, "this path can only be read");
        let allowed = if path == "/log" { "GET, HEAD, PUT" } else { "GET, HEAD" };
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        refused
    }

    fn get(&self, door: Door, path: &str) -> Option<Answer> {
        let draining = *self.stopping.borrow();
        let meters = &self.shared.meters;
        match path {
            "/livez" => return Some(verdict(self.probes.live(meters, draining, Instant::now()))),
            "/readyz" => return Some(verdict(self.ready())),
            "/metrics" => return Some(fine(exposition::CONTENT_TYPE, metrics::text(&self.watched()))),
            _ if door == Door::Metrics => return None,
            "/status.json" => {
                let about = status::About { ready: self.ready(), log: self.log.levels().to_string() };
                return Some(fine("application/json", status::json(&self.watched(), &about)));
            }
            "/log" => return Some(fine(PLAIN, format!("{}\n", self.log.levels()))),
            _ => {}
        }
        FILES.into_iter().find(|(at, ..)| *at == path).map(|(_, kind, text)| fine(kind, text))
    }

    fn ready(&self) -> Verdict {
        self.probes.ready(&self.shared.meters, *self.stopping.borrow(), Instant::now())
    }

    fn watched(&self) -> Watched<'_> {
        Watched::now(&self.shared, self.started)
    }

    /// Takes levels as `[log] level` does.
    async fn set_log(&self, body: Incoming) -> Answer {
        let collected = tokio::time::timeout(BODY, Limited::new(body, MAX_BODY).collect()).await;
        let Ok(Ok(body)) = collected else {
            return refuse(StatusCode::BAD_REQUEST, "the body did not come in time, or is too long");
        };
        let body = body.to_bytes();
        let Some(levels) = std::str::from_utf8(&body).ok().and_then(|text| LogLevels::parse(text.trim())) else {
            return refuse(
                StatusCode::BAD_REQUEST,
                "send a level (error, warn, info, debug, trace), and others for some targets behind it if need be: \
                 info,waxseal::upstream=debug",
            );
        };
        let to = levels.to_string();
        match self.log.set(levels) {
            Ok(()) => {
                if let Some(teller) = &self.shared.teller {
                    teller.event(Who::default(), What::LogLevels { to: to.clone() });
                }
                fine(PLAIN, to + "\n")
            }
            Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

fn verdict(verdict: Verdict) -> Answer {
    match verdict {
        Ok(()) => fine(PLAIN, "ok\n"),
        Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

fn refuse(status: StatusCode, why: &str) -> Answer {
    let mut answer = fine(PLAIN, format!("{why}\n"));
    *answer.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"waxseal\", charset=\"UTF-8\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    answer
}

fn fine(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
