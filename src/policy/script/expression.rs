//! Lua 5.1's grammar: expressions. Job, inputs, outputs and what must never happen: see [`super::parse`].

use super::Why;
use super::call::{Value, judge};
use super::lex::Token;
use super::parse::{Local, Parser, Step};

/// Functions that return what they are given, or call what they are given, and reach nothing else.
const FUNCTIONS: [&[u8]; 12] = [
    b"tonumber",
    b"tostring",
    b"type",
    b"ipairs",
    b"pairs",
    b"next",
    b"unpack",
    b"error",
    b"assert",
    b"pcall",
    b"xpcall",
    b"select",
];
/// Their functions work on data. The tables themselves are not passed on: all scripts share them.
const LIBRARIES: [&[u8]; 7] = [b"string", b"table", b"math", b"cjson", b"cmsgpack", b"bit", b"struct"];
/// Of `redis`: they touch no key.
const REDIS: [&[u8]; 6] = [b"error_reply", b"status_reply", b"sha1hex", b"log", b"replicate_commands", b"setresp"];
const BINARY: [&str; 15] = ["+", "-", "*", "/", "%", "^", "..", "<", "<=", ">", ">=", "==", "~=", "and", "or"];

/// An expression that may stand left of `=`, or be called.
pub(super) struct Suffixed<'a> {
    pub(super) value: Value<'a>,
    /// A local variable, or a place in a table that is reached through a local or a result.
    pub(super) assignable: bool,
}

