//! Which clients CLIENT LIST and CLIENT KILL speak of.
//!
//! Must never: put an argument into an error.

use super::info::ClientInfo;
use crate::command::Args;
use crate::policy::Identities;

const SYNTAX: &str = "ERR syntax error";
const UNKNOWN_TYPE: &str = "ERR Unknown client type";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Normal,
    PubSub,
    /// Masters and replicas never connect to a sidecar.
    Nobody,
}

/// All conditions must hold; none means everybody.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    id: Option<u64>,
    not: Option<u64>,
    kind: Option<Type>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    /// Seconds.
    min_age: u64,
}

impl<'a> Filter<'a> {
    pub fn matches(&self, info: &ClientInfo) -> bool {
        self.id.is_none_or(|id| id == info.id)
            && self.not != Some(info.id)
            && self.address.is_none_or(|a| a == info.address.as_bytes())
            && self.local_address.is_none_or(|a| a == info.local_address.as_bytes())
            && self.user.is_none_or(|user| info.is_user(user))
            && info.age() >= self.min_age
            && match self.kind {
                None => true,
                Some(Type::Normal) => !info.is_subscribed(),
                Some(Type::PubSub) => info.is_subscribed(),
                Some(Type::Nobody) => false,
            }
    }

    /// `CLIENT LIST TYPE type`, from the argument after LIST on.
    pub fn of_type(args: Args<'a>) -> Result<Self, &'static str> {
        Ok(Self { kind: Some(type_at(args, 3)?), ..Self::default() })
    }

    /// `CLIENT KILL address`.
    pub fn at(address: &'a [u8]) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// `CLIENT KILL option value ...`; the asker is spared unless SKIPME NO is among them.
    pub fn to_kill(args: Args<'a>, asker: u64, identities: &Identities) -> Result<Self, &'static str> {
        let mut filter = Self { not: Some(asker), ..Self::default() };
        let mut at = 2;
        while at < args.len() {
            let value = args.get(at + 1).ok_or(SYNTAX)?;
            if args.is(at, "ID") {
                let id = number(value).filter(|id| *id > 0);
                filter.id = Some(id.ok_or("ERR client-id should be greater than 0")?);
            } else if args.is(at, "TYPE") {
                filter.kind = Some(type_at(args, at + 1)?);
            } else if args.is(at, "ADDR") {
                filter.address = Some(value);
            } else if args.is(at, "LADDR") {
                filter.local_address = Some(value);
            } else if args.is(at, "USER") {
                if value != b"default" && identities.named(value).is_none() {
                    return Err("ERR No such user");
                }
                filter.user = Some(value);
            } else if args.is(at, "MAXAGE") {
                let age = integer(value).ok_or("ERR maxage is not an integer or out of range")?;
                filter.min_age =
                    u64::try_from(age).ok().filter(|age| *age > 0).ok_or("ERR maxage should be greater than 0")?;
            } else if args.is(at, "SKIPME") && args.is(at + 1, "YES") {
                filter.not = Some(asker);
            } else if args.is(at, "SKIPME") && args.is(at + 1, "NO") {
                filter.not = None;
            } else {
                return Err(SYNTAX);
            }
            at += 2;
        }
        Ok(filter)
    }
}

fn type_at(args: Args<'_>, at: usize) -> Result<Type, &'static str> {
    if args.is(at, "NORMAL") {
        Ok(Type::Normal)
    } else if args.is(at, "PUBSUB") {
        Ok(Type::PubSub)
    } else if args.is(at, "MASTER") || args.is(at, "REPLICA") || args.is(at, "SLAVE") {
        Ok(Type::Nobody)
    } else {
        Err(UNKNOWN_TYPE)
    }
}

/// A number as clients write it.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    // `parse` would take a plus sign, Redis does not.
    if text.starts_with('+') { None } else { text.parse().ok() }
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    integer(text).and_then(|n| u64::try_from(n).ok())
}
