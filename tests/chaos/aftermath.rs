//! What may be stored after a connection was lost with commands under way.

use std::collections::BTreeMap;

use super::model::{Database, FIELDS, KEYS, Op, State};
use super::wire::short;
use crate::support::Frame;

/// After the connection was lost with `unanswered` under way, is `found` what can be there? `before` was acknowledged.
/// `in_order`: what was carried out is a beginning of what was sent; else (some of it may have been refused as not
/// sent, and that reply been lost too) any part of it in the same order.
pub fn plausible(before: &State, unanswered: &[Op], found: &[Database], in_order: bool) -> Result<(), String> {
    for (number, found) in found.iter().enumerate() {
        if in_order {
            let mut state = before.clone();
            let mut fits = state.databases[number] == *found;
            for op in unanswered {
                op.apply(&mut state);
                fits |= state.databases[number] == *found;
            }
            if !fits {
                return Err(format!("database {number} is in none of the states that the client went through"));
            }
        }
        plausible_parts(&before.databases[number], unanswered, found)
            .map_err(|what| format!("database {number}: {what}"))?;
    }
    Ok(())
}

fn plausible_parts(before: &Database, unanswered: &[Op], found: &Database) -> Result<(), String> {
    let mut strings: BTreeMap<usize, Vec<Option<&Vec<u8>>>> = BTreeMap::new();
    let mut fields: BTreeMap<usize, Vec<&Vec<u8>>> = BTreeMap::new();
    let (mut increments, mut pops) = (0, 0);
    let mut list: Vec<&Vec<u8>> = before.list.iter().collect();
    for op in unanswered.iter().flat_map(Op::parts) {
        match op {
            Op::Set(at, value) | Op::SetGet(at, value) => strings.entry(*at).or_default().push(Some(value)),
            Op::SetBoth(a, one, b, two) => {
                strings.entry(*a).or_default().push(Some(one));
                strings.entry(*b).or_default().push(Some(two));
            }
            Op::Delete(at) | Op::GetDel(at) => strings.entry(*at).or_default().push(None),
            Op::HashSet(at, value) => fields.entry(*at).or_default().push(value),
            Op::Increment => increments += 1,
            Op::Push(value) => list.push(value),
            Op::Pop | Op::BlockingPop => pops += 1,
            _ => {}
        }
    }
    for key in 0..KEYS {
        let found = found.strings.get(&key);
        let unknown = strings.get(&key).is_some_and(|may| may.contains(&found));
        if found != before.strings.get(&key) && !unknown {
            return Err(format!("key {key} holds {}", shown(found)));
        }
    }
    for field in 0..FIELDS {
        let found = found.fields.get(&field);
        let unknown = found.is_some_and(|value| fields.get(&field).is_some_and(|may| may.contains(&value)));
        if found != before.fields.get(&field) && !unknown {
            return Err(format!("field {field} holds {}", shown(found)));
        }
    }
    if !(before.counter..=before.counter + increments).contains(&found.counter) {
        return Err(format!("the counter is {}, acknowledged were {}", found.counter, before.counter));
    }
    // Nothing twice, nothing foreign, in order; and no more missing than may have been popped.
    let mut possible = list.iter();
    if !found.list.iter().all(|value| possible.any(|other| *other == value)) {
        return Err("the list holds what was not pushed, or in another order".into());
    }
    let kept = before.list.iter().filter(|value| found.list.contains(value)).count();
    if before.list.len() - kept > pops {
        return Err("an acknowledged element of the list is gone".into());
    }
    Ok(())
}

fn shown(value: Option<&Vec<u8>>) -> String {
    value.map_or("nothing".into(), |value| short(&Frame::Bulk(value.clone())))
}
