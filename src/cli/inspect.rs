//! `waxseal inspect`: what a stored value is, and whether it opens.
//!
//! Inputs: the raw value from standard input or a file; to open it, a keyring and the place it is
//! stored at. Output: its header; with `--reveal` the plaintext alone.
//! Must never: print the plaintext without `--reveal`.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use zeroize::{Zeroize, Zeroizing};

use super::{InspectArgs, complain, exit, tell};
use crate::config::{MAX_FILE, show_size};
use crate::crypto::{
    Cipher, Keyring, Mode, OVERHEAD, OpenError, Place, Purpose, Scope, ScopeKind, looks_sealed, parse_header,
};
use crate::policy::rules::hash_tag;

/// Redis's largest string and its envelope, written in hexadecimal.
const MAX_INPUT: u64 = 2 * ((512 << 20) + 64);

pub(super) fn execute(args: &InspectArgs) -> ExitCode {
    let outcome = read_input(args).and_then(|envelope| inspect(args, envelope));
    match outcome {
        Ok(mut text) => {
            tell(&text);
            text.zeroize();
            ExitCode::SUCCESS
        }
        Err((text, code)) => {
            complain(&text);
            ExitCode::from(code)
        }
    }
}

type Wrong = (String, u8);

fn failed(text: impl Into<String>) -> Wrong {
    (text.into(), exit::FAILED)
}

fn usage(text: &str) -> Wrong {
    (text.into(), exit::USAGE)
}

fn inspect(args: &InspectArgs, mut envelope: Vec<u8>) -> Result<Vec<u8>, Wrong> {
    let header = parse_header(&envelope).map_err(|error| failed(describe(&envelope, error)))?;
    let mut report = String::new();
    let opened = match &args.keyring {
        None => None,
        Some(_) => Some(open(args, &mut envelope)?),
    };
    if let (true, Some(plaintext)) = (args.reveal, &opened) {
        return Ok(plaintext.to_vec());
    }
    let size = envelope.len();
    let _ = write!(
        report,
        "Waxseal envelope, version {}\nmode      {}\nkey id    {}\nsize      {size} bytes, of which the \
         value {} and the envelope {OVERHEAD}\n",
        header.version,
        header.mode.name(),
        header.key_id,
        size - OVERHEAD,
    );
    let _ = match opened {
        Some(plaintext) => writeln!(report, "opens     yes, {} bytes", plaintext.len()),
        None => writeln!(report, "opens     not tried; give --keyring FILE and --key NAME"),
    };
    Ok(report.into_bytes())
}

fn describe(bytes: &[u8], error: OpenError) -> String {
    if bytes.is_empty() {
        return "there is no input; pipe the stored value in, as in: redis-cli GET KEY | waxseal \
                inspect"
            .into();
    }
    if !looks_sealed(bytes) {
        return format!(
            "these {} bytes are no Waxseal envelope: either the value is stored in clear, or it was \
             read through the sidecar, which decrypts; read it from the database itself (and say \
             --hex or --base64 if it is written so)",
            bytes.len()
        );
    }
    error.to_string()
}

