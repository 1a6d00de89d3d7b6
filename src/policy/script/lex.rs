//! Lua's tokens.
//!
//! Job: cut a script into tokens, each with its line.
//! In: the body as EVAL carries it. Out: tokens that borrow from it, closed by [`Token::End`].
//! Must never: read something else than the server reads. What Lua 5.1 and its relatives read
//! differently (a lone carriage return, `\x41`, `3..2`, letters beyond ASCII) is not understood at all.

use super::Why;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(&'a [u8]),
    /// A keyword, an operator or a bracket.
    Sign(&'static str),
    /// A quoted string without escapes, or a number of decimal digits: what it says is certain.
    Plain(&'a [u8]),
    /// Any other string.
    Text,
    /// Any other number.
    Number,
    End,
}

/// A token and the line on which it begins, counted from 1.
pub(super) type Placed<'a> = (Token<'a>, u32);

/// `goto` is a word of later versions only, and none of this grammar: it is refused wherever it stands.
const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];
/// Longer ones first, so that none is read as its beginning.
const SIGNS: [&str; 27] = [
    "...", "..", "==", "~=", "<=", ">=", "+", "-", "*", "/", "%", "^", "#", "<", ">", "=", "(", ")", "{", "}", "[",
    "]", ";", ":", ",", ".", "::",
];
/// What may follow a backslash. More in later versions, with other meanings.
const ESCAPES: &[u8] = b"abfnrtv\\\"'\n0123456789";
/// Of a plain number: more could be written differently by the server (`%.17g`).
const MAX_DIGITS: usize = 9;

pub(super) fn tokens(body: &[u8]) -> Result<Vec<Placed<'_>>, (Why, u32)> {
    let mut lexer = Lexer { body, at: 0, line: 1 };
    let mut found = Vec::new();
    lexer.shebang().map_err(|why| (why, 1))?;
    loop {
        let token = lexer.blank().and_then(|()| {
            let line = lexer.line;
            lexer.token().map(|token| (token, line))
        });
        let token = token.map_err(|why| (why, lexer.line))?;
        found.push(token);
        if token.0 == Token::End {
            return Ok(found);
        }
    }
}

/// The script without what Lua skips: one token on each line, strings in double quotes where that changes
/// nothing. Two scripts with the same normal form have the same tokens, for it is read as them again.
pub(super) fn normal_form(body: &[u8]) -> Option<Vec<u8>> {
    let mut lexer = Lexer { body, at: 0, line: 1 };
    let mut normal = Vec::with_capacity(body.len());
    lexer.shebang().ok()?;
    loop {
        lexer.blank().ok()?;
        let start = lexer.at;
        match lexer.token().ok()? {
            Token::End => return Some(normal),
            Token::Plain(text) if body[start] == b'\'' && !text.contains(&b'"') => {
                normal.extend([b"\"", text, b"\""].concat());
            }
            _ => normal.extend(&body[start..lexer.at]),
        }
        normal.push(b'\n');
    }
}

struct Lexer<'a> {
    body: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.body[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn step(&mut self) -> Result<u8, Why> {
        let byte = self.peek().ok_or(Why::Syntax)?;
        self.at += 1;
        match byte {
            b'\n' => self.line += 1,
            // Ends a line, and so a comment, for some readers only.
            b'\r' if self.peek() != Some(b'\n') => return Err(Why::Syntax),
            // Ends the script for some readers.
            0 => return Err(Why::Syntax),
            _ => {}
        }
        Ok(byte)
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// `#!lua flags=...`, which Redis cuts off up to the line's end.
    fn shebang(&mut self) -> Result<(), Why> {
        if self.peek() != Some(b'#') {
            return Ok(());
        }
        if !self.rest().starts_with(b"#!lua\n") && !self.rest().starts_with(b"#!lua ") {
            return Err(Why::Syntax);
        }
        while self.step()? != b'\n' {}
        Ok(())
    }

    /// Blanks and comments.
    fn blank(&mut self) -> Result<(), Why> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => {
                    self.step()?;
                }
                Some(b'-') if self.rest().starts_with(b"--") => {
                    self.at += 2;
                    if let Some(level) = self.long_bracket() {
                        self.long(level)?;
                    } else {
                        while self.peek().is_some_and(|byte| byte != b'\n') {
                            self.step()?;
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// The level of the long bracket that opens here: the number of its equals signs.
    fn long_bracket(&self) -> Option<usize> {
        let after = self.rest().strip_prefix(b"[")?;
        let level = after.iter().position(|byte| *byte != b'=')?;
        (after[level] == b'[').then_some(level)
    }

    fn long(&mut self, level: usize) -> Result<(), Why> {
        self.at += level + 2;
        let mut close = vec![b'='; level + 2];
        close[0] = b']';
        close[level + 1] = b']';
        while !self.rest().starts_with(&close) {
            // Lua 5.1 refuses it, others do not.
            if level == 0 && self.rest().starts_with(b"[[") {
                return Err(Why::Syntax);
            }
            self.step()?;
        }
        self.at += close.len();
        Ok(())
    }

    fn token(&mut self) -> Result<Token<'a>, Why> {
        let Some(byte) = self.peek() else { return Ok(Token::End) };
        if byte.is_ascii_alphabetic() || byte == b'_' {
            let name = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
            let keyword = KEYWORDS.iter().find(|word| word.as_bytes() == name);
            return Ok(keyword.map_or(Token::Name(name), |word| Token::Sign(word)));
        }
        if byte.is_ascii_digit() || (byte == b'.' && self.rest().get(1).is_some_and(u8::is_ascii_digit)) {
            return self.number();
        }
        if byte == b'"' || byte == b'\'' {
            return self.quoted(byte);
        }
        if let Some(level) = self.long_bracket() {
            self.long(level)?;
            return Ok(Token::Text);
        }
        let sign = SIGNS.iter().find(|sign| self.rest().starts_with(sign.as_bytes())).ok_or(Why::Syntax)?;
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }

    fn number(&mut self) -> Result<Token<'a>, Why> {
        let start = self.at;
        self.take_while(|b| b.is_ascii_digit() || b == b'.');
        if !self.take_while(|b| b == b'e' || b == b'E').is_empty() {
            self.take_while(|b| b == b'+' || b == b'-');
        }
        self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        let text = &self.body[start..self.at];
        if text.iter().all(u8::is_ascii_digit) && text.len() <= MAX_DIGITS {
            return Ok(Token::Plain(text));
        }
        let text = std::str::from_utf8(text).map_err(|_| Why::Syntax)?;
        let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
        let valid = match hexadecimal {
            Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            None => text.parse::<f64>().is_ok(),
        };
        if valid { Ok(Token::Number) } else { Err(Why::Syntax) }
    }

    fn quoted(&mut self, quote: u8) -> Result<Token<'a>, Why> {
        self.at += 1;
        let start = self.at;
        let mut plain = true;
        loop {
            match self.step()? {
                byte if byte == quote => break,
                b'\n' | b'\r' => return Err(Why::Syntax),
                b'\\' => {
                    plain = false;
                    if !ESCAPES.contains(&self.step()?) {
                        return Err(Why::Syntax);
                    }
                }
                _ => {}
            }
        }
        Ok(if plain { Token::Plain(&self.body[start..self.at - 1]) } else { Token::Text })
    }
}
