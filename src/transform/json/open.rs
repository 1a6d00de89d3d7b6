//! JSON texts of a reply: the strings at the rule's paths are opened, the rest is copied.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;

use super::scan::{Found, ScanFault, Scanner};
use super::{DocumentPlan, Layout, Source};
use crate::command::SealedPaths;
use crate::crypto::{OpenError, Purpose};
use crate::resp::{Proto, Token, Walker, encode};
use crate::transform::Transform;
use crate::transform::open::{OpenFailure, Opened, pass};
use crate::transform::plan::place_in;

impl From<ScanFault> for OpenFailure {
    fn from(_: ScanFault) -> Self {
        Self::Shape
    }
}

impl Transform {
    pub(in crate::transform) fn open_document(
        &mut self,
        plan: &DocumentPlan,
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        match plan {
            DocumentPlan::Text(source, layout) => self.text(source, layout, walk, proto, out),
            DocumentPlan::PerKey(keys) => {
                match walk.next() {
                    Some(Token::Array(items)) if items == keys.len() => encode::array_header(out, items),
                    _ => return Err(OpenFailure::Shape),
                }
                keys.iter().try_for_each(|key| match key {
                    Some((source, layout)) => self.text(source, layout, walk, proto, out),
                    None => pass(walk, out),
                })
            }
            DocumentPlan::OneOrEach(source, layout) => match walk.peek() {
                Some(Token::Array(items)) => {
                    walk.next();
                    encode::array_header(out, items);
                    (0..items).try_for_each(|_| self.text(source, layout, walk, proto, out))
                }
                _ => self.text(source, layout, walk, proto, out),
            },
        }
    }

    /// One text, or null.
    fn text(
        &mut self,
        source: &Source,
        layout: &Layout,
        walk: &mut Walker<'_>,
        proto: Proto,
        out: &mut BytesMut,
    ) -> Opened {
        let text = match walk.next() {
            Some(Token::Null) => {
                encode::null(out, proto);
                return Ok(());
            }
            Some(Token::Bulk(text)) => text,
            _ => return Err(OpenFailure::Shape),
        };
        let mut opened = BytesMut::with_capacity(text.len());
        let mut written = 0;
        for one in layout.find(text, &source.paths)? {
            opened.extend_from_slice(&text[written..one.range.start]);
            self.open_string(source, &one, text, &mut opened)?;
            written = one.range.end;
        }
        opened.extend_from_slice(&text[written..]);
        encode::bulk(out, &opened);
        Ok(())
    }

    /// A string that holds an envelope, or null.
    fn open_string(&mut self, source: &Source, one: &Found<'_>, text: &[u8], out: &mut BytesMut) -> Opened {
        let value = &text[one.range.clone()];
        if value == b"null" {
            out.extend_from_slice(value);
            return Ok(());
        }
        let envelope = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""))
            .and_then(|base64| URL_SAFE_NO_PAD.decode(base64).ok())
            .ok_or(OpenFailure::Value(OpenError::NotSealed))?;
        let place = place_in(&source.owned, Purpose::Document, one.path.as_bytes());
        self.cipher.as_mut().ok_or(OpenFailure::Shape)?.open(&place, &envelope, out)?;
        Ok(())
    }
}

impl Layout {
    /// What is sealed in a text of this layout.
    fn find<'p>(&self, text: &[u8], paths: &'p SealedPaths) -> Result<Vec<Found<'p>>, ScanFault> {
        let mut found = Vec::new();
        let mut scanner = Scanner::new(text)?;
        match self {
            Self::Value(spot) => scanner.walk(paths, spot, &mut found)?,
            Self::Matches(spot) => scanner.elements(|scanner| scanner.walk(paths, spot, &mut found))?,
            Self::Paths { each, lists } => scanner.members(|scanner, name| {
                // A path that was not asked for is not opened for the asking.
                let (_, spot) = each.iter().find(|(asked, _)| **asked == *name).ok_or(ScanFault::NotJson)?;
                if *lists {
                    scanner.elements(|scanner| scanner.walk(paths, spot, &mut found))
                } else {
                    scanner.walk(paths, spot, &mut found)
                }
            })?,
        }
        scanner.end()?;
        Ok(found)
    }
}
