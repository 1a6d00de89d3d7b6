//! One value, of a key or of a hash field, becomes another: APPEND, INCR, HINCRBY.

use bytes::{Bytes, BytesMut};

use super::swap::{Guard, Seen, Stored, Write};
use super::{Context, Next, Read, Work, unexpected};
use crate::command::Change;
use crate::policy::{Admitted, Refusal};
use crate::resp::{Token, Walker};
use crate::transform::Transform;
use crate::transform::compute::Changing;
use crate::transform::plan::Owned;

pub(super) struct Value {
    key: Bytes,
    scope: Owned,
    /// The value is that of a hash field: its name for the client, and what the database calls it.
    field: Option<(Bytes, Bytes)>,
    changing: Changing,
}

impl Value {
    pub fn of(change: Change, admitted: &Admitted<'_>, transform: &mut Transform) -> Result<Self, Refusal> {
        let args = admitted.request().args();
        let (key, scope) = transform.first_key(admitted)?;
        let field = match args.get(2).filter(|_| change.of_a_field()) {
            Some(field) => Some((Bytes::copy_from_slice(field), transform.stored_name(&scope, field)?)),
            None => None,
        };
        let changing = Changing::parse(change, args).map_err(|complaint| Refusal::Redis(complaint.into()))?;
        Ok(Self { key, scope, field, changing })
    }
}

impl Work for Value {
    fn begin(&mut self) -> Read {
        Read::Command(match &self.field {
            None => vec![Bytes::from_static(b"GET"), self.key.clone()],
            Some((_, stored)) => vec![Bytes::from_static(b"HGET"), self.key.clone(), stored.clone()],
        })
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let sealed = match Walker::new(reply).next() {
            Some(Token::Bulk(sealed)) => Some(sealed),
            Some(Token::Null) => None,
            _ => return Err(unexpected()),
        };
        let place = self.scope.value(self.field.as_ref().map(|(field, _)| &field[..]));
        let old = match sealed {
            Some(sealed) => Some(at.transform.open_value(&place, sealed).map_err(|failure| failure.to_string())?),
            None => None,
        };
        let (new, answer) = self.changing.apply(old.as_deref())?;
        let mut told = BytesMut::new();
        answer.write(at.proto, &mut told);
        let told = told.freeze();
        let Some(new) = new else { return Ok(Next::Answer(told)) };
        let new = at.transform.seal_value(&place, &new).map_err(|refusal| refusal.to_string())?;
        let key = self.key.clone();
        let seen = sealed.map(Seen::of);
        let stored = self.field.as_ref().map(|(_, stored)| stored.clone());
        let guard = match (&stored, seen) {
            (None, None) => Guard::None(key.clone()),
            (None, Some(seen)) => Guard::String(key.clone(), seen),
            (Some(field), None) => Guard::NoField(key.clone(), field.clone()),
            (Some(field), Some(seen)) => Guard::Field(key.clone(), field.clone(), seen),
        };
        let mut write = Write::new(vec![guard], told);
        match &stored {
            None => write.run([&b"SET"[..], &key, &new, b"KEEPTTL"].map(Bytes::copy_from_slice)),
            Some(field) => write.run([&b"FIELD"[..], &key, field, &new].map(Bytes::copy_from_slice)),
        }
        write.stored = Some(Stored { key, field: stored, sealed: new });
        Ok(Next::Write(write))
    }
}
