//! What is sealed in a reply, as a small tree that the transform room walks together with the reply.

/// The shape of (a part of) a reply on an encrypted key. Null and errors pass wherever they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Passes as it came, whatever it is.
    Raw,
    /// A bulk string sealed as a value.
    Value,
    /// A bulk string sealed as a member.
    Member,
    /// An array or set of one shape.
    Each(&'static Shape),
    /// An array of fixed shapes.
    Tuple(&'static [Shape]),
    /// The same, of which the last may be missing: XAUTOCLAIM before Redis 7.
    TupleOrShorter(&'static [Shape]),
    /// One of the shape, or an array of it: LPOP without and with a count.
    OneOrEach(&'static Shape),
    /// The shape if it is an array; anything else passes.
    IfArray(&'static Shape),
    /// One of the shape, or an array that begins with it and goes on with what passes: GEOSEARCH
    /// without and with WITHDIST.
    Head(&'static Shape),
    /// Two shapes in turn: flat, as pairs, or as a map.
    Pairs(&'static Shape, &'static Shape),
    /// Fields of a hash and values sealed for their field; laid out like `Pairs`.
    Fields,
    /// Names and what belongs to each, flat or as a map: XINFO STREAM. What is not named here must be a scalar.
    Named(&'static [(&'static str, Shape)]),
    /// The same of a stream's entry, where the names of fields are always in clear.
    Entry,
    /// The name of a hash field, sealed if the rule says so.
    FieldName,
    /// An array of a key and what belongs to it: BLPOP, LMPOP. Which key it is decides how the rest opens.
    Keyed(&'static [Shape]),
    /// Such arrays, or a map from keys: XREAD.
    PerKey(&'static Shape),
}

impl Shape {
    /// Whether there is anything to open in it, on a key whose rule seals the names of fields or not.
    #[must_use]
    pub fn is_sealed(&self, field_names: bool) -> bool {
        match self {
            Self::Raw => false,
            Self::FieldName => field_names,
            Self::Value | Self::Member | Self::Fields | Self::Entry => true,
            Self::Each(one) | Self::OneOrEach(one) | Self::IfArray(one) | Self::Head(one) | Self::PerKey(one) => {
                one.is_sealed(field_names)
            }
            Self::Tuple(parts) | Self::TupleOrShorter(parts) | Self::Keyed(parts) => {
                parts.iter().any(|part| part.is_sealed(field_names))
            }
            Self::Named(parts) => parts.iter().any(|(_, part)| part.is_sealed(field_names)),
            Self::Pairs(first, second) => first.is_sealed(field_names) || second.is_sealed(field_names),
        }
    }
}
