//! The calibrated estimate of a text's tokens: one pass over its characters, no tables, always the same number.
//!
//! The tokenizer first cuts a text into pieces (a word with the character before it, up to three digits, a run of
//! signs, white space) and then each piece into tokens. The first step is done here; for the second, the weights
//! below stand: tokens for each piece, and more for what makes pieces long. Those of ASCII were fitted to o200k
//! over some thousand pieces of code, documentation and JSON, the others set by hand. How near they come is
//! measured by a test over `tests/fixtures/tokens`, which the fit did not see, and stands in the README.

use super::length;
use crate::protocol::json::Chars;

/// An estimate of a text's tokens.
pub fn estimate_text(text: &str) -> u64 {
    Shape::of(text, Escapes::None).tokens()
}

/// An estimate of the tokens of a text that stood between quotes in JSON. It may be cut within an escape, the rest of
/// which is then taken for text.
pub(super) fn estimate_escaped(inner: &str) -> u64 {
    Shape::of(inner, Escapes::Json).tokens()
}

/// What a backslash in a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// Itself.
    None,
    /// The beginning of an escape of JSON, unless that is not whole.
    Json,
}

impl Escapes {
    /// The class of what the text begins with, which is no plain ASCII, and how many bytes stand for it.
    fn first(self, text: &str) -> Option<(Class, usize)> {
        if let (Self::Json, Some([b'\\', escaped])) = (self, text.as_bytes().first_chunk()) {
            match escaped {
                b'n' | b'r' => return Some((Class::LineEnd, 2)),
                b't' => return Some((Class::Space, 2)),
                b'"' | b'\\' | b'/' => return Some((Class::Sign, 2)),
                _ => {
                    let mut chars = Chars::new(text);
                    return Some((Class::of(chars.next()?), text.len() - chars.rest().len()));
                }
            }
        }
        text.chars().next().map(|c| (Class::of(c), c.len_utf8()))
    }
}

impl Shape {
    fn tokens(self) -> u64 {
        let shape = self;
        let weighed = [
            (shape.words, 980),
            (shape.tight_words, 320),
            (shape.long_letters, 115),
            (shape.tight_letters, 120),
            (shape.capitals, 500),
            (shape.digits, 1_400),
            (shape.signs, 840),
            (shape.blanks, 850),
            (shape.han, 820),
            (shape.kana, 730),
            (shape.hangul, 790),
            (shape.letters, 280),
            (shape.foreign_words, 800),
            (shape.others, 900),
        ];
        let thousandths: u64 = weighed.into_iter().map(|(pieces, thousandths)| pieces * thousandths).sum();
        thousandths.div_ceil(1_000)
    }
}

/// What a text is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Shape {
    /// Words of ASCII letters; `camelCase` is two.
    words: u64,
    /// Words without a space before them, which the vocabulary has fewer of.
    tight_words: u64,
    /// Letters of words beyond the seventh.
    long_letters: u64,
    /// Letters of tight words beyond the fourth.
    tight_letters: u64,
    /// Capital letters that follow one another, beyond the second.
    capitals: u64,
    /// Groups of up to three digits.
    digits: u64,
    /// Runs of signs that belong to no word.
    signs: u64,
    /// White space that is a piece of its own.
    blanks: u64,
    /// Chinese characters.
    han: u64,
    /// Japanese syllables.
    kana: u64,
    /// Korean syllables.
    hangul: u64,
    /// Other letters beyond ASCII of two bytes: accented, Cyrillic, Greek, Arabic and so on.
    letters: u64,
    /// Words that hold them.
    foreign_words: u64,
    /// Everything else: dashes, quotes, emoji, rarer scripts.
    others: u64,
}

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Space,
    LineEnd,
    Sign,
    Han,
    Kana,
    Hangul,
    Letter,
    Other,
}

impl Class {
    const fn of(c: char) -> Self {
        match c {
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            '0'..='9' => Self::Digit,
            ' ' | '\t' => Self::Space,
            '\n' | '\r' => Self::LineEnd,
            '\0'..='\u{7f}' => Self::Sign,
            '\u{aa}' | '\u{b5}' | '\u{ba}' | '\u{c0}'..='\u{7ff}' | '\u{1e00}'..='\u{1fff}' => Self::Letter,
            '\u{3041}'..='\u{30ff}' => Self::Kana,
            '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => Self::Han,
            '\u{ac00}'..='\u{d7a3}' => Self::Hangul,
            _ => Self::Other,
        }
    }
}

/// The classes of ASCII, because nearly all characters are of it.
static ASCII: [Class; 128] = {
    let mut classes = [Class::Sign; 128];
    let mut byte = 0;
    let mut rest: &mut [Class] = &mut classes;
    while let Some((class, behind)) = rest.split_first_mut() {
        *class = Class::of(byte as char);
        (byte, rest) = (byte + 1_u8, behind);
    }
    classes
};

/// The piece that the reading is in.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    class: Option<Class>,
    length: u64,
    /// A word that a space stands before.
    after_space: bool,
}

impl Shape {
    /// Takes a text apart.
    fn of(text: &str, escapes: Escapes) -> Self {
        let mut shape = Self::default();
        let mut run = Run::default();
        let mut at = 0;
        while let Some(&byte) = text.as_bytes().get(at) {
            let class = match ASCII.get(usize::from(byte)) {
                Some(&class) if byte != b'\\' => {
                    at += 1;
                    class
                }
                _ => {
                    let Some((class, length)) = escapes.first(text.get(at..).unwrap_or_default()) else {
                        break;
                    };
                    at += length;
                    class
                }
            };
            shape.take(class, &mut run);
            // Most characters are letters that follow another, then spaces that do.
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            at += match class {
                Class::Lower => shape.letters_go_on(until(rest, |byte| !byte.is_ascii_lowercase()), &mut run),
                Class::Space => {
                    shape.spaces_go_on(until(rest, |byte| !matches!(byte, b' ' | b'\t')), &mut run)
                }
                _ => 0,
            };
        }
        shape
    }

