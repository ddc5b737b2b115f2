use super::*;
use crate::protocol::json::{Escaped, scan};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

object! {
    /// Of each kind of member one.
    #[allow(dead_code, clippy::allow_attributes, reason = "looked at through Debug")]
    struct Sample {
        required kind: String = "type",
        optional text: Escaped = "text",
        optional raw: Box<RawValue> = "raw",
        optional number: u64 = "number",
        optional share: f64 = "share",
        optional flag: bool = "flag",
        optional list: Vec<Sample> = "list",
        optional ignored: IgnoredAny = "ignored",
    }
}

/// Whatever is read is read by `serde_json` too, and the same.
fn check<'de, T: Deserialize<'de>>(text: &'de [u8], same: impl Fn(&T, &T) -> bool) -> bool {
    let Some(ours) = read::<T>(text) else { return false };
    let theirs: T = serde_json::from_slice(text).unwrap();
    assert!(same(&ours, &theirs), "{}", String::from_utf8_lossy(text));
    assert_eq!(scan(text).unwrap().repaired, 0);
    true
}

fn check_all(text: &[u8]) -> bool {
    check::<Sample>(text, |a, b| format!("{a:?}") == format!("{b:?}"));
    check::<BTreeMap<Cow<'_, str>, &RawValue>>(text, |a, b| format!("{a:?}") == format!("{b:?}"));
    check::<IgnoredAny>(text, |_, _| true);
    check::<Value>(text, Value::eq)
}

/// Texts that are nearly JSON.
fn texts() -> impl Strategy<Value = String> {
    let string = prop::sample::select(
        &[
            r#""""#,
            r#""type""#,
            r#""text""#,
            r#""é\n\"\\\/\b\f\r\t""#,
            r#""\u00e9\ud83d\ude00\u0000""#,
            r#""\ud83d""#,
            r#""\ude00\ud83d""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\x""#,
            "\"a\nb\"",
            "\"\u{7f}\"",
            "\"open",
        ][..],
    );
    let scalar = prop::sample::select(
        &[
            "0",
            "-0",
            "-",
            "01",
            "1.",
            "1.5",
            "1e9",
            "1e",
            "1E+2",
            "1e999",
            "18446744073709551616",
            "true",
            "truth",
            "false",
            "null",
            "nul",
            "+1",
            ".5",
            "NaN",
        ][..],
    );
    let leaf = prop_oneof![string.clone().prop_map(str::to_owned), scalar.prop_map(str::to_owned)];
    let key = prop_oneof![
        4 => prop::sample::select(
            &["\"type\"", "\"text\"", "\"raw\"", "\"number\"", "\"share\"", "\"flag\"", "\"list\"", "\"ignored\""][..]
        ).prop_map(str::to_owned),
        1 => string.prop_map(str::to_owned),
        1 => Just("1".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let comma = prop::sample::select(&[",", ",", ",", " ,\n", ",,", ""][..]);
        let join = |(items, comma): (Vec<String>, &str)| items.join(comma);
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), comma.clone())
                .prop_map(move |it| format!("[{}]", join(it))),
            (
                prop::collection::vec((key.clone(), inner).prop_map(|(k, v)| format!("{k} : {v}")), 0..4),
                comma
            )
                .prop_map(move |it| format!("{{{}}}", join(it))),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_is_read_that_serde_json_would_not_read_so(text in texts()) {
        let ours = check_all(text.as_bytes());
        let sound = serde_json::from_slice::<Value>(text.as_bytes()).is_ok();
        let whole = scan(text.as_bytes()).is_ok_and(|scanned| scanned.repaired == 0);
        prop_assert_eq!(ours, sound && whole);
    }

    #[test]
    fn a_text_with_one_byte_changed_is_read_as_serde_json_reads_it(
        text in texts(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        check_all(&bytes);
    }
}

#[test]
fn values_are_borrowed_where_they_can_be() {
    let text = br#" { "a\u0062" : { "x" : [1, "\n"] } , "c":"d" } "#;
    let members: BTreeMap<String, &RawValue> = read(text).unwrap();
    assert_eq!(members["ab"].get(), r#"{ "x" : [1, "\n"] }"#);
    assert_eq!(read::<&str>(br#""plain""#), Some("plain"));
    assert_eq!(read::<String>(br#""\"""#).as_deref(), Some("\""));
    assert_eq!(read::<Escaped>(br#" "\u0041" "#).unwrap().literal(), r#""\u0041""#);
}

#[test]
fn what_is_too_deep_or_not_taken_whole_is_left_to_serde_json() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(read::<IgnoredAny>(nested(126).as_bytes()).is_some());
    assert!(read::<IgnoredAny>(nested(127).as_bytes()).is_none());
    assert!(read::<Value>(nested(126).as_bytes()).is_some());
    assert!(read::<Value>(nested(127).as_bytes()).is_none());
    assert!(read::<(u8, u8)>(b"[1,2,3]").is_none());
    for text in ["1 2", "[1", "{", "", "\u{feff}1", "[1]]", "\"a", "{\"a\"}", "{\"a\":}", "[,1]", "{,}"] {
        assert!(!check_all(text.as_bytes()), "{text}");
    }
    assert!(read::<IgnoredAny>(b"\"\xff\"").is_none());
}
