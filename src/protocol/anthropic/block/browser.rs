//! `browser_state`: what a browser shows after a call of a tool that works it.

object! {
    /// One open tab.
    pub struct Tab {
        /// The client's name of the tab.
        required tab_id: String = "tab_id",
        /// The page's title; may be empty.
        required title: String = "title",
        /// The page's address; may be empty.
        required url: String = "url",
        /// Whether it is the tab that is shown.
        optional active: bool = "active",
    }
}

object! {
    /// What a call changed beside the tabs' content.
    pub struct StateChange {
        /// `tab_opened`, `download_started`, `download_completed` or `download_failed`.
        required kind: String = "type",
        /// The tab it is about.
        optional tab_id: String = "tab_id",
        /// The download it is about.
        optional download_id: String = "download_id",
        /// Where the download comes from.
        optional url: String = "url",
        /// Where the download was saved.
        optional path: String = "path",
        /// How large it is.
        optional size_bytes: u64 = "size_bytes",
        /// Why it failed.
        optional error: String = "error",
    }
}

/// What a browser shows.
#[derive(Debug, Clone)]
pub struct BrowserState {
    /// All open tabs.
    pub tabs: Vec<Tab>,
    /// What the call changed.
    pub state_changes: Option<Vec<StateChange>>,
}

impl BrowserState {
    /// Members that the types do not know, by the place of the object that has them.
    pub fn unknown(&self) -> impl Iterator<Item = (String, &[String])> {
        let tabs = self.tabs.iter().enumerate();
        let tabs = tabs.map(|(index, tab)| (format!("tabs/{index}"), tab.unknown.as_slice()));
        let changes = self.state_changes.iter().flatten().enumerate();
        let changes =
            changes.map(|(index, change)| (format!("state_changes/{index}"), change.unknown.as_slice()));
        tabs.chain(changes)
    }
}
