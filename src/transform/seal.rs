//! An admitted request becomes bytes on a wire, with the plan of its reply.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::commands::Question;
use super::payload::Payload;
use super::place::{PlaceOf, What, place_of};
use super::plan::{Names, Owned, ReplyPlan, scope};
use super::{Control, Transform, Wire, info};
use crate::command::{
    Args, Computed, FieldNames, Form, Grammar, GrammarError, Method, Reply, Scanned, Shape, Spec, Values, Verdict,
    check_arity,
};
use crate::crypto::{OVERHEAD, Place, SealError};
use crate::policy::rules::Rule;
use crate::policy::{Admitted, KeyHit, Refusal};
use crate::resp::encode;

/// So many arguments of one command may be sealed: each grows by an envelope, and a command of empty
/// ones would grow tenfold.
pub(super) const MAX_SEALED_ARGS: usize = 1024 * 1024;

impl Transform {
    /// Appends the request to `wire`, its protected values sealed. On a refusal the wire is as before.
    pub fn seal(&mut self, admitted: &Admitted<'_>, wire: &mut Wire) -> Result<ReplyPlan, Refusal> {
        let request = admitted.request();
        if !admitted.is_protected() {
            wire.buffer().extend_from_slice(request.bytes());
            return Ok(match request.spec().map(|s| &s.reply) {
                Some(Reply::Info) => ReplyPlan::Info { ours: info::asks_for_ours(request.args()) },
                _ if request.container().is_some_and(|c| c.name == "command") => {
                    Question::of(request).map_or(ReplyPlan::Raw, ReplyPlan::Commands)
                }
                _ => ReplyPlan::Raw,
            });
        }
        if admitted.is_as_stored() {
            if let Some((spec, grammar)) = request.spec().and_then(|spec| Some((spec, spec.verdict.grammar()?))) {
                understand(spec, grammar, request.args())?;
            }
            wire.buffer().extend_from_slice(request.bytes());
            return Ok(ReplyPlan::Sealed);
        }
        let before = wire.len();
        let sealed = match admitted.listed_script() {
            Some(_) => self.seal_script(admitted, None, wire.buffer()),
            None => self.seal_protected(admitted, wire.buffer()),
        };
        let sealed = sealed.and_then(|plan| match admitted.blind() {
            // SET ... GET: which options there are is known only now.
            Some(user) if plan.opens() => Err(self.no_plaintext(user, admitted)),
            _ => Ok(plan),
        });
        if sealed.is_err() {
            wire.buffer().truncate(before);
        }
        sealed
    }

    fn no_plaintext(&self, user: &Arc<str>, admitted: &Admitted<'_>) -> Refusal {
        let rule = admitted.hits().first().and_then(|hit| self.policy.rules.rules().get(hit.rule?));
        let command = admitted.request().spec().map_or("", |spec| spec.name);
        Refusal::NoPlaintext { user: user.clone(), command, rule: rule.map(|rule| rule.id.clone()) }
    }

    /// The answer to a command whose arguments are not to be sent but that the table can answer: COMMAND GETKEYS of a
    /// command on an encrypted key.
    pub fn told(admitted: &Admitted<'_>) -> Option<Bytes> {
        let request = admitted.request();
        let tells = request.spec().is_some_and(|spec| spec.verdict == Verdict::Tell);
        (tells && admitted.is_protected()).then(|| Question::told(request))
    }

    /// A place holder inside MULTI for a command that the sidecar answers itself.
    pub fn placeholder(wire: &mut Wire, answer: Bytes) -> ReplyPlan {
        wire.control(Control::Ping);
        ReplyPlan::Replace(answer)
    }

