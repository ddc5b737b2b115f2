//! Checks a JSON text that arrives in pieces, in constant time per byte and memory in proportion to its depth.
//!
//! Tool arguments are passed on while they arrive, so their grammar must be known before their end. Two repairs are
//! made on the way, inside strings: raw control characters, which weak models forget to escape, are escaped, and
//! lone surrogate escapes, which servers make when they cut an emoji in two, become U+FFFD.

use crate::protocol::json::MAX_DEPTH;
use std::fmt::Write as _;

/// The scanner.
#[derive(Debug, Clone)]
pub(crate) struct JsonScanner {
    state: State,
    stack: Vec<Container>,
    /// An escape that is not whole yet, or a high surrogate that waits for its other half. Not written so far.
    escape: String,
    /// What was repaired last, if anything was.
    mended: Option<&'static str>,
}

/// What is reported of control characters inside strings.
const ESCAPED: &str = "control characters were escaped";
/// What is reported of halves of characters.
const REPLACED: &str = "lone surrogate escapes became U+FFFD";
/// Length of `\uXXXX`.
const UNIT_LENGTH: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must come.
    Value,
    /// After `[`: a value or `]`.
    ArrayStart,
    /// After `{`: a key or `}`.
    ObjectStart,
    /// After a comma in an object: a key.
    Key,
    /// After a key: a colon.
    Colon,
    /// After a value inside a container: a comma or its end.
    AfterValue,
    /// In a string, which may be a key.
    String { key: bool },
    /// After a backslash.
    Escape { key: bool },
    /// In `\uXXXX`.
    Unicode { key: bool, left: u8 },
    /// In `true`, `false` or `null`.
    Literal { rest: &'static [u8] },
    /// In a number.
    Number(Number),
    /// The value is whole.
    Done,
    /// The text is no JSON.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Default for JsonScanner {
    fn default() -> Self {
        Self { state: State::Value, stack: Vec::new(), escape: String::new(), mended: None }
    }
}

impl JsonScanner {
    /// Reads the next piece and appends it, repaired, to `out`. Returns how many bytes were read: fewer than all
    /// when the value was whole before the piece's end or the text broke.
    pub(crate) fn push(&mut self, piece: &str, out: &mut String) -> usize {
        for (at, c) in piece.char_indices() {
            if self.state == State::Done && !c.is_ascii_whitespace() {
                return at;
            }
            if c < ' ' && matches!(self.state, State::String { .. }) {
                self.mended = Some(ESCAPED);
                self.settle_escape(out);
                // Writing to a string cannot fail.
                let _ = match c {
                    '\n' => out.write_str("\\n"),
                    '\t' => out.write_str("\\t"),
                    '\r' => out.write_str("\\r"),
                    _ => write!(out, "\\u{:04x}", u32::from(c)),
                };
                continue;
            }
            let before = self.state;
            self.step(c);
            match (before, self.state) {
                (_, State::Broken) => return at,
                (State::Escape { .. } | State::Unicode { .. }, _) | (_, State::Escape { .. }) => {
                    self.escape.push(c);
                    if matches!(self.state, State::String { .. }) {
                        self.end_escape(out);
                    }
                }
                _ => {
                    self.settle_escape(out);
                    out.push(c);
                }
            }
        }
        piece.len()
    }

