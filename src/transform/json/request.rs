//! A JSON command: where its paths lead, and its values with what is at the rule's paths sealed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};

use super::scan::{ScanFault, compact, find};
use super::{DocumentPlan, Layout, Source, sealed_len};
use crate::command::{Args, Document, JsonPath, Nowhere, Spec, Spot};
use crate::crypto::Purpose;
use crate::policy::rules::Rule;
use crate::policy::{Admitted, JsonFault, KeyHit, Refusal};
use crate::resp::encode;
use crate::transform::Transform;
use crate::transform::plan::{Owned, ReplyPlan, place_in};
use crate::transform::seal::MAX_SEALED_ARGS;

/// A key of the request with its rule, which names paths.
struct Target<'a> {
    command: &'static str,
    rule: &'a Rule,
    source: Source,
}

impl Transform {
    /// Appends a JSON command on at least one key under a rule.
    pub(in crate::transform) fn seal_document(
        &mut self,
        spec: &'static Spec,
        what: Document,
        admitted: &Admitted<'_>,
        out: &mut BytesMut,
    ) -> Result<ReplyPlan, Refusal> {
        let args = admitted.request().args();
        if args.len() > MAX_SEALED_ARGS {
            return Err(Refusal::TooManyValues);
        }
        let policy = self.policy.clone();
        let target = |hit: &KeyHit| {
            let rule = hit.rule.map(|rule| &policy.rules.rules()[rule])?;
            Some(target(spec, rule, args.get(hit.position).unwrap_or_default()))
        };
        let targets = admitted.hits().iter().map(target).map(Option::transpose).collect::<Result<Vec<_>, _>>()?;
        match what {
            Document::SetEach => self.set_each(args, &targets, out),
            Document::GetEach => {
                let path = args.get(args.len() - 1).unwrap_or_default();
                let plan = |target: &Option<Target<'_>>| target.as_ref().map(|one| one.reads(path)).transpose();
                let plans = targets.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
                out.extend_from_slice(admitted.request().bytes());
                Ok(DocumentPlan::PerKey(plans).into())
            }
            _ => {
                let [Some(target)] = targets.as_slice() else { return Err(Refusal::Unclear { command: spec.name }) };
                if let Some(from) = target.values(what, args)? {
                    return self.write_values(target, what, args, from, out);
                }
                let plan = target.reply(what, args)?;
                out.extend_from_slice(admitted.request().bytes());
                Ok(plan)
            }
        }
    }

    /// JSON.SET, JSON.MERGE, JSON.ARRAPPEND, JSON.ARRINSERT.
    fn write_values(
        &mut self,
        target: &Target<'_>,
        what: Document,
        args: Args<'_>,
        from: usize,
        out: &mut BytesMut,
    ) -> Result<ReplyPlan, Refusal> {
        let mut spot = target.spot(args.get(2).unwrap_or_default())?;
        let mut to = from + 1;
        if matches!(what, Document::Elements { .. }) {
            target.not_sealed(&spot)?;
            spot = target.source.paths.element(&spot);
            to = args.len();
        }
        encode::array_header(out, args.len());
        for (index, arg) in args.iter().enumerate() {
            if (from..to).contains(&index) {
                self.write_document(target, &spot, what == Document::Merge, arg, out)?;
            } else {
                encode::bulk(out, arg);
            }
        }
        Ok(ReplyPlan::Raw)
    }