    fn seal_protected(&mut self, admitted: &Admitted<'_>, out: &mut BytesMut) -> Result<ReplyPlan, Refusal> {
        let request = admitted.request();
        // `is_protected` implies a row: a request without one has no key hits.
        let Some(spec) = request.spec() else { return Err(Refusal::UnknownCommand) };
        if self.computes_in_clear(spec, admitted) {
            out.extend_from_slice(request.bytes());
            return Ok(ReplyPlan::Raw);
        }
        if let (Some(Method::Read(computed)), _) | (None, Reply::Computed(computed)) = (admitted.method(), spec.reply) {
            return self.ask(spec, computed, admitted, out);
        }
        match &spec.verdict {
            Verdict::Pass => {
                out.extend_from_slice(request.bytes());
                Ok(ReplyPlan::Raw)
            }
            // Carried out in steps, by whoever asked for them first; there is no one request that does it.
            _ if admitted.method().is_some() => Err(Refusal::InTransaction { command: spec.name }),
            Verdict::Seal(grammar) | Verdict::If { grammar, .. } | Verdict::Unless { grammar, .. } => {
                if !check_arity(spec, request.args().len()) {
                    return Err(Refusal::wrong_arity(spec.name));
                }
                let seals_names = self.seals_field_names(admitted);
                if spec.only_names_fields() && !seals_names {
                    out.extend_from_slice(request.bytes());
                    return Ok(ReplyPlan::Raw);
                }
                let form = understand(spec, *grammar, request.args())?;
                if form.compares && seals_names {
                    if self.refuses_computing(admitted) {
                        return Err(Refusal::ComparesValue { command: spec.name });
                    }
                    return self.ask(spec, Computed::Matching(Scanned::Fields), admitted, out);
                }
                let plan = self.reply_plan(spec, &form, admitted)?;
                self.write_sealed(spec, &form, admitted, out)?;
                Ok(plan)
            }
            Verdict::Document(_) if !check_arity(spec, request.args().len()) => Err(Refusal::wrong_arity(spec.name)),
            Verdict::Document(what) => self.seal_document(spec, *what, admitted, out),
            // Refused on admission already, or answered before; said again because this is the last gate.
            Verdict::Emulate(_) | Verdict::Tell | Verdict::Refuse(_) => Err(Refusal::Unclear { command: spec.name }),
        }
    }

    /// Would it compute on the value of one field that the rule leaves in clear? The server does that itself.
    pub(super) fn computes_in_clear(&self, spec: &Spec, admitted: &Admitted<'_>) -> bool {
        let rule = admitted.hits().first().and_then(|hit| self.policy.rules.rules().get(hit.rule?));
        let field = admitted.request().args().get(2);
        spec.computes_on_a_field() && rule.zip(field).is_some_and(|(rule, field)| !rule.seals_field(field))
    }

    fn refuses_computing(&self, admitted: &Admitted<'_>) -> bool {
        let rule = admitted.hits().first().and_then(|hit| self.policy.rules.rules().get(hit.rule?));
        rule.is_some_and(|rule| rule.refuses_computing)
    }

    /// Does the rule of the request's first key have names of hash fields sealed?
    fn seals_field_names(&self, admitted: &Admitted<'_>) -> bool {
        let rule = admitted.hits().first().and_then(|hit| self.policy.rules.rules().get(hit.rule?));
        rule.is_some_and(|rule| rule.deterministic.field_names)
    }

    fn write_sealed(
        &mut self,
        spec: &'static Spec,
        form: &Form,
        admitted: &Admitted<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        let request = admitted.request();
        let args = request.args();
        if matches!(spec.reply, Reply::FieldMapValues) {
            // The values alone do not say to which field each belongs, and the field is authenticated.
            let key = args.get(1).ok_or_else(|| Refusal::wrong_arity(spec.name))?;
            encode::command(out, &[b"HGETALL", key]);
            return Ok(());
        }
        let names = spec.fields != FieldNames::None && self.seals_field_names(admitted);
        if matches!(spec.values, Values::None) && !names {
            out.extend_from_slice(request.bytes());
            return Ok(());
        }
        if args.len() > MAX_SEALED_ARGS {
            return Err(Refusal::TooManyValues);
        }
        out.reserve(request.bytes().len() + OVERHEAD);
        encode::array_header(out, args.len());
        (0..args.len()).try_for_each(|index| self.write_arg(spec, form, admitted, index, out))
    }

    /// One argument, sealed if it is to be.
    pub(super) fn write_arg(
        &mut self,
        spec: &'static Spec,
        form: &Form,
        admitted: &Admitted<'_>,
        index: usize,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        let arg = admitted.request().args().get(index).ok_or_else(|| Refusal::wrong_arity(spec.name))?;
        match place_of(spec, form, admitted, &self.policy.rules, index)? {
            Some(place) => self.write_value(&place, arg, out),
            None => {
                encode::bulk(out, arg);
                Ok(())
            }
        }
    }

