use super::*;

fn check(line: &str) -> Result<Form, GrammarError> {
    let words = Words::line(line);
    let Verdict::Seal(grammar) = words.request().spec().unwrap().verdict else {
        panic!("{line} is not sealed");
    };
    grammar.check(words.args())
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
        "HSCAN k 0 MATCH NOVALUES COUNT 5",
    ] {
        assert_eq!(check(line), Ok(Form::default()), "{line}");
    }
    assert!(check("SET k v EX 1 GET").unwrap().get);
    assert!(!check("SET k GET").unwrap().get);
    assert!(check("HRANDFIELD k 1 withvalues").unwrap().with_values);
    assert!(check("HSCAN k 0 novalues").unwrap().no_values);
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
fn errors_are_redis_words() {
    assert_eq!(GrammarError::Syntax.to_string(), "syntax error");
    assert_eq!(GrammarError::NotAnInteger.to_string(), "value is not an integer or out of range");
}