    /// JSON.MSET.
    fn set_each(
        &mut self,
        args: Args<'_>,
        targets: &[Option<Target<'_>>],
        out: &mut BytesMut,
    ) -> Result<ReplyPlan, Refusal> {
        if args.len() != 1 + targets.len() * 3 {
            return Err(Refusal::wrong_arity("json.mset"));
        }
        encode::array_header(out, args.len());
        for (index, arg) in args.iter().enumerate() {
            // Behind each key its path and its value.
            let target = index.checked_sub(3).filter(|at| at % 3 == 0).and_then(|at| targets[at / 3].as_ref());
            match target {
                Some(target) => {
                    let spot = target.spot(args.get(index - 1).unwrap_or_default())?;
                    self.write_document(target, &spot, false, arg, out)?;
                }
                None => encode::bulk(out, arg),
            }
        }
        Ok(ReplyPlan::Raw)
    }

    /// One value that comes to stand at `spot`.
    fn write_document(
        &mut self,
        target: &Target<'_>,
        spot: &Spot,
        merges: bool,
        text: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        if spot.is_clear() {
            encode::bulk(out, text);
            return Ok(());
        }
        let mut found = find(text, &target.source.paths, spot).map_err(|fault| match fault {
            ScanFault::NotJson => target.refuse(JsonFault::NotJson),
            ScanFault::TooMany => Refusal::TooManyValues,
        })?;
        found.retain(|one| &text[one.range.clone()] != b"null");
        if merges && found.iter().any(|one| text[one.range.start] == b'{') {
            return Err(target.refuse(JsonFault::Merges));
        }
        let grown = found.iter().map(|one| sealed_len(one.range.len())).sum::<usize>() + text.len();
        if grown > self.max_bulk {
            return Err(Refusal::TooLarge);
        }
        let cipher = self.cipher.as_mut().ok_or_else(|| Refusal::Seal("there is no keyring".into()))?;
        let mut document = BytesMut::with_capacity(grown);
        let (mut envelope, mut written) = (BytesMut::new(), 0);
        for one in &found {
            let place = place_in(&target.source.owned, Purpose::Document, one.path.as_bytes());
            envelope.clear();
            cipher
                .seal(&place, &compact(&text[one.range.clone()]), &mut envelope)
                .map_err(|e| Refusal::Seal(e.to_string()))?;
            document.extend_from_slice(&text[written..one.range.start]);
            document.extend_from_slice(b"\"");
            document.extend_from_slice(URL_SAFE_NO_PAD.encode(&envelope).as_bytes());
            document.extend_from_slice(b"\"");
            written = one.range.end;
        }
        document.extend_from_slice(&text[written..]);
        encode::bulk(out, &document);
        Ok(())
    }
}

fn target<'a>(spec: &'static Spec, rule: &'a Rule, key: &[u8]) -> Result<Target<'a>, Refusal> {
    // Refused on admission already; said again because this is the last gate.
    let paths = rule.json.clone().ok_or(Refusal::Unclear { command: spec.name })?;
    Ok(Target { command: spec.name, rule, source: Source { owned: Owned::of(rule, key), paths } })
}

impl Target<'_> {
    fn refuse(&self, why: JsonFault) -> Refusal {
        Refusal::Json { command: self.command, rule: self.rule.id.clone(), why }
    }

    fn locate(&self, path: &[u8]) -> Result<(bool, Spot), Refusal> {
        let path = JsonPath::parse(path).map_err(|_| self.refuse(JsonFault::Path))?;
        let spot = self.source.paths.locate(&path).map_err(|why| {
            self.refuse(match why {
                Nowhere::Several => JsonFault::Several,
                Nowhere::Inside => JsonFault::Inside,
            })
        })?;
        Ok((path.lists, spot))
    }

    fn spot(&self, path: &[u8]) -> Result<Spot, Refusal> {
        self.locate(path).map(|(_, spot)| spot)
    }

    fn not_sealed(&self, spot: &Spot) -> Result<(), Refusal> {
        match self.source.paths.sealed(spot) {
            Some(_) => Err(self.refuse(JsonFault::AtSealed)),
            None => Ok(()),
        }
    }

    /// What JSON.MGET gives for this key.
    fn reads(&self, path: &[u8]) -> Result<(Source, Layout), Refusal> {
        let (lists, spot) = self.locate(path)?;
        Ok((self.source.clone(), Layout::of(lists, spot)))
    }