    fn write_value(&mut self, place: &PlaceOf<'_>, value: &[u8], out: &mut BytesMut) -> Result<(), Refusal> {
        let policy = self.policy.clone();
        let rule = &policy.rules.rules()[place.rule];
        if let What::Payload = place.what {
            self.restored(&Payload::of(rule, place.key), value, out);
            return Ok(());
        }
        if value.len() + OVERHEAD > self.max_bulk {
            return Err(Refusal::TooLarge);
        }
        let cipher = self.cipher.as_mut().ok_or_else(|| Refusal::Seal("there is no keyring".into()))?;
        let what = place.what;
        let place = Place { purpose: what.purpose(), scope: scope(rule, place.key), field: place.field };
        let failed = |e: SealError| Refusal::Seal(e.to_string());
        if let What::Hashed = what {
            encode::bulk(out, &cipher.prf(&place, value).map_err(failed)?);
            return Ok(());
        }
        encode::bulk_header(out, value.len() + OVERHEAD);
        // What the server is to find again must give the same bytes each time.
        let found_again = match what {
            What::Member | What::FieldName => true,
            What::Element => rule.deterministic.list_elements,
            What::Value | What::Message | What::Hashed | What::Payload => false,
        };
        if found_again {
            cipher.seal_deterministic(&place, value, out).map_err(failed)?;
        } else {
            cipher.seal(&place, value, out).map_err(failed)?;
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn reply_plan(&self, spec: &'static Spec, form: &Form, admitted: &Admitted<'_>) -> Result<ReplyPlan, Refusal> {
        let args = admitted.request().args();
        let rules = self.policy.rules.rules();
        let owned = |hit: &KeyHit| -> Option<Owned> {
            let rule: &Rule = rules.get(hit.rule?)?;
            Some(Owned::of(rule, args.get(hit.position)?))
        };
        // Owning a scope copies the key, so only where the reply needs it.
        let first = || admitted.hits().first().and_then(owned);
        let field_names = self.seals_field_names(admitted);
        let shaped = |shape: &'static Shape| match shape {
            // What needs no opening need not be held until it is whole.
            shape if !shape.is_sealed(field_names) => ReplyPlan::Sealed,
            Shape::Keyed(_) | Shape::PerKey(_) => {
                let keys = admitted
                    .hits()
                    .iter()
                    .map(|hit| (args.get(hit.position).map_or_else(Bytes::new, copy), owned(hit)));
                let mut keys: Vec<(Bytes, Option<Owned>)> = keys.collect();
                keys.sort_by(|(one, _), (other, _)| one.cmp(other));
                ReplyPlan::OfKeys(keys, shape)
            }
            shape => ReplyPlan::Shaped(first(), shape),
        };
        // Commands on fields have one key; where no rule covers it, nothing is opened.
        let fields = |from: usize| {
            first().map(|key| ReplyPlan::Fields(key, Box::new(Names::from(args, from)))).unwrap_or_default()
        };
        Ok(match &spec.reply {
            // What is worked out here has been asked for in another way.
            Reply::Raw | Reply::Computed(_) => ReplyPlan::Sealed,
            Reply::Payload => {
                let hit = admitted.hits().first();
                let place = hit.and_then(|hit| Some((rules.get(hit.rule?)?, args.get(hit.position)?)));
                let (rule, key) = place.ok_or(Refusal::Unclear { command: spec.name })?;
                ReplyPlan::Payload(Box::new(Payload::of(rule, key)))
            }
            Reply::Info => ReplyPlan::Info { ours: info::asks_for_ours(args) },
            Reply::Shaped(shape) => shaped(shape),
            Reply::Optional { marked, plain } => shaped(if form.marked { marked } else { plain }),
            Reply::ValuePerKey => ReplyPlan::Values(admitted.hits().iter().map(owned).collect()),
            Reply::FieldValue { field } => {
                let field = args.get(usize::from(*field)).unwrap_or_default();
                first()
                    .filter(|key| key.seals(field))
                    .map(|key| ReplyPlan::Field(key, field.into()))
                    .unwrap_or_default()
            }
            Reply::ValuePerField { from } => fields(usize::from(*from)),
            Reply::ValuePerFieldAtStart => fields(form.start),
            Reply::FieldMapValues => first().map(ReplyPlan::FieldMapValues).unwrap_or_default(),
        })
    }
}

fn understand(spec: &'static Spec, grammar: Grammar, args: Args<'_>) -> Result<Form, Refusal> {
    grammar.check(args).map_err(|e| match e {
        GrammarError::ComparesValue => Refusal::ComparesValue { command: spec.name },
        GrammarError::WrongArity => Refusal::wrong_arity(spec.name),
        GrammarError::Syntax | GrammarError::NotAnInteger | GrammarError::NotAnId => Refusal::Redis(format!("ERR {e}")),
    })
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
