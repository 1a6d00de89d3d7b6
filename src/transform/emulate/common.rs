//! What two strings have in common: LCS.

use bytes::{Bytes, BytesMut};

use super::home::Home;
use super::snapshot::Snapshot;
use super::{Context, Next, Read, Work, integer, unexpected};
use crate::command::Args;
use crate::policy::{Admitted, Refusal};
use crate::resp::{Proto, encode};
use crate::transform::Transform;
use crate::transform::compute::common::{Common, Piece, longest};
use crate::transform::compute::{Complaint, NOT_AN_INTEGER, SYNTAX, number};

const NO_STRINGS: &str = "ERR The specified keys must contain string values";
const BOTH: &str = "ERR If you want both the length and indexes, please just use IDX.";

pub(super) struct Lcs {
    strings: Vec<Home>,
    /// Redis complains of them after it has looked at the types of the keys.
    options: Result<Options, Complaint>,
}

#[derive(Default)]
struct Options {
    length: bool,
    places: bool,
    /// Of a piece whose places are wanted.
    shortest: usize,
    with_lengths: bool,
}

impl Lcs {
    pub fn of(admitted: &Admitted<'_>, transform: &Transform) -> Result<Self, Refusal> {
        let strings = Home::all(0, admitted, transform)?;
        Ok(Self { strings, options: Options::parse(admitted.request().args()) })
    }
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, Complaint> {
        let mut options = Self::default();
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "IDX") {
                options.places = true;
            } else if args.is(at, "LEN") {
                options.length = true;
            } else if args.is(at, "WITHMATCHLEN") {
                options.with_lengths = true;
            } else if args.is(at, "MINMATCHLEN") && at + 1 < args.len() {
                at += 1;
                let shortest = args.get(at).and_then(number::integer).ok_or(NOT_AN_INTEGER)?;
                options.shortest = usize::try_from(shortest).unwrap_or(0);
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        if options.places && options.length { Err(BOTH) } else { Ok(options) }
    }

    fn answer(&self, first: &Bytes, common: &Common, proto: Proto) -> Bytes {
        if self.length {
            return integer(common.len);
        }
        let mut out = BytesMut::new();
        if !self.places {
            let parts: Vec<&[u8]> =
                common.pieces.iter().rev().map(|piece| &first[piece.first..piece.first + piece.len]).collect();
            encode::bulk(&mut out, &parts.concat());
            return out.freeze();
        }
        encode::map_header(&mut out, 2, proto);
        encode::bulk(&mut out, b"matches");
        let pieces: Vec<&Piece> = common.pieces.iter().filter(|piece| piece.len >= self.shortest).collect();
        encode::array_header(&mut out, pieces.len());
        for piece in pieces {
            encode::array_header(&mut out, if self.with_lengths { 3 } else { 2 });
            for from in [piece.first, piece.second] {
                encode::array_header(&mut out, 2);
                out.extend_from_slice(&integer(from));
                out.extend_from_slice(&integer(from + piece.len - 1));
            }
            if self.with_lengths {
                out.extend_from_slice(&integer(piece.len));
            }
        }
        encode::bulk(&mut out, b"len");
        out.extend_from_slice(&integer(common.len));
        out.freeze()
    }
}

impl Work for Lcs {
    fn begin(&mut self) -> Read {
        Read::Snapshot(self.strings.iter().map(|string| string.key.clone()).collect())
    }

    fn take(&mut self, reply: &[u8], at: &mut Context<'_>) -> Result<Next, String> {
        let found = Snapshot::parse(reply, self.strings.len()).ok_or_else(unexpected)?;
        if !found.iter().all(Snapshot::is_string_or_none) {
            return Err(NO_STRINGS.into());
        }
        let options = self.options.as_ref().map_err(|complaint| (*complaint).to_owned())?;
        let strings = Home::open_strings(&self.strings, &found, at.transform)?;
        let [first, second] = strings.as_slice() else { return Err(unexpected()) };
        let common = longest(first, second)?;
        Ok(Next::Answer(options.answer(first, &common, at.proto)))
    }
}