    /// Where the values of a command that brings some begin, if its form is understood.
    fn values(&self, what: Document, args: Args<'_>) -> Result<Option<usize>, Refusal> {
        let fits = match what {
            Document::Set => args.len() == 4 || (args.len() == 5 && (args.is(4, "NX") || args.is(4, "XX"))),
            Document::Merge => args.len() == 4,
            Document::Elements { from } => args.len() > usize::from(from),
            _ => return Ok(None),
        };
        match what {
            _ if !fits => Err(self.refuse(JsonFault::Arguments)),
            Document::Elements { from } => Ok(Some(usize::from(from))),
            _ => Ok(Some(3)),
        }
    }

    /// The plan of a command that brings no value, or its refusal.
    fn reply(&self, what: Document, args: Args<'_>) -> Result<ReplyPlan, Refusal> {
        if what == Document::Get {
            let layout = self.get(args)?;
            return Ok(match layout.is_clear() {
                true => ReplyPlan::Raw,
                false => DocumentPlan::Text(self.source.clone(), layout).into(),
            });
        }
        let path = self.path_argument(what, args)?;
        let spot = path.map_or_else(|| Ok(self.source.paths.root()), |path| self.spot(path))?;
        match what {
            Document::Pop => {
                self.not_sealed(&spot)?;
                // Whatever the path's form, each element that is popped is a text of its own.
                let layout = Layout::Value(self.source.paths.element(&spot));
                if !layout.is_clear() {
                    return Ok(DocumentPlan::OneOrEach(self.source.clone(), layout).into());
                }
            }
            Document::Here { .. } => self.not_sealed(&spot)?,
            Document::Deep { .. } if !spot.is_clear() => {
                self.not_sealed(&spot)?;
                return Err(self.refuse(JsonFault::HoldsSealed));
            }
            _ => {}
        }
        Ok(ReplyPlan::Raw)
    }

    /// The path of a command that has at most one.
    fn path_argument<'b>(&self, what: Document, args: Args<'b>) -> Result<Option<&'b [u8]>, Refusal> {
        let at_path = args.get(2);
        let (with, without) = match what {
            // A word instead of the path would have the server answer in another shape.
            Document::Pop if !args.is(2, "FORMAT") => (3..=4, 2..=2),
            Document::Remove => (3..=3, 2..=2),
            Document::Here { after } => (3 + usize::from(after)..=3 + usize::from(after), 2..=2 + usize::from(after)),
            Document::Deep { after } => (3..=3 + usize::from(after), 2..=2),
            _ => return Err(self.refuse(JsonFault::Arguments)),
        };
        match args.len() {
            len if with.contains(&len) => Ok(at_path),
            len if without.contains(&len) => Ok(None),
            _ => Err(self.refuse(JsonFault::Arguments)),
        }
    }

    /// `JSON.GET key [INDENT text] [NEWLINE text] [SPACE text] [NOESCAPE] [path ...]`, in any order.
    fn get(&self, args: Args<'_>) -> Result<Layout, Refusal> {
        let mut paths: Vec<(Bytes, bool, Spot)> = Vec::new();
        let mut at = 2;
        while let Some(arg) = args.get(at) {
            at += 1;
            if ["INDENT", "NEWLINE", "SPACE"].iter().any(|word| args.is(at - 1, word)) {
                // Anything but blanks would make the reply something else than JSON.
                let text = args.get(at).filter(|text| text.iter().all(|byte| b" \t\r\n".contains(byte)));
                text.ok_or_else(|| self.refuse(JsonFault::Arguments))?;
                at += 1;
            } else if args.is(at - 1, "FORMAT") {
                return Err(self.refuse(JsonFault::Arguments));
            } else if !args.is(at - 1, "NOESCAPE") {
                let (lists, spot) = self.locate(arg)?;
                paths.push((Bytes::copy_from_slice(arg), lists, spot));
            }
        }
        let lists = paths.iter().any(|(_, lists, _)| *lists);
        Ok(match paths.len() {
            0 => Layout::Value(self.source.paths.root()),
            1 => Layout::of(lists, paths.swap_remove(0).2),
            _ => Layout::Paths { each: paths.into_iter().map(|(name, _, spot)| (name, spot)).collect(), lists },
        })
    }
}