    /// What was repaired, if anything was.
    pub(crate) fn mended(&self) -> Option<&'static str> {
        self.mended
    }

    /// Whether the value is whole.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the text cannot become JSON any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether nothing but white space has come.
    pub(crate) fn is_untouched(&self) -> bool {
        self.state == State::Value && self.stack.is_empty()
    }

    /// The brackets that would end the text without inventing anything: only after a whole value, never inside a
    /// string or a number, whose end is unknown.
    pub(crate) fn closers(&self) -> Option<String> {
        let open = matches!(self.state, State::AfterValue);
        open.then(|| {
            let close = |container: &Container| match container {
                Container::Array => ']',
                Container::Object => '}',
            };
            self.stack.iter().rev().map(close).collect()
        })
    }

    /// An escape is whole: writes what is waiting, except for a high surrogate at its end, whose other half may
    /// follow.
    fn end_escape(&mut self, out: &mut String) {
        let half_waits = self.escape.len() > UNIT_LENGTH;
        let last = self.escape.get(if half_waits { UNIT_LENGTH } else { 0 }..).unwrap_or_default();
        let unit = last.strip_prefix("\\u").and_then(|digits| u16::from_str_radix(digits, 16).ok());
        match (half_waits, unit) {
            (false, Some(0xD800..0xDC00)) => return,
            (true, Some(0xD800..0xDC00)) => {
                let last = self.escape.split_off(UNIT_LENGTH);
                self.settle_escape(out);
                self.escape = last;
                return;
            }
            (true, Some(0xDC00..0xE000)) => {}
            (true, _) | (false, Some(0xDC00..0xE000)) => self.replace_first(),
            (false, _) => {}
        }
        out.push_str(&self.escape);
        self.escape.clear();
    }

    /// Something else than an escape follows: a high surrogate that waits is lone.
    fn settle_escape(&mut self, out: &mut String) {
        if !self.escape.is_empty() {
            self.replace_first();
            out.push_str(&self.escape);
            self.escape.clear();
        }
    }

    /// Puts U+FFFD in the place of the unit that waits.
    fn replace_first(&mut self) {
        self.mended = Some(REPLACED);
        self.escape.replace_range(..UNIT_LENGTH, "\\ufffd");
    }

    fn step(&mut self, c: char) {
        self.state = match self.state {
            State::Value
            | State::ArrayStart
            | State::ObjectStart
            | State::Key
            | State::Colon
            | State::AfterValue
                if matches!(c, ' ' | '\t' | '\n' | '\r') =>
            {
                self.state
            }
            State::ArrayStart if c == ']' => self.close(Container::Array),
            State::Value | State::ArrayStart => self.value(c),
            State::ObjectStart if c == '}' => self.close(Container::Object),
            State::ObjectStart | State::Key if c == '"' => State::String { key: true },
            State::Colon if c == ':' => State::Value,
            State::AfterValue => self.after_value(c),
            State::String { key } => match c {
                '"' if key => State::Colon,
                '"' => self.ended(),
                '\\' => State::Escape { key },
                _ => State::String { key },
            },
            State::Escape { key } => match c {
                'u' => State::Unicode { key, left: 4 },
                '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => State::String { key },
                _ => State::Broken,
            },
            State::Unicode { key, left } if c.is_ascii_hexdigit() => match left {
                1 => State::String { key },
                _ => State::Unicode { key, left: left - 1 },
            },
            State::Literal { rest } => match rest.split_first() {
                Some((next, [])) if c == char::from(*next) => self.ended(),
                Some((next, rest)) if c == char::from(*next) => State::Literal { rest },
                _ => State::Broken,
            },
            State::Number(number) => self.number(number, c),
            State::Done => State::Done,
            State::ObjectStart | State::Key | State::Colon | State::Unicode { .. } | State::Broken => {
                State::Broken
            }
        };
    }

    fn value(&mut self, c: char) -> State {
        match c {
            '{' => self.open(Container::Object, State::ObjectStart),
            '[' => self.open(Container::Array, State::ArrayStart),
            '"' => State::String { key: false },
            't' => State::Literal { rest: b"rue" },
            'f' => State::Literal { rest: b"alse" },
            'n' => State::Literal { rest: b"ull" },
            '-' => State::Number(Number::Minus),
            '0' => State::Number(Number::Zero),
            '1'..='9' => State::Number(Number::Integer),
            _ => State::Broken,
        }
    }

    fn open(&mut self, container: Container, state: State) -> State {
        if self.stack.len() == MAX_DEPTH {
            return State::Broken;
        }
        self.stack.push(container);
        state
    }

    fn close(&mut self, container: Container) -> State {
        if self.stack.pop() == Some(container) { self.ended() } else { State::Broken }
    }

    /// A value has ended.
    fn ended(&self) -> State {
        if self.stack.is_empty() { State::Done } else { State::AfterValue }
    }

    fn after_value(&mut self, c: char) -> State {
        match (c, self.stack.last()) {
            (',', Some(Container::Array)) => State::Value,
            (',', Some(Container::Object)) => State::Key,
            (']', _) => self.close(Container::Array),
            ('}', _) => self.close(Container::Object),
            _ => State::Broken,
        }
    }

    fn number(&mut self, number: Number, c: char) -> State {
        let next = match (number, c) {
            (Number::Minus, '0') => Number::Zero,
            (Number::Minus, '1'..='9') | (Number::Integer, '0'..='9') => Number::Integer,
            (Number::Zero | Number::Integer, '.') => Number::Point,
            (Number::Point | Number::Fraction, '0'..='9') => Number::Fraction,
            (Number::Zero | Number::Integer | Number::Fraction, 'e' | 'E') => Number::Exponent,
            (Number::Exponent, '+' | '-') => Number::ExponentSign,
            (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, '0'..='9') => {
                Number::ExponentDigits
            }
            (Number::Zero | Number::Integer | Number::Fraction | Number::ExponentDigits, _) => {
                // The number ended before this character.
                return match self.ended() {
                    State::Done if c.is_ascii_whitespace() => State::Done,
                    State::Done => State::Broken,
                    state if c.is_ascii_whitespace() => state,
                    _ => self.after_value(c),
                };
            }
            _ => return State::Broken,
        };
        State::Number(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> (JsonScanner, String, usize) {
        let mut scanner = JsonScanner::default();
        let mut out = String::new();
        let read = scanner.push(text, &mut out);
        (scanner, out, read)
    }

    #[test]
    fn agrees_with_serde_json_on_objects() {
        let texts = [
            "{}",
            " { } ",
            r#"{"a":[1,-0.5e+3,true,null,"x\u00e9\n"],"b":{"c":[]}}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            "{,}",
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":tru}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":1]"#,
            r#"{"a":"\u12g4"}"#,
            r#"{"a":--1}"#,
            r#"{"a":1e5,"b":0}"#,
            "{]",
            r#"{"a":+1}"#,
            r#"{"a":1}x"#,
        ];
        for text in texts {
            let (scanner, _, read) = scan(text);
            let valid = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            assert_eq!(scanner.is_done() && read == text.len(), valid, "{text}");
        }
    }

    #[test]
    fn closers_invent_no_end_of_a_string_or_number() {
        let closers = |text: &str| scan(text).0.closers();
        assert_eq!(closers(r#"{"a":[{"b":"c""#).as_deref(), Some("}]}"));
        assert_eq!(closers(r#"{"a":true "#).as_deref(), Some("}"));
        for text in [r#"{"a":"rm -rf /tm"#, r#"{"a":12"#, r#"{"a":"#, r#"{"a""#, r#"{"a":[1,"#, "{", "{}", ""]
        {
            assert_eq!(closers(text), None, "{text}");
        }
    }

    #[test]
    fn raw_control_characters_are_escaped() {
        let (scanner, out, _) = scan("{\"a\":\n\"x\ny\u{1}\"}");
        assert!(scanner.is_done());
        assert_eq!(out, "{\"a\":\n\"x\\ny\\u0001\"}");
    }

    #[test]
    fn halves_of_characters_are_replaced_however_they_are_cut() {
        let cases = [
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"\ude00":"x\ud83dy"}"#, r#"{"\ufffd":"x\ufffdy"}"#),
            (r#"{"a":"\ud83d\ud83d\ude00\n"}"#, r#"{"a":"\ufffd\ud83d\ude00\n"}"#),
            (r#"{"a":"\ud83d\n\\ud83d\u00e9"}"#, r#"{"a":"\ufffd\n\\ud83d\u00e9"}"#),
        ];
        for (text, expected) in cases {
            for cut in 0..=text.len() {
                let mut scanner = JsonScanner::default();
                let mut out = String::new();
                scanner.push(&text[..cut], &mut out);
                scanner.push(&text[cut..], &mut out);
                assert_eq!((out.as_str(), scanner.is_done()), (expected, true), "{text} cut at {cut}");
                assert_eq!(scanner.mended().is_some(), text != expected);
            }
        }
    }

    #[test]
    fn what_follows_a_whole_value_is_not_read() {
        let (scanner, out, read) = scan(r#"{"a":1} {"b":2}"#);
        assert!(scanner.is_done());
        assert_eq!((out.as_str(), read), (r#"{"a":1} "#, 8));
    }
}
