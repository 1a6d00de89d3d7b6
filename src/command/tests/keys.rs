use proptest::prelude::*;

use super::*;

/// The keys of a line as text, patterns marked with `~`; none if unclear.
fn keys_of(line: &str) -> Option<String> {
    let words = Words::line(line);
    let mut out = KeyPositions::new();
    let request = words.request();
    let spec = request.spec().expect("the command is known");
    spec.keys(request.args(), &mut out).ok()?;
    let texts: Vec<String> = out
        .iter()
        .map(|key| {
            let text = String::from_utf8_lossy(request.args().get(key.at).unwrap()).into_owned();
            if key.access == Access::Pattern { format!("~{text}") } else { text }
        })
        .collect();
    Some(texts.join(" "))
}

#[test]
fn keys_are_found_in_every_form() {
    for (line, keys) in [
        ("GET k", "k"),
        ("GET", ""),
        ("MSET a 1 b 2", "a b"),
        ("MSET a 1 b", "a b"),
        ("BLPOP a b 0", "a b"),
        ("DEL a b c", "a b c"),
        ("RENAME a b", "a b"),
        ("RENAME a", "a"),
        ("BITOP NOT d s", "d s"),
        ("SUNIONSTORE d a b", "d a b"),
        ("EVAL s 0 x", ""),
        ("eval s 2 a b x", "a b"),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
        ("BLMPOP 0 2 a b LEFT", "a b"),
        ("MSETEX 2 a 1 b 2 NX EX 9", "a b"),
        ("JSON.MSET a $ 1 b $ 2", "a b"),
        ("JSON.MGET a b $", "a b"),
        ("JSON.DEBUG MEMORY k", "k"),
        ("FT.SEARCH i q", "~i"),
        ("TDIGEST.MERGE d 2 a b COMPRESSION 9", "d a b"),
        ("XREAD COUNT 1 STREAMS a b 0 0", "a b"),
        ("xread block 0 streams streams $", "streams"),
        ("XREADGROUP GROUP streams streams NOACK STREAMS a >", "a"),
        ("SORT k BY w_* LIMIT 0 1 GET # GET g_*->f STORE d", "k ~w_* ~g_*->f d"),
        ("SORT k BY nosort DESC", "k"),
        ("SORT k BY STORE STORE d", "k d"),
        ("GEORADIUS k 1 2 3 m COUNT 1 ANY STORE a STOREDIST b", "k a b"),
        ("GEORADIUSBYMEMBER k m 3 m STORE a", "k a"),
        ("MIGRATE h 1 k 0 9 COPY AUTH KEYS", "k"),
        ("MIGRATE h 1 \"\" 0 9 REPLACE AUTH2 u p KEYS a b", "a b"),
        ("OBJECT ENCODING k", "k"),
        ("MEMORY USAGE k SAMPLES 5", "k"),
        ("XGROUP CREATE k g 0", "k"),
        ("DEBUG OBJECT k", "k"),
        ("DEBUG SLEEP 0", ""),
        ("DEBUG DIGEST-VALUE a b", "a b"),
        ("COMMAND GETKEYS SET k v", "k"),
        ("COMMAND GETKEYS CONFIG GET k", ""),
        ("ACL DRYRUN u MSET a 1 b 2", "a b"),
        ("PUBLISH c m", ""),
    ] {
        assert_eq!(keys_of(line).as_deref(), Some(keys), "{line}");
    }
}

