use super::*;

fn paths(texts: &[&str]) -> SealedPaths {
    SealedPaths::new(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn locate(paths: &SealedPaths, path: &str) -> Result<Spot, Nowhere> {
    paths.locate(&JsonPath::parse(path.as_bytes()).unwrap())
}

#[test]
fn every_spelling_of_a_path_is_the_same_path() {
    for text in ["$.a.b", "$['a'].b", "$[\"a\"]['b']", "$.a[\"b\"]", ".a.b", "a.b", "['a'].b", ".a['b']"] {
        let path = JsonPath::parse(text.as_bytes()).unwrap();
        assert_eq!(path.normal(), "$['a']['b']", "{text}");
        assert_eq!(path.lists, text.starts_with('$'));
    }
    for text in ["$.a[0]", "$.a[-1]", "$.a[1:2]", "$.a[:]", "$.a[::2]", "$.a[*]", "$.a.*", "a[007]"] {
        assert_eq!(JsonPath::parse(text.as_bytes()).unwrap().normal(), "$['a'][*]", "{text}");
    }
    assert_eq!(JsonPath::parse(b"$[\"it's\"]").unwrap().normal(), "$['it\\'s']");
}

#[test]
fn what_could_lead_elsewhere_is_no_path() {
    for text in [
        "",
        " ",
        "$$",
        "$a",
        "$.",
        "..",
        "$..a",
        "$...a",
        ".a..b",
        "a.",
        "$ .a",
        "$.a ",
        "$. a",
        "$.a b",
        "$.a.'b'",
        "$['a",
        "$['a'",
        "$['a]",
        "$['a']b",
        "$['a','b']",
        "$[a]",
        "$[]",
        "$[0,1]",
        "$[1:2:3:4]",
        "$[--1]",
        "$[-]",
        "$[?(@.a)]",
        "$[?(@.a==1)].b",
        "$[(@.length-1)]",
        "$['s\\u0073n']",
        "$[\"a\\\"b\"]",
        "$.a\0",
        "$['a\0']",
        "$.\u{e4}",
        "@.a",
        "$.a()",
        "$.a~",
    ] {
        assert_eq!(JsonPath::parse(text.as_bytes()), Err(PathFault), "{text:?}");
    }
    assert!(JsonPath::parse("$['\u{e4}']".as_bytes()).is_ok());
}

#[test]
fn paths_of_a_rule_are_checked() {
    let fault = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        SealedPaths::new(&texts).unwrap_err()
    };
    assert_eq!(fault(&["$.a", ".b"]).0, 1);
    assert!(fault(&["$..a"]).1.contains("not a path"));
    assert!(fault(&["$.a[0]"]).1.contains("one element"));
    assert!(fault(&[&format!("${}", ".a".repeat(33))]).1.contains("32"));
    let many: Vec<String> = (0..65).map(|n| format!("$.a{n}")).collect();
    assert_eq!(SealedPaths::new(&many).unwrap_err().0, 64);
    for pair in
        [["$.a", "$['a']"], ["$.a", "$.a.b"], ["$.a.b", "$.a"], ["$.*", "$.a"], ["$", "$.a"], ["$.*.x", "$.a.*"]]
    {
        assert!(fault(&pair).1.contains("earlier"), "{pair:?}");
    }
    paths(&["$.a.b", "$.a.c", "$.*.d", "$.*.e[*]"]);
}

#[test]
fn places_are_told_apart() {
    let set = paths(&["$.ssn", "$.card.number", "$.notes[*]", "$.x.*.y"]);
    let sealed = |path: &str| locate(&set, path).map(|spot| set.sealed(&spot).map(str::to_owned));
    assert_eq!(sealed("$.ssn"), Ok(Some("$['ssn']".into())));
    assert_eq!(sealed("card.number"), Ok(Some("$['card']['number']".into())));
    assert_eq!(sealed("$.notes[3]"), Ok(Some("$['notes'][*]".into())));
    assert_eq!(sealed("$.notes[*]"), Ok(Some("$['notes'][*]".into())));
    // An object where a list was expected: its members are encrypted all the same.
    assert_eq!(sealed("$.notes.first"), Ok(Some("$['notes'][*]".into())));
    assert_eq!(sealed("$.x[*].y"), Ok(Some("$['x'][*]['y']".into())));
    for clear in ["$.other", "$.card.holder", "$.ssn2", "$[0]", "$.other[*].ssn", "$.SSN"] {
        assert!(locate(&set, clear).unwrap().is_clear(), "{clear}");
    }
    for above in ["$", ".", "$.card", "$.notes", "$.x[*]", "$.x.anything"] {
        let spot = locate(&set, above).unwrap();
        assert!(!spot.is_clear() && set.sealed(&spot).is_none(), "{above}");
    }
    for inside in ["$.ssn.a", "$.ssn[0]", "$.notes[0][0]", "$.notes.a.b", "$.ssn[*]"] {
        assert_eq!(locate(&set, inside), Err(Nowhere::Inside), "{inside}");
    }
    for several in ["$.*", "$[*]", "$.card.*", "$.x[*].*", "*"] {
        assert_eq!(locate(&set, several), Err(Nowhere::Several), "{several}");
    }
    let whole = paths(&["$"]);
    assert_eq!(whole.sealed(&whole.root()), Some("$"));
    assert_eq!(locate(&whole, "$.a"), Err(Nowhere::Inside));
}
