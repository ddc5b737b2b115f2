//! Texts stay as the client escaped them, and how it did so changes nothing of what the upstream is told.

use super::{DIALECTS, config, options};
use aiapiproxy::protocol::{anthropic::request::Request, json};
use aiapiproxy::translate::quirks::Preset;
use aiapiproxy::translate::{Dialect, Options, request};
use proptest::prelude::*;
use serde_json::Value;

/// A way to write a text between quotes.
type Way = fn(&str) -> String;

/// As little as may be escaped, and everything.
const WAYS: [Way; 2] = [
    |text| serde_json::to_string(text).unwrap(),
    |text| {
        let units: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{}\"", units.concat())
    },
];

/// A request with those texts in all places that texts may stand in, as the client writes them.
fn body(texts: &[String], way: Way) -> String {
    let mut texts = texts.iter().cycle().map(|text| way(text));
    let mut text = || texts.next().unwrap();
    format!(
        r#"{{"model":"m","max_tokens":9,"system":[{{"type":"text","text":{}}},{{"type":"text","text":{}}}],
        "tools":[{{"name":"f","description":{},"input_schema":{{"type":"object","properties":{{}}}},
            "input_examples":[{{"a":1}}]}}],
        "messages":[{{"role":"user","content":{}}},{{"role":"user","content":[{{"type":"text","text":{}}},
            {{"type":"image","source":{{"type":"base64","media_type":"image/png","data":{}}}}},
            {{"type":"document","title":"t","source":{{"type":"text","media_type":"text/plain","data":{}}}}},
            {{"type":"document","source":{{"type":"content","content":{}}}}},
            {{"type":"search_result","source":"s","title":"t","content":[{{"type":"text","text":{}}}]}}]}},
        {{"role":"assistant","content":[{{"type":"thinking","thinking":{},"signature":""}},
            {{"type":"text","text":{}}},{{"type":"text","text":{}}},
            {{"type":"tool_use","id":"A","name":"f","input":{{}}}}]}},
        {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"A","is_error":true,
            "content":[{{"type":"text","text":{}}},{{"type":"text","text":{}}}]}}]}},
        {{"role":"system","content":{}}},{{"role":"user","content":"go"}},{{"role":"assistant","content":{}}}]}}"#,
        text(),
        text(),
        text(),
        text(),
        text(),
        way("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB/+8="),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
    )
}

/// What the upstream is told, or why nothing; and what of it was lost.
fn told(body: &[u8], preset: Preset, dialect: Dialect) -> Result<(Value, String, u64), String> {
    let mut options = Options { dialect, ..options(preset) };
    options.quirks.images = true;
    let parsed = Request::parse(body).map_err(|error| error.message)?;
    let told = request(parsed, &options).map_err(|error| error.message)?;
    let text = json::to_vec(&told.body, 0).unwrap();
    assert_eq!(text, serde_json::to_vec(&told.body).unwrap());
    let value = serde_json::from_slice(&text).unwrap();
    Ok((value, format!("{:?}", told.report), told.context.input_estimate))
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![
        "(?s)([ \\n\\t\"\\\\/\\x01]|[a-z]|[é→😀\u{2003}]){0,9}",
        Just("x-anthropic-billing-header: a;\nRest".to_owned()),
        Just("Error: no\n\n".to_owned()),
        Just("Error".to_owned()),
    ];
    prop::collection::vec(text, 1..5)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn how_a_text_is_escaped_changes_nothing(
        texts in texts(),
        preset in prop::sample::select(&[Preset::Generic, Preset::OpenAi, Preset::Vllm, Preset::Mistral, Preset::OpenRouter][..]),
        dialect in prop::sample::select(&DIALECTS[..]),
    ) {
        let [plain, escaped] = WAYS.map(|way| told(body(&texts, way).as_bytes(), preset, dialect));
        prop_assert_eq!(plain, escaped);
    }

    #[test]
    fn half_a_pair_is_read_as_a_replacement_character(
        mut texts in texts(), half in prop::sample::select(&["\\ud83d", "\\uDE00", "\\ud83d\\ud83d"][..]),
        dialect in prop::sample::select(&DIALECTS[..]),
    ) {
        texts.push("HALF".to_owned());
        let body = body(&texts, WAYS[0]);
        let mended = body.replace("HALF", &"\\ufffd".repeat(half.len() / 6));
        let told = |body: &str| told(body.as_bytes(), Preset::Generic, dialect).map(|told| (told.0, told.2));
        prop_assert_eq!(told(&body.replace("HALF", half)), told(&mended));
        let parsed = Request::parse(body.replace("HALF", half).as_bytes()).unwrap();
        prop_assert!(parsed.repaired_surrogates > 0);
    }

    /// One byte of a body changed: it is refused, or what the upstream is told is JSON.
    #[test]
    fn nothing_unsound_passes_into_what_the_upstream_is_told(
        texts in texts(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        way in prop::sample::select(&WAYS[..]), dialect in prop::sample::select(&DIALECTS[..]),
    ) {
        let mut body = body(&texts, way).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let sound = serde_json::from_slice::<Value>(&json::scan(&body).unwrap().text).is_ok();
        let told = told(&body, Preset::Generic, dialect);
        prop_assert!(sound || told.is_err());
    }
}