/// Opens the envelope. A newline behind it, as redis-cli writes one, is cut off if that is what it
/// takes.
fn open(args: &InspectArgs, envelope: &mut Vec<u8>) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let id: &[u8] = match (&*args.scope, &args.key, &args.rule) {
        ("rule", _, Some(rule)) => rule.as_bytes(),
        ("rule", _, None) => return Err(usage("scope rule needs --rule ID, the id of the rule")),
        (_, None, _) => {
            return Err(usage(
                "to open a value, say under which Redis key it is stored: --key NAME (a value opens \
                 nowhere else)",
            ));
        }
        ("tag", Some(key), _) => hash_tag(key.as_bytes()),
        (_, Some(key), _) => key.as_bytes(),
    };
    let kind = ScopeKind::from_name(&args.scope).ok_or_else(|| usage("--scope is one of key, tag and rule"))?;
    let place =
        Place { purpose: Purpose::Value, scope: Scope { kind, id }, field: args.field.as_ref().map(String::as_bytes) };
    let mut cipher = Cipher::new(Arc::new(read_keyring(args)?));
    let mut out = BytesMut::new();
    let mut outcome = Err(OpenError::Forged);
    for purpose in purposes(args, envelope) {
        let place = Place { purpose: *purpose, ..place };
        outcome = cipher.open(&place, envelope, &mut out);
        if outcome == Err(OpenError::Forged)
            && let Some((b'\n', whole)) = envelope.split_last()
            && cipher.open(&place, whole, &mut out).is_ok()
        {
            envelope.pop();
            outcome = Ok(());
        }
        if outcome != Err(OpenError::Forged) {
            break;
        }
    }
    match outcome {
        Ok(()) => {
            let plaintext = Zeroizing::new(out.to_vec());
            out.zeroize();
            Ok(plaintext)
        }
        Err(OpenError::Forged) => Err(failed(
            "it does not open: the value was changed, or it was sealed for another key, field, scope \
             or channel. Check --key, --field, --scope, --rule and --message; if they are right, the \
             stored bytes are not what was sealed for this place.",
        )),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// What the value may have been sealed as: the input does not tell a member from the name of a field or a list
/// element. The header is not to be trusted, but a wrong guess just does not open.
fn purposes(args: &InspectArgs, envelope: &[u8]) -> &'static [Purpose] {
    if args.message {
        return &[Purpose::Message];
    }
    match parse_header(envelope) {
        Ok(header) if header.mode == Mode::Deterministic => &[Purpose::Member, Purpose::FieldName, Purpose::Value],
        _ => &[Purpose::Value],
    }
}

fn read_keyring(args: &InspectArgs) -> Result<Keyring, Wrong> {
    let path = args.keyring.as_ref().ok_or_else(|| usage("give --keyring FILE"))?;
    let file =
        File::open(path).map_err(|error| failed(format!("the keyring cannot be read: {error}; check --keyring")))?;
    let bytes = bounded(file, MAX_FILE).map_err(|error| failed(format!("the keyring cannot be read: {error}")))?;
    let bytes = Zeroizing::new(bytes);
    Keyring::from_json(&bytes).map_err(|error| (error.to_string(), exit::CONFIG))
}

fn read_input(args: &InspectArgs) -> Result<Vec<u8>, Wrong> {
    let read = match &args.file {
        Some(path) => File::open(path).and_then(|file| bounded(file, MAX_INPUT)),
        None => bounded(io::stdin().lock(), MAX_INPUT),
    };
    let bytes = read.map_err(|error| failed(format!("the input cannot be read: {error}")))?;
    decode(args, bytes)
}

