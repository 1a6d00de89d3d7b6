//! As much of msgpack as scripts are called with: arrays of texts and numbers.
//!
//! Must never: take what it does not know for something else. An element of another kind ends the reading.

/// An element of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    Text(&'a [u8]),
    /// A number, a truth value or nothing, as it is written.
    Scalar(&'a [u8]),
}

/// The elements of one array, which is all that there is.
pub fn array(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let (count, mut rest) = header(bytes)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        let (element, behind) = element(rest)?;
        elements.push(element);
        rest = behind;
    }
    rest.is_empty().then_some(elements)
}

/// The first element of an array, if it is a text. The others are not looked at.
pub fn first_text(bytes: &[u8]) -> Option<&[u8]> {
    match element(header(bytes)?.1)? {
        (Element::Text(text), _) => Some(text),
        _ => None,
    }
}

/// Writes an array.
pub fn write_array(elements: &[Element<'_>]) -> Option<Vec<u8>> {
    let mut out = vec![0xdd];
    out.extend(u32::try_from(elements.len()).ok()?.to_be_bytes());
    for element in elements {
        match element {
            Element::Scalar(bytes) => out.extend_from_slice(bytes),
            Element::Text(text) => {
                out.push(0xdb);
                out.extend(u32::try_from(text.len()).ok()?.to_be_bytes());
                out.extend_from_slice(text);
            }
        }
    }
    Some(out)
}

fn header(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    match kind {
        0x90..=0x9f => Some((usize::from(kind & 0x0f), rest)),
        0xdc => number(rest, 2),
        0xdd => number(rest, 4),
        _ => None,
    }
}

fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let text = |(length, rest): (usize, _)| take(rest, length).map(|(text, rest)| (Element::Text(text), rest));
    let scalar = |length: usize| {
        let whole = bytes.get(..length)?;
        Some((Element::Scalar(whole), &bytes[length..]))
    };
    match kind {
        0xa0..=0xbf => text((usize::from(kind & 0x1f), rest)),
        0xd9 | 0xc4 => text(number(rest, 1)?),
        0xda | 0xc5 => text(number(rest, 2)?),
        0xdb | 0xc6 => text(number(rest, 4)?),
        // Small numbers, nothing, false, true; then numbers of 1, 2, 4 and 8 bytes.
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => scalar(1),
        0xcc | 0xd0 => scalar(2),
        0xcd | 0xd1 => scalar(3),
        0xca | 0xce | 0xd2 => scalar(5),
        0xcb | 0xcf | 0xd3 => scalar(9),
        _ => None,
    }
}

fn number(bytes: &[u8], length: usize) -> Option<(usize, &[u8])> {
    let (digits, rest) = take(bytes, length)?;
    Some((digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest))
}

fn take(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    (bytes.len() >= length).then(|| bytes.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let long = vec![b'x'; 70_000];
        let elements =
            [Element::Text(b"data"), Element::Text(&long), Element::Scalar(&[0xc0]), Element::Scalar(&[0xcd, 1, 2])];
        let written = write_array(&elements).unwrap();
        assert!(array(&written).unwrap() == elements);
        assert_eq!(first_text(&written), Some(&b"data"[..]));
        assert_eq!(first_text(&[0x92, 0xa1, b'p', 0x81]), Some(&b"p"[..]));
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_not_read() {
        let written = write_array(&[Element::Text(b"data"), Element::Scalar(&[0xcd, 1, 2])]).unwrap();
        for length in 0..written.len() {
            assert!(array(&written[..length]).is_none(), "{length}");
        }
        assert!(array(&[&written[..], &[0xc0]].concat()).is_none());
        for other in [
            &[0x91, 0x80][..],
            &[0x91, 0x91, 0xc0],
            &[0x80],
            &[0xdd, 255, 255, 255, 255],
            &[0x91, 0xdb, 255, 255, 255, 255],
        ] {
            assert!(array(other).is_none());
        }
    }
}
