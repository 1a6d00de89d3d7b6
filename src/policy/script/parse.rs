//! Lua 5.1's grammar, read once from left to right: blocks and statements.
//!
//! Job: follow a script's names and calls and prove that each `redis.call` touches elements of KEYS
//! only, or say why that is not proven.
//! In: tokens. Out: the literal channels that the script publishes to, and what it would need of values.
//! Must never: let one of three things become an ordinary value, which could then be changed or
//! called out of sight: the table `redis`, the functions `redis.call` and `redis.pcall`, the table
//! KEYS. Everything rests on that. They are admitted in these forms only: `redis.call(...)`,
//! `local name = redis.call` and `name(...)`, `KEYS[...]`, `local name = KEYS[...]`, `#KEYS`, and
//! `for _, name in ipairs(KEYS)`, where such a name is never assigned to again.

use super::call::Value;
use super::lex::{Placed, Token};
use super::{Channel, Needs, Proven, Why};
use crate::command::RowSet;

/// Of expressions and blocks inside each other. Lua itself allows 200; this parser recurses.
const MAX_DEPTH: usize = 100;
/// Names in scope at once. Lua allows 200 for one function; the bound keeps the look-up short.
const MAX_LOCALS: usize = 200;
/// Names whose meaning everything rests on. No local may hide them.
const FIXED: [&[u8]; 2] = [b"redis", b"KEYS"];

pub(super) type Step<T = ()> = Result<T, Why>;

/// What a local name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    Any,
    /// An element of KEYS, for good.
    Key,
    /// `redis.call` or `redis.pcall`, for good.
    Command,
}

pub(super) fn prove(tokens: &[Placed<'_>]) -> Result<Proven, (Why, u32)> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        locals: Vec::new(),
        channels: Vec::new(),
        commands: RowSet::none(),
        foreign: false,
        publishes_to_key: false,
        needs: Needs::default(),
        call_line: None,
    };
    let proven = parser.block().and_then(|()| if parser.peek() == Token::End { Ok(()) } else { Err(Why::Syntax) });
    proven.map_err(|why| (why, parser.call_line.unwrap_or(parser.line())))?;
    let Parser { channels, commands, foreign, publishes_to_key, needs, .. } = parser;
    Ok(Proven { channels: channels.into(), commands, foreign, publishes_to_key, needs })
}

pub(super) struct Parser<'a, 't> {
    tokens: &'t [Placed<'a>],
    pub(super) at: usize,
    depth: usize,
    locals: Vec<(&'a [u8], Local)>,
    pub(super) channels: Vec<Channel>,
    pub(super) commands: RowSet,
    pub(super) foreign: bool,
    pub(super) publishes_to_key: bool,
    pub(super) needs: Needs,
    /// Where the `redis.call` begins that was not admitted.
    pub(super) call_line: Option<u32>,
}