fn decode(args: &InspectArgs, bytes: Vec<u8>) -> Result<Vec<u8>, Wrong> {
    if !args.hex && !args.base64 {
        return Ok(bytes);
    }
    let digits: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if args.base64 {
        let decoded = STANDARD.decode(digits);
        return decoded.map_err(|_| failed("the input is not Base64; check that it was copied whole"));
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(nibble(high)? << 4 | nibble(low)?).ok(),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or_else(|| failed("the input is not hexadecimal; check that it was copied whole"))
}

fn bounded(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let limit = show_size(limit);
        return Err(io::Error::other(format!("it is larger than {limit}")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::cli::{Cli, Command};

    struct Bench {
        directory: TempDir,
        envelope: Vec<u8>,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let keyring = Keyring::generate().unwrap();
            fs::write(directory.path().join("k"), keyring.to_json().as_bytes()).unwrap();
            let scope = Scope { kind: ScopeKind::Key, id: b"s:1" };
            let place = Place { purpose: Purpose::Value, scope, field: Some(b"f") };
            let mut out = BytesMut::new();
            Cipher::new(Arc::new(keyring)).seal(&place, b"plain\xff", &mut out).unwrap();
            Self { directory, envelope: out.to_vec() }
        }

        fn member(&self) -> Vec<u8> {
            self.deterministic(Purpose::Member)
        }

        fn deterministic(&self, purpose: Purpose) -> Vec<u8> {
            let keyring = Keyring::from_json(&fs::read(self.directory.path().join("k")).unwrap()).unwrap();
            let scope = Scope { kind: ScopeKind::Key, id: b"s:1" };
            let mut out = BytesMut::new();
            let place = Place { purpose, scope, field: None };
            Cipher::new(Arc::new(keyring)).seal_deterministic(&place, b"member", &mut out).unwrap();
            out.to_vec()
        }

        fn run(&self, input: &[u8], flags: &[&str]) -> Result<Vec<u8>, Wrong> {
            let keyring = self.directory.path().join("k");
            let mut line = vec!["waxseal", "inspect"];
            for flag in flags {
                line.push(if *flag == "KEYRING" { keyring.to_str().unwrap() } else { flag });
            }
            let Ok(Cli { command: Command::Inspect(args) }) = Cli::try_parse_from(line) else {
                panic!("not understood");
            };
            decode(&args, input.to_vec()).and_then(|input| inspect(&args, input))
        }
    }

    #[test]
    fn the_header_is_shown_and_the_value_only_on_request() {
        let bench = Bench::new();
        let header = bench.run(&bench.envelope, &[]).unwrap();
        let header = String::from_utf8(header).unwrap();
        assert!(header.contains("mode      random"), "{header}");
        assert!(header.contains("54 bytes, of which the value 6 and the envelope 48"), "{header}");

        let place = ["--keyring", "KEYRING", "--key", "s:1", "--field", "f"];
        let opened = String::from_utf8(bench.run(&bench.envelope, &place).unwrap()).unwrap();
        assert!(opened.ends_with("opens     yes, 6 bytes\n"), "{opened}");
        assert!(!opened.contains("plain"));
        let revealed = bench.run(&bench.envelope, &[&place[..], &["--reveal"]].concat());
        assert_eq!(revealed.unwrap(), b"plain\xff");

        let mut with_newline = bench.envelope.clone();
        with_newline.push(b'\n');
        bench.run(&with_newline, &place).unwrap();
    }

    #[test]
    fn hexadecimal_and_base64_are_read() {
        let bench = Bench::new();
        let hex: String = bench.envelope.iter().map(|byte| format!("{byte:02X}")).collect();
        bench.run(format!("{hex}\n").as_bytes(), &["--hex"]).unwrap();
        let base64 = STANDARD.encode(&bench.envelope);
        bench.run(base64.as_bytes(), &["--base64"]).unwrap();
        for (input, flag) in [("abc", "--hex"), ("zz", "--hex"), ("!", "--base64")] {
            bench.run(input.as_bytes(), &[flag]).unwrap_err();
        }
    }

    #[test]
    fn another_place_or_no_envelope_is_explained() {
        let bench = Bench::new();
        let open = |flags: &[&str]| bench.run(&bench.envelope, &[&["--keyring", "KEYRING"], flags].concat());
        let (text, code) = open(&["--key", "s:1"]).unwrap_err();
        assert!(text.starts_with("it does not open"), "{text}");
        assert_eq!(code, exit::FAILED);
        open(&["--key", "s:2", "--field", "f"]).unwrap_err();
        open(&["--key", "s:1", "--field", "f", "--message"]).unwrap_err();
        assert_eq!(open(&[]).unwrap_err().1, exit::USAGE);
        assert_eq!(open(&["--scope", "rule"]).unwrap_err().1, exit::USAGE);
        let (text, _) = bench.run(b"PLAINTEXT", &[]).unwrap_err();
        assert!(text.contains("no Waxseal envelope") && !text.contains("PLAINTEXT"), "{text}");
        bench.run(b"", &[]).unwrap_err();
        bench.run(&bench.envelope[..20], &[]).unwrap_err();
    }

    #[test]
    fn what_is_sealed_deterministically_opens_too() {
        let bench = Bench::new();
        for purpose in [Purpose::FieldName, Purpose::Value] {
            let sealed = bench.deterministic(purpose);
            let shown = bench.run(&sealed, &["--keyring", "KEYRING", "--key", "s:1", "--reveal"]).unwrap();
            assert_eq!(shown, b"member", "{purpose:?}");
        }
        let shown = bench.run(&bench.member(), &["--keyring", "KEYRING", "--key", "s:1", "--reveal"]).unwrap();
        assert_eq!(shown, b"member");
        assert!(bench.run(&bench.member(), &["--keyring", "KEYRING", "--key", "s:2"]).is_err());
    }
}
