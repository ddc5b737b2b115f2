//! What is changed in a forwarded request if somebody wishes so.

use super::{Exchange, MESSAGE, ODD, answer, json, native_with};

#[test]
fn the_billing_header_goes_if_it_is_to() {
    let gateway =
        native_with(vec![Exchange::new().json(MESSAGE)], "[upstream]\nstrip_billing_header = true\n");
    answer(gateway.post(ODD));
    let sent = gateway.request();
    assert_eq!(sent.json()["system"], json!([{"type": "text", "text": "ü"}]));
    let text = String::from_utf8(sent.body).unwrap();
    let before = r#"{"type":"text","text":"x-anthropic-billing-header: cc_version=1"},"#;
    assert_eq!(text, ODD.replace(before, ""));
    gateway.end();
}

#[test]
fn system_text_finds_the_place_that_was_set() {
    let config = |mode: &str| format!("[upstream.quirks]\nsystem_mode = '{mode}'\n");
    for (mode, leading, last) in [("hoist", 3, false), ("fold", 2, true)] {
        let gateway = native_with(vec![Exchange::new().json(MESSAGE)], &config(mode));
        answer(gateway.post(ODD));
        let sent = gateway.request().json();
        assert_eq!(sent["system"].as_array().unwrap().len(), leading, "{sent}");
        let messages = sent["messages"].as_array().unwrap();
        assert!(messages.iter().all(|message| message["role"] != "system"), "{sent}");
        assert_eq!(messages[0].to_string().contains("<system-reminder>"), last, "{sent}");
        assert_eq!(messages[0]["content"][0]["model"], "inner");
        gateway.end();
    }
}