impl<'a> Parser<'a, '_> {
    pub(super) fn block(&mut self) -> Step {
        let outside = self.locals.len();
        self.statements()?;
        self.locals.truncate(outside);
        Ok(())
    }

    /// Up to what ends the block; the names that it declares stay in scope.
    fn statements(&mut self) -> Step {
        self.deeper(|parser| {
            while !parser.block_ends() {
                if parser.accept("return") {
                    if !parser.block_ends() && !parser.is(";") {
                        parser.values()?;
                    }
                    parser.accept(";");
                    return if parser.block_ends() { Ok(()) } else { Err(Why::Syntax) };
                }
                parser.statement()?;
                parser.accept(";");
            }
            Ok(())
        })
    }

    fn block_ends(&self) -> bool {
        matches!(self.peek(), Token::End | Token::Sign("end" | "else" | "elseif" | "until"))
    }

    fn statement(&mut self) -> Step {
        let Token::Sign(word) = self.peek() else { return self.assignment_or_call() };
        if word == "(" {
            return self.assignment_or_call();
        }
        self.at += 1;
        match word {
            "break" => Ok(()),
            "do" => self.block_to_end(),
            "while" => {
                self.value()?;
                self.expect("do")?;
                self.block_to_end()
            }
            "repeat" => {
                let outside = self.locals.len();
                self.statements()?;
                self.expect("until")?;
                // The condition sees the names of the block.
                self.value()?;
                self.locals.truncate(outside);
                Ok(())
            }
            "if" => self.conditional(),
            "for" => self.loop_over(),
            "local" => self.local(),
            // A function that is not local belongs to all scripts, or to a table.
            "function" => Err(Why::Global),
            _ => Err(Why::Syntax),
        }
    }

    fn block_to_end(&mut self) -> Step {
        self.block()?;
        self.expect("end")
    }

    fn conditional(&mut self) -> Step {
        loop {
            self.value()?;
            self.expect("then")?;
            self.block()?;
            if !self.accept("elseif") {
                break;
            }
        }
        if self.accept("else") {
            self.block()?;
        }
        self.expect("end")
    }

    fn loop_over(&mut self) -> Step {
        let outside = self.locals.len();
        let first = self.name()?;
        let mut names = vec![(first, Local::Any)];
        if self.accept("=") {
            if !matches!(self.values()?.len(), 2 | 3) {
                return Err(Why::Syntax);
            }
        } else {
            while self.accept(",") {
                names.push((self.name()?, Local::Any));
            }
            self.expect("in")?;
            if self.accept_all_keys() {
                if let Some(second) = names.get_mut(1) {
                    second.1 = Local::Key;
                }
            } else {
                self.values()?;
            }
        }
        self.expect("do")?;
        for (name, local) in names {
            self.declare(name, local)?;
        }
        self.block_to_end()?;
        self.locals.truncate(outside);
        Ok(())
    }

    /// `ipairs(KEYS) do`, with the global functions of that name.
    fn accept_all_keys(&mut self) -> bool {
        let Token::Name(function @ (b"ipairs" | b"pairs")) = self.peek() else { return false };
        let next = [1, 2, 3, 4].map(|by| self.ahead(by));
        let all = [Token::Sign("("), Token::Name(b"KEYS"), Token::Sign(")"), Token::Sign("do")];
        let found = next == all && self.resolve(function).is_none();
        if found {
            self.at += 4;
        }
        found
    }

    fn local(&mut self) -> Step {
        if self.accept("function") {
            let name = self.name()?;
            self.declare(name, Local::Any)?;
            return self.function();
        }
        let mut names = vec![(self.name()?, Local::Any)];
        while self.accept(",") {
            names.push((self.name()?, Local::Any));
        }
        if self.accept("=") {
            // What is not the last gives one value, so names and expressions pair up; a last one that
            // gives several has none of the two kinds that matter.
            let mut place = 0;
            loop {
                let kind = match self.expression()? {
                    Value::Key => Local::Key,
                    Value::Command => Local::Command,
                    _ => Local::Any,
                };
                if let Some(name) = names.get_mut(place) {
                    name.1 = kind;
                } else if kind == Local::Command {
                    return Err(Why::Redis);
                }
                place += 1;
                if !self.accept(",") {
                    break;
                }
            }
        }
        for (name, kind) in names {
            self.declare(name, kind)?;
        }
        Ok(())
    }

    fn assignment_or_call(&mut self) -> Step {
        let first = self.suffixed()?;
        if !self.is("=") && !self.is(",") {
            return match first.value {
                Value::Results => Ok(()),
                Value::Command => Err(Why::Redis),
                _ => Err(Why::Syntax),
            };
        }
        let mut target = first;
        loop {
            if !target.assignable {
                return Err(match target.value {
                    Value::Key => Why::Keys,
                    Value::Command => Why::Redis,
                    _ => Why::Global,
                });
            }
            if !self.accept(",") {
                break;
            }
            target = self.suffixed()?;
        }
        self.expect("=")?;
        self.values().map(drop)
    }

    /// Parameters and body, after the word `function` and a name.
    pub(super) fn function(&mut self) -> Step {
        let outside = self.locals.len();
        self.expect("(")?;
        if !self.accept(")") {
            loop {
                let name = self.name()?;
                self.declare(name, Local::Any)?;
                if !self.accept(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.block_to_end()?;
        self.locals.truncate(outside);
        Ok(())
    }

    fn declare(&mut self, name: &'a [u8], local: Local) -> Step {
        if FIXED.contains(&name) {
            return Err(if name == b"KEYS" { Why::Keys } else { Why::Redis });
        }
        if self.locals.len() == MAX_LOCALS {
            return Err(Why::TooDeep);
        }
        self.locals.push((name, local));
        Ok(())
    }

    /// The innermost local of this name; otherwise it is a global.
    pub(super) fn resolve(&self, name: &[u8]) -> Option<Local> {
        self.locals.iter().rev().find(|local| local.0 == name).map(|local| local.1)
    }

    pub(super) fn peek(&self) -> Token<'a> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, by: usize) -> Token<'a> {
        self.tokens.get(self.at + by).map_or(Token::End, |token| token.0)
    }

    /// The token that is `by` before the next one.
    pub(super) fn behind(&self, by: usize) -> Token<'a> {
        self.at.checked_sub(by).and_then(|at| self.tokens.get(at)).map_or(Token::End, |token| token.0)
    }

    pub(super) fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.1)
    }

    /// Does the next token begin on another line than the one before it?
    pub(super) fn on_new_line(&self) -> bool {
        self.at.checked_sub(1).and_then(|before| self.tokens.get(before)).is_some_and(|token| token.1 != self.line())
    }

    pub(super) fn is(&self, sign: &'static str) -> bool {
        self.peek() == Token::Sign(sign)
    }

    pub(super) fn accept(&mut self, sign: &'static str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Step {
        if self.accept(sign) { Ok(()) } else { Err(Why::Syntax) }
    }

    pub(super) fn name(&mut self) -> Step<&'a [u8]> {
        match self.peek() {
            Token::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            Token::Sign("...") => Err(Why::Varargs),
            _ => Err(Why::Syntax),
        }
    }

    pub(super) fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        if self.depth == MAX_DEPTH {
            return Err(Why::TooDeep);
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }
}
