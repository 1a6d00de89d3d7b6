//! What must differ between two servers that were asked the same, and is therefore not compared.

use super::raw::Frame;

/// Names of what depends on the moment, or on how large a stream's entries are stored.
const OWN: [&str; 6] = ["radix-tree-keys", "radix-tree-nodes", "idle", "inactive", "seen-time", "active-time"];
/// So many milliseconds since 1970 are a moment, and no number of anything else.
const MOMENT: i64 = 1_000_000_000_000;

/// The reply without it.
pub fn settled(frame: Frame) -> Frame {
    let is_own = |name: &Frame| matches!(name, Frame::Bulk(name) if OWN.iter().any(|own| own.as_bytes() == name));
    match frame {
        Frame::Integer(number) if number > MOMENT => Frame::Integer(MOMENT),
        Frame::Array(items) => {
            let mut after_own = false;
            let settle = |item: Frame| {
                let item = if std::mem::take(&mut after_own) { Frame::Null } else { item };
                after_own = is_own(&item);
                settled(item)
            };
            Frame::Array(items.into_iter().map(settle).collect())
        }
        Frame::Map(pairs) => {
            let settle = |(name, value)| if is_own(&name) { (name, Frame::Null) } else { (name, settled(value)) };
            Frame::Map(pairs.into_iter().map(settle).collect())
        }
        other => other,
    }
}
