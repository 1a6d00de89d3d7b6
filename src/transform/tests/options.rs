//! What a rule can say beside its keys: channels, fields, deterministic names and elements.

use super::*;
use crate::command::FieldNames;

#[test]
fn a_rule_may_name_its_channels() {
    let rule = RuleSource { channels: Some(vec![b"chat:*".to_vec()]), ..rule(&["s:*"], Scope::Key) };
    let mut t = transform_of(rule, Arc::new(Keyring::generate().unwrap()));
    for command in ["PUBLISH", "SPUBLISH"] {
        let (sent, _) = seal(&mut t, &[command.as_bytes(), b"chat:1", MARKER]).unwrap();
        assert!(!contains(&sent[2], MARKER), "{command}");
        let (sent, _) = seal(&mut t, &[command.as_bytes(), b"s:1", MARKER]).unwrap();
        assert_eq!(sent[2], MARKER, "{command}: a key's name, and no channel of the rule");
    }
    let (sent, _) = seal(&mut t, &[b"SET", b"chat:1", MARKER]).unwrap();
    assert_eq!(sent[2], MARKER, "a channel's name, and no key of the rule");
}

#[test]
fn only_the_named_fields_are_sealed_and_opened() {
    let fields = Some(vec![b"ssn".to_vec(), b"card-*".to_vec()]);
    let rule = RuleSource { fields, ..rule(&["h"], Scope::Key) };
    let mut t = transform_of(rule, Arc::new(Keyring::generate().unwrap()));
    for command in [
        &[&b"HSET"[..], b"h", b"ssn", MARKER, b"city", b"Ulm", b"card-1", MARKER][..],
        &[b"HMSET", b"h", b"city", b"Ulm", b"ssn", MARKER, b"card-", MARKER],
        &[b"HSETEX", b"h", b"EX", b"9", b"FIELDS", b"2", b"city", b"Ulm", b"ssn", MARKER],
        &[b"HSETNX", b"h", b"ssn", MARKER],
        &[b"HSETNX", b"h", b"city", b"Ulm"],
        &[b"XADD", b"h", b"*", b"city", b"Ulm", b"card-2", MARKER],
    ] {
        let (sent, _) = seal(&mut t, command).unwrap();
        for (given, got) in command.iter().zip(&sent) {
            let changed = given != got;
            assert_eq!(changed, *given == MARKER, "{}", command[0].escape_ascii());
            assert!(!changed || got.len() == MARKER.len() + OVERHEAD);
        }
    }
    // Other types know no fields, so they are sealed whole.
    let (sent, _) = seal(&mut t, &[b"SET", b"h", MARKER]).unwrap();
    assert!(!contains(&sent[2], MARKER));

    let (sent, _) = seal(&mut t, &[b"HSET", b"h", b"ssn", MARKER]).unwrap();
    let sealed = sent[3].clone();
    let lookalike = sealed.clone();
    let pairs = |out: &mut BytesMut| {
        encode::array_header(out, 6);
        for part in [&b"city"[..], b"Ulm", b"ssn", &sealed, b"own", &lookalike] {
            encode::bulk(out, part);
        }
    };
    let want = [&b"city"[..], b"Ulm", b"ssn", MARKER, b"own", &lookalike].map(<[u8]>::to_vec);
    let (_, plan) = seal(&mut t, &[b"HGETALL", b"h"]).unwrap();
    assert_eq!(bulks(&open(&mut t, &plan, Proto::Resp2, pairs)), want, "what only looks sealed is the client's own");
    let (_, plan) = seal(&mut t, &[b"HVALS", b"h"]).unwrap();
    assert_eq!(bulks(&open(&mut t, &plan, Proto::Resp2, pairs)), [b"Ulm".to_vec(), MARKER.to_vec(), lookalike.clone()]);
    let (_, plan) = seal(&mut t, &[b"HMGET", b"h", b"city", b"ssn", b"none"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp3, |out| {
        encode::array_header(out, 3);
        encode::bulk(out, b"Ulm");
        encode::bulk(out, &sealed);
        encode::null(out, Proto::Resp3);
    });
    assert_eq!(bulks(&got), [b"Ulm".to_vec(), MARKER.to_vec()]);
    let (_, plan) = seal(&mut t, &[b"HGET", b"h", b"city"]).unwrap();
    assert!(matches!(plan, ReplyPlan::Raw));
    // A named field must be sealed, and under another name its envelope is of no use.
    for (field, value) in [(&b"ssn"[..], &b"123"[..]), (b"card-1", &sealed)] {
        let (_, plan) = seal(&mut t, &[b"HGET", b"h", field]).unwrap();
        let got = open(&mut t, &plan, Proto::Resp2, |out| encode::bulk(out, value));
        assert!(got.starts_with(b"-WAXSEAL OPEN_FAILED "), "{}", got.escape_ascii());
    }
    for command in
        [&[&b"HINCRBY"[..], b"h", b"n", b"1"][..], &[b"HINCRBYFLOAT", b"h", b"n", b"1"], &[b"HSTRLEN", b"h", b"n"]]
    {
        let (sent, plan) = seal(&mut t, command).unwrap();
        assert!(sent[0] == command[0] && matches!(plan, ReplyPlan::Raw));
        let mut named = command.to_vec();
        named[2] = b"ssn";
        match seal(&mut t, &named) {
            Ok((sent, _)) => assert_eq!(sent[0], b"HGET", "HSTRLEN is worked out here"),
            Err(refusal) => assert!(matches!(refusal, Refusal::InTransaction { .. }), "in one step it is not possible"),
        }
    }
}

fn with_deterministic(field_names: bool, list_elements: bool) -> Transform {
    let deterministic = Deterministic { field_names, list_elements };
    let rule = RuleSource { deterministic, ..rule(&["h*"], Scope::Rule) };
    transform_of(rule, Arc::new(Keyring::generate().unwrap()))
}

#[test]
fn no_row_lets_the_name_of_a_field_out_where_the_rule_seals_names() {
    const NAME: &[u8] = b"FIELD-NAME-MARKER";
    let mut sealing = with_deterministic(true, false);
    let mut plain = transform(&["h*"]);
    let lines = "hdel h F F|hexists h F|hexpire h 9 FIELDS 2 F F|hexpire h 9 NX FIELDS 1 F|hexpireat h 9 FIELDS 1 F|hexpiretime h FIELDS 1 F|hget h F|\
                 hgetdel h FIELDS 2 F F|hgetex h EX 9 FIELDS 1 F|hmget h F F|hmset h F V F V|hpersist h FIELDS 1 F|hpexpire h 9 GT FIELDS 1 F|\
                 hpexpireat h 9 FIELDS 1 F|hpexpiretime h FIELDS 1 F|hpttl h FIELDS 1 F|hset h F V F V|hsetex h FXX FIELDS 2 F V F V|hsetnx h F V|hstrlen h F|httl h FIELDS 2 F F";
    let mut seen = Vec::new();
    for line in lines.split('|').map(str::trim) {
        let words: Vec<&[u8]> = line
            .split(' ')
            .map(|word| match word {
                "F" => NAME,
                "V" => MARKER,
                word => word.as_bytes(),
            })
            .collect();
        let (sent, _) = seal(&mut sealing, &words).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        let names: Vec<_> = words.iter().zip(&sent).filter(|(word, _)| **word == NAME).map(|(_, sent)| sent).collect();
        assert!(!names.is_empty() && names.iter().all(|name| name.len() == NAME.len() + OVERHEAD), "{line}");
        assert!(names.iter().all(|name| *name == names[0]), "{line}: the server must find it");
        assert!(sent.iter().all(|arg| !contains(arg, NAME) && !contains(arg, MARKER)), "{line}");
        let others = words.iter().zip(&sent).filter(|(word, _)| **word != NAME && **word != MARKER);
        // HSTRLEN is asked as HGET.
        assert!(others.into_iter().all(|(word, sent)| word == sent || *word == b"hstrlen"), "{line}");
        let (sent, _) = seal(&mut plain, &words).unwrap();
        assert!(sent.iter().any(|arg| arg == NAME), "{line}: in clear where the rule does not say so");
        seen.push(line.split(' ').next().unwrap());
    }
    for spec in table().iter().filter(|spec| spec.fields != FieldNames::None) {
        // What takes several steps is tried in tests/rules.rs.
        assert!(seen.contains(&spec.name) || matches!(spec.verdict, Verdict::Emulate(_)), "{} is not tried", spec.name);
    }
    for line in ["hincrby h F 1", "hexpire h 9 F", "httl h FIELDS 2 F"] {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        assert!(seal(&mut sealing, &words).is_err(), "{line}");
    }
    assert!(seal(&mut sealing, &[b"hscan", b"h", b"0", b"MATCH", b"*", b"NOVALUES"]).is_ok());
    // What a pattern tells of names stays here.
    let (sent, _) = seal(&mut sealing, &[b"hscan", b"h", b"0", b"MATCH", NAME, b"COUNT", b"5"]).unwrap();
    assert_eq!(sent, [&b"hscan"[..], b"h", b"0", b"COUNT", b"5"]);
    // Names of stream fields stay in clear.
    let (sent, _) = seal(&mut sealing, &[b"XADD", b"h", b"*", NAME, MARKER]).unwrap();
    assert_eq!(sent[3], NAME);
}

#[test]
fn sealed_names_of_fields_come_back_in_every_shape() {
    let mut t = with_deterministic(true, false);
    let (sent, _) = seal(&mut t, &[b"HSET", b"h", b"f", b"1st", b"", b"2nd"]).unwrap();
    let (f, first, g, second) = (&sent[2], &sent[3], &sent[4], &sent[5]);
    let want: Vec<Vec<u8>> = [&b"f"[..], b"1st", b"", b"2nd"].iter().map(|part| part.to_vec()).collect();
    let flat = |out: &mut BytesMut| {
        encode::array_header(out, 4);
        [f, first, g, second].iter().for_each(|part| encode::bulk(out, part));
    };
    let names = |out: &mut BytesMut| {
        encode::array_header(out, 2);
        [f, g].iter().for_each(|part| encode::bulk(out, part));
    };
    for (command, write, got) in [
        (&[&b"HGETALL"[..], b"h"][..], &flat as &dyn Fn(&mut BytesMut), want.clone()),
        (&[b"HVALS", b"h"], &flat, vec![want[1].clone(), want[3].clone()]),
        (&[b"HRANDFIELD", b"h", b"2", b"WITHVALUES"], &flat, want.clone()),
        (&[b"HRANDFIELD", b"h", b"2"], &names, vec![want[0].clone(), want[2].clone()]),
        (&[b"HRANDFIELD", b"h"], &|out| encode::bulk(out, f), vec![want[0].clone()]),
        (&[b"HKEYS", b"h"], &names, vec![want[0].clone(), want[2].clone()]),
        (&[b"HGET", b"h", b"f"], &|out| encode::bulk(out, first), vec![want[1].clone()]),
    ] {
        let (_, plan) = seal(&mut t, command).unwrap();
        assert_eq!(bulks(&open(&mut t, &plan, Proto::Resp2, write)), got, "{}", command[0].escape_ascii());
    }
    for (command, write) in [
        (&[&b"HSCAN"[..], b"h", b"0", b"NOVALUES"][..], &names as &dyn Fn(&mut BytesMut)),
        (&[b"HSCAN", b"h", b"0"], &flat),
    ] {
        let (_, plan) = seal(&mut t, command).unwrap();
        let got = open(&mut t, &plan, Proto::Resp2, |out| {
            encode::array_header(out, 2);
            encode::bulk(out, b"0");
            write(out);
        });
        assert_eq!(bulks(&got)[1], b"f");
    }
    // A name in clear was not written by us; a value under another name does not open.
    let (_, plan) = seal(&mut t, &[b"HGETALL", b"h"]).unwrap();
    for pair in [[&b"f"[..], first], [g, first], [first, first]] {
        let got = open(&mut t, &plan, Proto::Resp3, |out| {
            encode::map_header(out, 1, Proto::Resp3);
            pair.iter().for_each(|part| encode::bulk(out, part));
        });
        assert!(got.starts_with(b"-WAXSEAL OPEN_FAILED "), "{}", got.escape_ascii());
    }
}

#[test]
fn list_elements_are_found_again_only_where_the_rule_says_so() {
    let mut t = with_deterministic(false, true);
    let sent: Vec<_> = [
        &[&b"RPUSH"[..], b"h", MARKER][..],
        &[b"LREM", b"h", b"0", MARKER],
        &[b"LPOS", b"h", MARKER, b"RANK", b"-1", b"COUNT", b"0"],
        &[b"LINSERT", b"h", b"BEFORE", MARKER, b"new"],
        &[b"LSET", b"h2", b"0", MARKER],
    ]
    .iter()
    .map(|command| {
        let (sent, _) = seal(&mut t, command).unwrap();
        sent[command.iter().position(|word| *word == MARKER).unwrap()].clone()
    })
    .collect();
    assert!(sent.iter().all(|element| *element == sent[0]), "one scope, one element, one ciphertext");
    let (_, plan) = seal(&mut t, &[b"LRANGE", b"h", b"0", b"-1"]).unwrap();
    let got = open(&mut t, &plan, Proto::Resp2, |out| {
        encode::array_header(out, 1);
        encode::bulk(out, &sent[0]);
    });
    assert_eq!(bulks(&got), [MARKER]);

    let mut at_random = with_deterministic(true, false);
    let push = [&b"RPUSH"[..], b"h", MARKER, MARKER];
    let (sent, _) = seal(&mut at_random, &push).unwrap();
    assert_ne!(sent[2], sent[3]);
    let (asked, _) = seal(&mut at_random, &[b"LPOS", b"h", MARKER]).unwrap();
    assert_eq!(asked, [&b"LRANGE"[..], b"h", b"0", b"-1"], "it is looked for here");
    for command in [&[&b"LREM"[..], b"h", b"0", MARKER][..], &[b"LINSERT", b"h", b"AFTER", MARKER, b"x"]] {
        assert!(seal(&mut at_random, command).is_err(), "no one command would find anything");
    }
    // Both forms open, so that the option can be switched.
    let (_, plan) = seal(&mut at_random, &[b"LPOP", b"h"]).unwrap();
    assert_eq!(bulks(&open(&mut at_random, &plan, Proto::Resp2, |out| encode::bulk(out, &sent[2]))), [MARKER]);
}
