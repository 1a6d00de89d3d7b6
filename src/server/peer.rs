//! Who is at the other end of a new connection, before it has said a word of Redis.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::conn::ClientIo;
use super::worker::Worker;
use crate::policy::{Origin, Who};

/// How often a handshake is looked at that takes its time.
const LOOK_UP: Duration = Duration::from_millis(250);

/// A connection on its way from the acceptor to a worker.
pub(super) enum Accepted {
    Tcp(std::net::TcpStream),
    Tls(std::net::TcpStream, Arc<ServerConfig>),
    Unix(std::os::unix::net::UnixStream, String),
}

/// A connection that is ready for requests.
pub(super) struct Peer {
    pub io: ClientIo,
    pub address: String,
    pub local_address: String,
    pub is_unix: bool,
    pub origin: Origin,
    /// Whom it speaks for without a login; `None`: it has to log in.
    pub unnamed: Option<Who>,
}

impl Peer {
    pub async fn of(accepted: Accepted, worker: &Worker) -> io::Result<Self> {
        let shared = &worker.shared;
        let identities = &shared.policy.identities;
        let unnamed = || identities.unnamed().filter(|_| !shared.secrets.required);
        let addresses = |stream: &TcpStream| -> io::Result<_> {
            stream.set_nodelay(true)?;
            let peer = stream.peer_addr()?;
            Ok((peer.to_string(), stream.local_addr()?.to_string(), Origin::of(peer.ip())))
        };
        Ok(match accepted {
            Accepted::Tcp(stream) => {
                let stream = TcpStream::from_std(stream)?;
                let (address, local_address, origin) = addresses(&stream)?;
                let io = ClientIo::Tcp(stream);
                Self { io, address, local_address, is_unix: false, origin, unnamed: unnamed() }
            }
            Accepted::Tls(stream, config) => {
                let stream = TcpStream::from_std(stream)?;
                let (address, local_address, origin) = addresses(&stream)?;
                let handshake = TlsAcceptor::from(config).accept(stream);
                let stream = within(worker, handshake).await?;
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let id = shown.and_then(|der| identities.of_certificate(&names_in(der)));
                let unnamed = id.map(|id| identities.who(id)).or_else(unnamed);
                Self { io: ClientIo::Tls(Box::new(stream)), address, local_address, is_unix: false, origin, unnamed }
            }
            Accepted::Unix(stream, path) => {
                let stream = UnixStream::from_std(stream)?;
                let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                let id = uid.and_then(|uid| identities.of_uid(uid));
                let unnamed = id.map(|id| identities.who(id)).or_else(unnamed);
                let address = format!("{path}:0");
                let origin = uid.map_or(Origin::Local, Origin::Uid);
                let io = ClientIo::Unix(stream);
                Self { io, local_address: address.clone(), address, is_unix: true, origin, unnamed }
            }
        })
    }
}

/// A handshake in its time. When the sidecar stops, none is waited for.
async fn within<T>(worker: &Worker, handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut handshake = pin!(handshake);
    let begin = Instant::now();
    loop {
        if let Ok(done) = tokio::time::timeout(LOOK_UP, &mut handshake).await {
            return done;
        }
        if worker.draining() || begin.elapsed() >= worker.shared.bounds.handshake {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// The names that a certificate is for: DNS and URI among its alternative names, and the common names of its subject.
/// It was verified in the handshake; one that cannot be read has none.
fn names_in(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let mut names: Vec<String> =
        certificate.subject().iter_common_name().filter_map(|name| Some(name.as_str().ok()?.to_owned())).collect();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    names
}

/// How many connections there are from each address; one lock at connect and one at the end.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<HashMap<Origin, usize>>);

/// One connection's place among those from its address.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    origin: Origin,
}

impl Seat {
    /// `None`: there are too many from there already.
    pub fn take(crowd: &Arc<Crowd>, address: IpAddr, most: usize) -> Option<Self> {
        let origin = Origin::of(address);
        let mut counts = crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(origin).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Self { crowd: crowd.clone(), origin })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificate_is_for_its_common_name_dns_and_uri() {
        let mut params = CertificateParams::new(vec!["app.internal".into()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://cluster/ns/app".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "worker");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let mut names = names_in(certificate.der());
        names.sort();
        assert_eq!(names[0], "app.internal");
        assert!(names.contains(&"spiffe://cluster/ns/app".to_owned()) && names.contains(&"worker".to_owned()));
        assert!(names_in(b"no certificate").is_empty());
    }

    #[test]
    fn seats_are_counted_by_address_and_given_back() {
        let (crowd, one, two) = (Arc::<Crowd>::default(), [127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = Seat::take(&crowd, one, 2).unwrap();
        let _second = Seat::take(&crowd, one, 2).unwrap();
        assert!(Seat::take(&crowd, one, 2).is_none() && Seat::take(&crowd, two, 2).is_some());
        drop(first);
        assert!(Seat::take(&crowd, one, 2).is_some());
        assert_eq!(crowd.0.lock().unwrap().len(), 1, "an address without connections is forgotten");
    }
}
