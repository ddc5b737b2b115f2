//! The state of a browser, as a text that any model reads.

use crate::protocol::anthropic::block::browser::{BrowserState, StateChange, Tab};

/// One line for each tab and each change.
pub(super) fn text(state: &BrowserState) -> String {
    let mut lines = vec![if state.tabs.is_empty() { "No open tabs." } else { "Open tabs:" }.to_owned()];
    lines.extend(state.tabs.iter().map(tab));
    lines.extend(state.state_changes.iter().flatten().map(change));
    lines.join("\n")
}

fn tab(tab: &Tab) -> String {
    let mut line = format!("- [{}]", tab.tab_id);
    let active = if tab.active == Some(true) { "(active)" } else { "" };
    for word in [&tab.title, &tab.url, active].into_iter().filter(|word| !word.is_empty()) {
        line.push(' ');
        line.push_str(word);
    }
    line
}

fn change(change: &StateChange) -> String {
    let mut line = change.kind.replace('_', " ");
    let size = change.size_bytes.map(|bytes| format!("{bytes} bytes"));
    let said = [&change.tab_id, &change.download_id, &change.url, &change.path, &size, &change.error];
    for value in said.into_iter().flatten() {
        line.push(' ');
        line.push_str(value);
    }
    line
}
