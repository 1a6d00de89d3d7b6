//! Every row of the table by somebody who may not see plaintext.

use super::*;
use crate::policy::Plaintext;

/// How many rows pass. Of each that does nothing is opened, worked out, or told of a guess.
fn rows_that_pass(plaintext: Plaintext, rule: RuleSource) -> usize {
    let grants = Grants { plaintext, monitor: true, ..Grants::default() };
    let mut transform = transform_for(grants, rule, Arc::new(Keyring::generate().unwrap()));
    let mut passed = 0;
    for spec in table().iter().filter(|spec| !matches!(spec.keys, Keys::None)) {
        let args = sample(spec);
        let refs: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let (sent, plan) = match seal(&mut transform, &refs) {
            Ok(sealed) => sealed,
            Err(refusal) => {
                assert!(!contains(refusal.to_string().as_bytes(), MARKER), "{} shows an argument", spec.name);
                continue;
            }
        };
        passed += 1;
        let shown = matches!(plan, ReplyPlan::Raw | ReplyPlan::Sealed | ReplyPlan::Commands(_));
        assert!(shown, "{} has its reply opened", spec.name);
        assert!(!spec.is_emulated(), "{} computes", spec.name);
        let seals_members = matches!(
            spec.values,
            Values::Members { .. } | Values::GroupedMembers { .. } | Values::MemberAtStart | Values::Hashed { .. }
        );
        assert!(!seals_members, "{} tells whether a guess is right", spec.name);
        if spec.values == Values::None {
            assert_eq!(sent, args, "{} does not pass as it came", spec.name);
        } else {
            assert!(!sent.iter().any(|arg| contains(arg, MARKER)), "{} sends the marker in clear", spec.name);
        }
        if plaintext == Plaintext::Refuse {
            let silent = matches!(spec.reply, Reply::Raw | Reply::Optional { plain: Shape::Raw, .. });
            assert!(silent, "{} shows what is there", spec.name);
        }
    }
    passed
}

#[test]
fn nothing_is_opened_for_whoever_may_not_see_it() {
    let field_names = Deterministic { field_names: true, list_elements: true };
    for scope in [Scope::Key, Scope::Rule] {
        let (shown, silent) = (
            rows_that_pass(Plaintext::Ciphertext, rule(&["*"], scope)),
            rows_that_pass(Plaintext::Refuse, rule(&["*"], scope)),
        );
        assert!(shown > silent && silent > 60, "{shown} {silent}");
        let with_names = RuleSource { deterministic: field_names, ..rule(&["*"], scope) };
        assert!(rows_that_pass(Plaintext::Ciphertext, with_names) < shown, "a field's name is a guess there");
    }
}