impl<'a> Parser<'a, '_> {
    /// A list of expressions, none of which is `redis.call` itself.
    pub(super) fn values(&mut self) -> Step<Vec<Value<'a>>> {
        let mut values = vec![self.value()?];
        while self.accept(",") {
            values.push(self.value()?);
        }
        Ok(values)
    }

    /// Any expression but `redis.call` itself.
    pub(super) fn value(&mut self) -> Step<Value<'a>> {
        match self.expression()? {
            Value::Command => Err(Why::Redis),
            value => Ok(value),
        }
    }

    /// Any expression. Which operator binds stronger makes no difference to what is asked here.
    pub(super) fn expression(&mut self) -> Step<Value<'a>> {
        self.deeper(|parser| {
            let mut computed = false;
            loop {
                while parser.accept("not") || parser.accept("-") || parser.accept("#") {
                    computed = true;
                }
                let value = parser.simple()?;
                let operator = matches!(parser.peek(), Token::Sign(sign) if BINARY.contains(&sign));
                if !operator && !computed {
                    return Ok(value);
                }
                if value == Value::Command {
                    return Err(Why::Redis);
                }
                if !operator {
                    return Ok(Value::Other);
                }
                computed = true;
                parser.at += 1;
            }
        })
    }

    fn simple(&mut self) -> Step<Value<'a>> {
        let value = match self.peek() {
            Token::Plain(text) => Value::Plain(text),
            Token::Text | Token::Number | Token::Sign("nil" | "true" | "false") => Value::Other,
            Token::Sign("{") => {
                self.table()?;
                return Ok(Value::Other);
            }
            Token::Sign("function") => {
                self.at += 1;
                self.function()?;
                return Ok(Value::Other);
            }
            Token::Sign("...") => return Err(Why::Varargs),
            _ => return Ok(self.suffixed()?.value),
        };
        self.at += 1;
        Ok(value)
    }

    fn table(&mut self) -> Step {
        self.expect("{")?;
        while !self.accept("}") {
            if self.accept("[") {
                self.value()?;
                self.expect("]")?;
                self.expect("=")?;
            } else if matches!((self.peek(), self.ahead(1)), (Token::Name(_), Token::Sign("="))) {
                self.at += 2;
            }
            self.value()?;
            if !self.accept(",") && !self.accept(";") && !self.is("}") {
                return Err(Why::Syntax);
            }
        }
        Ok(())
    }

    pub(super) fn suffixed(&mut self) -> Step<Suffixed<'a>> {
        let mut found = Suffixed { value: Value::Other, assignable: false };
        // Is what an index reaches the script's own? Not below a global.
        let mut own = true;
        match self.peek() {
            Token::Sign("(") => {
                self.at += 1;
                self.value()?;
                self.expect(")")?;
            }
            Token::Sign("...") => return Err(Why::Varargs),
            Token::Name(name) => {
                self.at += 1;
                match self.resolve(name) {
                    Some(Local::Any) => found.assignable = true,
                    Some(Local::Key) => {
                        found.value = Value::Key;
                        own = false;
                    }
                    Some(Local::Command) => {
                        if !self.is("(") {
                            return Err(Why::Redis);
                        }
                        found.value = self.redis_call()?;
                    }
                    None => {
                        found.value = self.global(name)?;
                        own = found.value == Value::Results;
                        if found.value == Value::Command {
                            return Ok(found);
                        }
                    }
                }
            }
            _ => return Err(Why::Syntax),
        }
        loop {
            match self.peek() {
                Token::Sign(".") => {
                    self.at += 1;
                    self.name()?;
                    found = Suffixed { value: Value::Other, assignable: own };
                }
                Token::Sign("[") => {
                    self.index()?;
                    found = Suffixed { value: Value::Other, assignable: own };
                }
                Token::Sign(":") => {
                    self.at += 1;
                    self.name()?;
                    self.arguments()?;
                    own = true;
                    found = Suffixed { value: Value::Results, assignable: false };
                }
                Token::Sign("(" | "{") | Token::Plain(_) | Token::Text => {
                    self.arguments()?;
                    own = true;
                    found = Suffixed { value: Value::Results, assignable: false };
                }
                _ => return Ok(found),
            }
        }
    }

    fn index(&mut self) -> Step {
        self.expect("[")?;
        self.value()?;
        self.expect("]")
    }

    fn global(&mut self, name: &[u8]) -> Step<Value<'a>> {
        match name {
            b"KEYS" if self.is("[") => {
                self.index()?;
                Ok(Value::Key)
            }
            // Its length: `#KEYS`, and nothing after that could make it another's.
            b"KEYS" if self.behind(2) == Token::Sign("#") && !self.goes_on() => Ok(Value::Other),
            b"KEYS" => Err(Why::Keys),
            b"redis" => self.redis(),
            b"ARGV" => Ok(Value::Other),
            _ if LIBRARIES.contains(&name) && self.is(".") => Ok(Value::Other),
            _ if FUNCTIONS.contains(&name) => Ok(Value::Other),
            _ => Err(Why::Global),
        }
    }

    fn redis(&mut self) -> Step<Value<'a>> {
        if !self.accept(".") {
            return Err(Why::Redis);
        }
        match self.name()? {
            b"call" | b"pcall" => {
                if self.is("(") {
                    return self.redis_call();
                }
                if self.goes_on() { Err(Why::Redis) } else { Ok(Value::Command) }
            }
            member if REDIS.contains(&member) || member.starts_with(b"LOG_") => Ok(Value::Other),
            _ => Err(Why::Redis),
        }
    }

    /// Does the expression go on after what was just read?
    fn goes_on(&self) -> bool {
        matches!(self.peek(), Token::Sign("." | "[" | ":" | "(" | "{") | Token::Plain(_) | Token::Text)
    }

    /// The arguments of `redis.call`, by whatever name.
    fn redis_call(&mut self) -> Step<Value<'a>> {
        let line = self.line();
        let values = self.parenthesised()?;
        let judged =
            judge(&values, &mut self.channels, &mut self.needs).inspect_err(|_| self.call_line = Some(line))?;
        self.commands.insert(judged.spec);
        self.foreign |= judged.foreign;
        self.publishes_to_key |= judged.publishes_to_key;
        Ok(Value::Results)
    }

    fn arguments(&mut self) -> Step {
        match self.peek() {
            Token::Sign("(") => self.parenthesised().map(drop),
            Token::Sign("{") => self.table(),
            Token::Plain(text) if !text.first().is_some_and(u8::is_ascii_digit) => {
                self.at += 1;
                Ok(())
            }
            Token::Text => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Why::Syntax),
        }
    }

    fn parenthesised(&mut self) -> Step<Vec<Value<'a>>> {
        // Lua 5.1 refuses it, later versions call: `f` and a statement that begins with a bracket.
        if self.on_new_line() {
            return Err(Why::Syntax);
        }
        self.expect("(")?;
        if self.accept(")") {
            return Ok(Vec::new());
        }
        let values = self.values()?;
        self.expect(")")?;
        Ok(values)
    }
}
