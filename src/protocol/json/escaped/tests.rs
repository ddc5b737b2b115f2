use super::*;
use crate::protocol::json;
use proptest::prelude::*;

/// A text in quotes, escaped in one of the many ways there are.
fn literal(text: &str, ways: &[u8]) -> String {
    let mut literal = vec!["\"".to_owned()];
    let units_of = |c: char, write: fn(&u16) -> String| {
        c.encode_utf16(&mut [0; 2]).iter().map(write).collect::<Vec<_>>().concat()
    };
    for (c, way) in text.chars().zip(ways.iter().chain(std::iter::repeat(&0))) {
        let must = c < ' ' || matches!(c, '"' | '\\');
        match way % 4 {
            1 => literal.push(units_of(c, |unit| format!("\\u{unit:04x}"))),
            2 => literal.push(units_of(c, |unit| format!("\\u{unit:04X}"))),
            3 if c == '/' => literal.push("\\/".to_owned()),
            _ if must => {
                let quoted = serde_json::to_string(&c).unwrap();
                literal.push(quoted[1..quoted.len() - 1].to_owned());
            }
            _ => literal.push(c.to_string()),
        }
    }
    literal.concat() + "\""
}

fn read(literal: &str) -> Escaped {
    json::read(literal.as_bytes()).unwrap()
}

/// A text, and a literal that means it.
fn texts() -> impl Strategy<Value = (String, String)> {
    let text = "(?s)([ \\t\\n\\\\/a\u{e9}\u{1F600}\u{2003}\\x01]|[\\x00-\u{10ffff}]){0,12}";
    (text, prop::collection::vec(any::<u8>(), 0..12))
        .prop_map(|(text, ways)| (text.clone(), literal(&text, &ways)))
}

proptest! {
    #[test]
    fn what_is_asked_of_it_is_asked_of_what_it_means((text, literal) in texts(), (other, literal_of_other) in texts()) {
        let (escaped, of_other) = (read(&literal), read(&literal_of_other));
        prop_assert_eq!(escaped.literal(), literal);
        prop_assert_eq!(escaped.unescaped(), text.as_str());
        prop_assert_eq!(escaped.chars().collect::<String>(), text.as_str());
        prop_assert_eq!(escaped.is_empty(), text.is_empty());
        prop_assert_eq!(escaped.is_blank(), text.trim().is_empty());
        prop_assert_eq!(escaped.last(), text.chars().next_back());
        prop_assert_eq!(escaped.starts_with(&other), text.starts_with(&other));
        let start: String = text.chars().take(2).collect();
        prop_assert!(escaped.starts_with(&start));
        prop_assert_eq!(&escaped, text.as_str());
        prop_assert_eq!(&escaped, &Escaped::from(text.as_str()));
        prop_assert_eq!(escaped == of_other, text == other);
        for ours in [Escaped::from(text.clone()), Escaped::from(text.as_str())] {
            prop_assert_eq!(ours.literal(), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn what_is_done_to_it_is_done_to_what_it_means((text, literal) in texts(), (other, literal_of_other) in texts()) {
        let means = |escaped: &Escaped, expected: &str| {
            let read: String = serde_json::from_str(escaped.literal()).unwrap();
            assert_eq!(read, expected);
            assert_eq!(escaped.unescaped(), expected);
        };
        let (escaped, of_other) = (read(&literal), read(&literal_of_other));
        let change = |change: &dyn Fn(&mut Escaped)| {
            let mut changed = escaped.clone();
            change(&mut changed);
            changed
        };
        means(&change(&|it| it.push(&of_other)), &format!("{text}{other}"));
        means(&change(&|it| it.push_str(&other)), &format!("{text}{other}"));
        means(&change(&|it| it.prepend(&other)), &format!("{other}{text}"));
        means(&change(&Escaped::trim_end), text.trim_end());
        let joined = Escaped::join([escaped.clone(), of_other, escaped.clone()], "\n");
        means(&joined, &format!("{text}\n{other}\n{text}"));
    }

    /// Both writers write it as it stands, and both readers read it.
    #[test]
    fn it_is_written_and_read_as_any_string((text, literal) in texts()) {
        let escaped = read(&literal);
        prop_assert_eq!(serde_json::to_string(&[&escaped]).unwrap(), format!("[{literal}]"));
        prop_assert_eq!(json::to_vec(&[&escaped], 0).unwrap(), format!("[{literal}]").into_bytes());
        prop_assert_eq!(serde_json::to_value(&escaped).unwrap(), serde_json::Value::String(text));
        prop_assert_eq!(serde_json::from_str::<Escaped>(&literal).unwrap(), escaped);
    }

    /// Cut anywhere, it is read on without a panic, and what is whole is what it was.
    #[test]
    fn characters_of_a_cut_text_are_those_of_the_whole((text, literal) in texts(), at in any::<prop::sample::Index>()) {
        let inner = literal.trim_start_matches('"');
        let cuts: Vec<usize> = inner.char_indices().map(|(at, _)| at).collect();
        let at = if cuts.is_empty() { 0 } else { cuts[at.index(cuts.len())] };
        let (start, end) = inner.split_at(at);
        let count = Chars::new(start).count() + Chars::new(end).count();
        prop_assert!(count + 1 >= text.chars().count());
    }
}

#[test]
fn the_end_of_a_run_of_backslashes_is_found() {
    for (literal, last, trimmed) in [
        (r#""a\\n""#, Some('n'), r#""a\\n""#),
        (r#""a\\\n""#, Some('\n'), r#""a\\""#),
        (r#""\\u000a""#, Some('a'), r#""\\u000a""#),
        (r#""\\\u000a \u2003""#, Some('\u{2003}'), r#""\\""#),
        (r#""\ud83d\ude00""#, Some('\u{1F600}'), r#""\ud83d\ude00""#),
        (r#"" \t\n""#, Some('\n'), r#""""#),
        (r#""""#, None, r#""""#),
    ] {
        let mut escaped = read(literal);
        assert_eq!(escaped.last(), last, "{literal}");
        escaped.trim_end();
        assert_eq!(escaped.literal(), trimmed, "{literal}");
    }
}
