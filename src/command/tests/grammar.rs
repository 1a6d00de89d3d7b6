use super::*;

fn check(line: &str) -> Result<Form, GrammarError> {
    let words = Words::line(line);
    let verdict = words.request().spec().unwrap().verdict;
    verdict.grammar().unwrap_or_else(|| panic!("{line} is not sealed")).check(words.args())
}

#[test]
fn known_options_are_understood() {
    for line in [
        "SET k v",
        "SET k v EX 1 NX",
        "set k v px 1 xx",
        "SET k v KEEPTTL",
        "SET k v EXAT 1",
        "GETEX k",
        "GETEX k PERSIST",
        "getex k pxat 5",
        "MSET a 1 b 2",
        "HSET k f v f v",
        "GET k",
        "HRANDFIELD k",
        "HRANDFIELD k -5",
        "HSCAN k 0 MATCH * COUNT 5",
    ] {
        assert_eq!(check(line), Ok(Form::default()), "{line}");
    }
    let compares = Form { compares: true, ..Form::default() };
    assert_eq!(check("HSCAN k 0 MATCH NOVALUES COUNT 5"), Ok(compares));
    assert_eq!(check("HSCAN k 0 MATCH * MATCH a*"), Ok(compares));
    assert!(check("SET k v EX 1 GET").unwrap().marked);
    assert!(!check("SET k GET").unwrap().marked);
    assert!(check("HRANDFIELD k 1 withvalues").unwrap().marked);
    assert!(check("HSCAN k 0 novalues").unwrap().marked);
}

#[test]
fn anything_else_is_refused() {
    use GrammarError::{ComparesValue, NotAnInteger, Syntax, WrongArity};
    for (line, error) in [
        ("SET k v NONSENSE", Syntax),
        ("SET k v EX", Syntax),
        ("SET k v EX 1 PX 1", Syntax),
        ("SET k v NX XX", Syntax),
        ("SET k v PERSIST", Syntax),
        ("SET k v GET\0", Syntax),
        ("SET k v \"\"", Syntax),
        ("SET k v IFEQ old", ComparesValue),
        ("SET k v EX 1 ifdne 00", ComparesValue),
        ("GETEX k KEEPTTL", Syntax),
        ("GETEX k GET", Syntax),
        ("MSET a 1 b", WrongArity),
        ("HSET k f v f", WrongArity),
        ("HRANDFIELD k x WITHVALUES", NotAnInteger),
        ("HRANDFIELD k 1 x", Syntax),
        ("HRANDFIELD k 1 WITHVALUES x", Syntax),
        ("HSCAN k 0 TYPE hash", Syntax),
        ("HSCAN k 0 MATCH", Syntax),
    ] {
        assert_eq!(check(line), Err(error), "{line:?}");
    }
}

#[test]
fn options_before_members_and_entries_are_passed_over() {
    for (line, start) in [
        ("ZADD k 1 a 2 b", 2),
        ("ZADD k NX CH 1 a", 4),
        ("zadd k incr 1 nx", 3),
        ("GEOADD k XX CH 1 2 a", 4),
        ("XADD k * f v", 3),
        ("XADD k NOMKSTREAM MAXLEN ~ 10 LIMIT 5 1-1 f v g w", 9),
        ("HGETDEL k FIELDS 2 a b", 4),
        ("HGETEX k EX 5 FIELDS 1 a", 6),
        ("HGETEX k FIELDS 1 PERSIST", 4),
        ("HSETEX k FNX KEEPTTL FIELDS 2 a 1 b 2", 6),
        ("MSETEX 2 a 1 b 2 NX EX 5", 6),
        ("GEOSEARCH k BYRADIUS 1 m FROMMEMBER a ASC", 6),
        ("GEOSEARCH k FROMLONLAT 1 2 BYRADIUS 1 m", 0),
    ] {
        assert_eq!(check(line).map(|form| form.start), Ok(start), "{line}");
    }
    for line in [
        "ZADD k 1 a 2",
        "ZADD k WHAT 1 a",
        "HGETDEL k FIELDS 2 a",
        "HGETDEL k FIELDS 1 a b",
        "HGETDEL k FIELDS 0",
        "HGETDEL k WHAT FIELDS 1 a",
        "HGETEX k EX FIELDS 1 a",
        "HSETEX k FIELDS 2 a 1 b",
        "HSETEX k FIELDS 1 a 1 more",
        "HSETEX k FIELDS 9223372036854775807 a 1",
        "MSETEX 2 a 1",
        "MSETEX 1 a 1 b 2",
        "MSETEX 0",
        "MSETEX 9223372036854775807 a 1",
        "GEOADD k 1 2 a 3",
        "XADD k NEWWORD * f v",
        "XADD k * f",
        "GEOSEARCH k FROMMEMBER a FROMMEMBER b BYRADIUS 1 m",
        "GEOSEARCH k FROMMEMBER a BYRADIUS 1 m WHAT",
        "ZUNION 2 a b WHAT",
        "ZRANGE k 0 1 WHAT",
    ] {
        assert!(check(line).is_err(), "{line}");
    }
    for line in ["ZRANGE k [a [b BYLEX", "SSCAN k 0 MATCH a*", "zscan k 0 match a count 5"] {
        assert_eq!(check(line), Err(GrammarError::ComparesValue), "{line}");
    }
    for line in ["ZRANGE k 0 1 REV WITHSCORES", "ZUNION 1 k WEIGHTS 2 WITHSCORES", "XCLAIM k g c 0 1-1 JUSTID"] {
        assert!(check(line).unwrap().marked, "{line}");
    }
    assert!(!check("ZUNION 1 withscores").unwrap().marked);
}

#[test]
fn errors_are_redis_words() {
    assert_eq!(GrammarError::Syntax.to_string(), "syntax error");
    assert_eq!(GrammarError::NotAnInteger.to_string(), "value is not an integer or out of range");
}
