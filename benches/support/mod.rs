//! What a worker does between reading and writing, room by room, without sockets and lanes.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::BytesMut;
use waxseal::client::ReplyQueue;
use waxseal::command::{Args, Request};
use waxseal::crypto::{Cipher, Keyring};
use waxseal::policy::rules::{RuleSet, RuleSource};
use waxseal::policy::script::Library;
use waxseal::policy::{Identities, IdentityId, Policy, Scratch, Scripts};
use waxseal::resp::{MAX_BULK, Proto, ReplyScanner, RequestLimits, RequestScanner, encode};
use waxseal::transform::{ReplyPlan, Transform, Wire};

/// One client's way to the database and back.
pub struct Pipeline {
    policy: Arc<Policy>,
    transform: Transform,
    limits: RequestLimits,
    requests: RequestScanner,
    scratch: Scratch,
    wire: Wire,
    replies: ReplyScanner,
    queue: ReplyQueue,
}

impl Pipeline {
    pub fn new(rules: RuleSet) -> Self {
        let policy = policy(rules);
        let cipher = Cipher::new(Arc::new(Keyring::generate().unwrap()));
        Self {
            transform: Transform::new(policy.clone(), Some(cipher), MAX_BULK),
            policy,
            limits: RequestLimits::authenticated(MAX_BULK),
            requests: RequestScanner::new(),
            scratch: Scratch::default(),
            wire: Wire::default(),
            replies: ReplyScanner::new(),
            queue: ReplyQueue::default(),
        }
    }

    /// One request to what the database gets, handed to `write`.
    pub fn request(&mut self, bytes: &[u8], write: impl FnOnce(&[u8])) -> ReplyPlan {
        self.requests.reset();
        self.requests.scan(bytes, &self.limits).unwrap().unwrap();
        let raw = self.requests.request(bytes);
        let admitted =
            self.policy.admit(IdentityId::default(), Request::parse(raw.bytes, raw.args), &mut self.scratch).unwrap();
        let plan = self.transform.seal(&admitted, &mut self.wire).unwrap();
        write(self.wire.bytes());
        self.wire.advance(self.wire.len());
        plan
    }

    /// One reply, by the plan of its request, to what the client gets, handed to `write`.
    pub fn reply(&mut self, plan: &ReplyPlan, frame: &[u8], write: impl FnOnce(&[u8])) {
        let place = self.queue.expect(false, None);
        self.replies.reset();
        self.replies.scan(frame).unwrap().unwrap();
        let transform = &mut self.transform;
        self.queue.fill(place, true, |out| transform.open(plan, frame, Proto::Resp2, out)).unwrap();
        write(self.queue.out());
        self.queue.advance(self.queue.buffered());
    }

    /// The arguments of `request` as the database gets them.
    pub fn sealed(&mut self, request: &[u8]) -> Vec<Vec<u8>> {
        let mut wire = Vec::new();
        self.request(request, |bytes| wire.extend_from_slice(bytes));
        self.requests.reset();
        self.requests.scan(&wire, &self.limits).unwrap().unwrap();
        let raw = self.requests.request(&wire);
        Args::new(raw.bytes, raw.args).iter().map(<[u8]>::to_vec).collect()
    }
}

/// These rules, and all that can be refused beside them is.
pub fn policy(rules: RuleSet) -> Arc<Policy> {
    Arc::new(Policy {
        rules,
        identities: Identities::default(),
        scripts: Scripts::Refuse,
        functions: HashSet::new(),
        library: Library::default(),
    })
}

/// One rule of these patterns.
pub fn rule(keys: impl IntoIterator<Item = String>, except: impl IntoIterator<Item = String>) -> RuleSet {
    let keys = keys.into_iter().map(String::into_bytes).collect();
    let except = except.into_iter().map(String::into_bytes).collect();
    RuleSet::new(vec![RuleSource { id: "r".into(), keys, except, ..RuleSource::default() }])
}

/// A request as clients send it.
pub fn command<A: AsRef<[u8]>>(args: &[A]) -> BytesMut {
    let mut out = BytesMut::new();
    let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
    encode::command(&mut out, &args);
    out
}

/// A reply of one value.
pub fn bulk(value: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    encode::bulk(&mut out, value);
    out
}

/// A reply of several.
pub fn array<V: AsRef<[u8]>>(values: &[V]) -> BytesMut {
    let mut out = BytesMut::new();
    encode::array_header(&mut out, values.len());
    for value in values {
        encode::bulk(&mut out, value.as_ref());
    }
    out
}