#[test]
fn what_cannot_be_understood_is_unclear() {
    for line in [
        "EVAL s x a",
        "EVAL s 3 a b",
        "EVAL s -1 a",
        "EVAL s 01 a",
        "EVAL s +1 a",
        "EVAL s 99999999999999999999 a",
        "ZUNIONSTORE d 3 a b",
        "MSETEX 2 a 1 b",
        "MSETEX 9223372036854775807 a 1",
        "MSETEX x a 1",
        "XREAD COUNT 1 a 0",
        "XREAD STREAMS a b 0",
        "XREAD STREAMS",
        "XREAD BLOCK",
        "XREAD STREAMS\0 a 0",
        "XREAD GROUP g c STREAMS a 0",
        "SORT k STORE",
        "SORT k STORE\0x d",
        "SORT k NONSENSE d",
        "SORT_RO k STORE d",
        "GEORADIUS k 1 2 3 m STORE",
        "GEORADIUS k 1 2 3 m STORE\0 d",
        "MIGRATE h 1 k 0 9 KEYS a",
        "MIGRATE h 1 \"\" 0 9 KEYS",
        "MIGRATE h 1 \"\" 0 9 KEYS\0 a",
        "DEBUG POPULATE 1 k",
        "DEBUG REPLICATE replica x",
        "DEBUG nosuch",
        "COMMAND GETKEYS nosuch k v",
        "COMMAND GETKEYS COMMAND GETKEYS SET k v",
        "COMMAND GETKEYS XREAD k",
    ] {
        assert_eq!(keys_of(line), None, "{line:?}");
    }
}

#[test]
fn channels_are_found() {
    for (line, channels, pattern) in [
        ("PUBLISH c m", vec![1], false),
        ("SPUBLISH c m", vec![1], false),
        ("SUBSCRIBE a b", vec![1, 2], false),
        ("UNSUBSCRIBE", vec![], false),
        ("PSUBSCRIBE a* b*", vec![1, 2], true),
        ("PUBSUB NUMSUB a b", vec![2, 3], false),
        ("COMMAND GETKEYS PUBLISH c m", vec![3], false),
        ("GET k", vec![], false),
    ] {
        let words = Words::line(line);
        let mut out = ChannelPositions::new();
        let spec = words.request().spec().unwrap();
        spec.channel_positions(words.args(), &mut out).unwrap();
        let found: Vec<usize> = out.iter().map(|channel| channel.at).collect();
        assert_eq!(found, channels, "{line}");
        assert!(out.iter().all(|channel| channel.pattern == pattern), "{line}");
    }
}

#[test]
fn a_stream_read_that_may_block_is_known_for_it() {
    for (line, blocks) in [
        ("XREAD STREAMS a 0", false),
        ("XREAD COUNT 5 STREAMS a 0", false),
        ("XREAD COUNT block STREAMS a 0", true),
        ("XREAD STREAMS block 0", false),
        ("XREAD BLOCK 0 STREAMS a 0", true),
        // A server that compares up to the NUL byte would wait.
        ("XREAD BLOCK\0 0 STREAMS a 0", true),
        ("XREADGROUP GROUP block g STREAMS a >", false),
        ("XREADGROUP GROUP g c block 5 STREAMS a >", true),
        ("BLPOP a 0", true),
        ("WAIT 1 0", true),
        ("GET block", false),
    ] {
        let words = Words::line(line);
        assert_eq!(words.request().spec().unwrap().may_block(words.args()), blocks, "{line:?}");
    }
}

proptest! {
    /// Whatever follows a known command: no panic, positions in order of meaning and in range.
    #[test]
    fn any_arguments_are_survived(
        row in 0..table().len(),
        tail in prop::collection::vec(
            prop_oneof!["[a-z*#0-9-]{0,4}", Just("STREAMS".to_owned()), Just("KEYS".to_owned()),
                Just("STORE".to_owned()), Just("GET".to_owned()), Just("BLOCK".to_owned()),
                Just("2".to_owned()), Just("9999999999999999999999".to_owned())], 0..9),
    ) {
        let row = &table()[row];
        let words = Words::new(row.name.split('|').map(str::to_owned).chain(tail));
        let args = words.args();
        let mut keys = KeyPositions::new();
        if row.keys(args, &mut keys).is_ok() {
            prop_assert!(keys.iter().all(|key| key.at > 0 && key.at < args.len()));
        }
        let mut channels = ChannelPositions::new();
        if row.channel_positions(args, &mut channels).is_ok() {
            prop_assert!(channels.iter().all(|channel| channel.at < args.len()));
        }
        let _ = row.may_block(args);
        if let Some(grammar) = row.verdict.grammar() {
            let _ = grammar.check(args);
        }
    }
}