    fn take(&mut self, class: Class, run: &mut Run) {
        use Class::{Digit, Han, Hangul, Kana, Letter, LineEnd, Lower, Other, Sign, Space, Upper};
        let before = run.class;
        run.class = Some(class);
        match class {
            Lower | Upper => self.letter(class, before, run),
            Letter => {
                self.letters += 1;
                if !matches!(before, Some(Letter | Lower | Upper)) {
                    self.foreign_words += 1;
                }
                run.length += 1;
            }
            Digit => {
                run.length = if before == Some(Digit) { run.length + 1 } else { 1 };
                self.digits += u64::from(run.length % 3 == 1);
            }
            Sign => {
                run.length = if before == Some(Sign) { run.length + 1 } else { 1 };
                self.signs += u64::from(run.length == 1);
                run.after_space = before == Some(Space);
            }
            Space => {
                run.length = if before == Some(Space) { run.length + 1 } else { 1 };
                self.blanks += u64::from(run.length == 2);
            }
            LineEnd => {
                // Behind signs it is theirs, behind spaces they are its.
                self.blanks += u64::from(!matches!(before, Some(LineEnd | Sign)));
                self.blanks -= u64::from(before == Some(Space) && run.length > 1);
                run.length = 1;
            }
            Han => self.han += 1,
            Kana => self.kana += 1,
            Hangul => self.hangul += 1,
            Other => self.others += 1,
        }
    }

    /// A letter of ASCII: a word begins or goes on.
    fn letter(&mut self, class: Class, before: Option<Class>, run: &mut Run) {
        let goes_on = match before {
            Some(Class::Lower) => class == Class::Lower,
            Some(Class::Upper | Class::Letter) => true,
            _ => false,
        };
        if goes_on {
            self.letters_go_on(1, run);
            self.capitals += u64::from(class == Class::Upper && run.length > 2);
        } else {
            // One sign alone before a word belongs to it.
            self.signs -= u64::from(before == Some(Class::Sign) && run.length == 1 && !run.after_space);
            run.after_space = before == Some(Class::Space);
            run.length = 1;
            self.words += 1;
            self.tight_words += u64::from(!run.after_space);
        }
    }

    /// So many letters more; returns how many.
    fn letters_go_on(&mut self, count: usize, run: &mut Run) -> usize {
        let before = run.length;
        run.length += length(count);
        let beyond = |limit: u64| run.length.saturating_sub(limit) - before.saturating_sub(limit);
        if run.after_space {
            self.long_letters += beyond(7);
        } else {
            self.tight_letters += beyond(4);
        }
        count
    }

    /// So many spaces more; returns how many.
    fn spaces_go_on(&mut self, count: usize, run: &mut Run) -> usize {
        self.blanks += u64::from(count > 0 && run.length == 1);
        run.length += length(count);
        count
    }
}

/// How many bytes come before the first that is so.
fn until(bytes: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().position(is).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_those_of_the_tokenizer() {
        let shape = Shape::of("The parseHTTPHeader(x) -> 12345;\n    next_line\n\nEnd", Escapes::None);
        // The, parse, HTTPHeader, x, next, line, End: all but the first after a space are tight.
        assert_eq!((shape.words, shape.tight_words), (7, 5));
        // `(` and `_` belong to their words; `)`, `->` and `;` do not.
        assert_eq!((shape.digits, shape.signs), (2, 3));
        assert_eq!(Shape::of("a  \n  b", Escapes::None).blanks, 2);
        assert_eq!(Shape::of("日本のキー 한국", Escapes::None).han, 2);
        assert_eq!(Shape::of("日本のキー 한국", Escapes::None).kana, 3);
        assert_eq!(Shape::of("日本のキー 한국", Escapes::None).hangul, 2);
    }

    proptest! {
        #[test]
        fn runs_count_as_their_characters_do(text in "[a-cA-C1.\\n\\t é日]{0,60}|[a-b ]{0,60}") {
            let (mut shape, mut run) = (Shape::default(), Run::default());
            text.chars().for_each(|c| shape.take(Class::of(c), &mut run));
            prop_assert_eq!(Shape::of(&text, Escapes::None), shape);
        }
    }

    #[test]
    fn nothing_costs_nothing_and_anything_something() {
        assert_eq!(estimate_text(""), 0);
        for text in ["a", "1", ".", "é", "日", "の", "한", "🦀", "\n", "  "] {
            assert!((1..=2).contains(&estimate_text(text)), "{text:?}");
        }
    }

    #[test]
    fn an_escaped_text_costs_what_it_means() {
        for text in ["a\"b\\c", "\tx\n\n  y = \"é\";\r\n", "\u{1}日 \u{1F600} aBCdef", "\\\\\\", ""] {
            let units: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let unicode = units.concat();
            let literal = serde_json::to_string(text).unwrap();
            for inner in [&literal[1..literal.len() - 1], &unicode] {
                assert_eq!(estimate_escaped(inner), estimate_text(text), "{inner}");
            }
        }
        assert_eq!(estimate_escaped("\\u12 \\"), estimate_text("\\u12 \\"));
    }

    #[test]
    fn counters_never_underflow() {
        for text in
            ["  \n", " \n", "\n \n", ".a", " .a", "..a", "..\n", "a\n", ".é", " (a)", "\u{0}", "A.B.C", "1.a"]
        {
            estimate_text(text);
        }
    }
}
