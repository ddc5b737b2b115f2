//! `config.example.toml` as data: what each key means, and the file with values put in where they belong.

use serde_json::Value;

use super::file;

/// The file with every key, its meaning and its default.
const EXAMPLE: &str = include_str!("../../config.example.toml");

/// A key and what the example says of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Described {
    /// The dotted key.
    pub(super) key: String,
    /// The comment above it, on one line.
    pub(super) text: String,
    /// The default, where the example shows it.
    pub(super) default: Option<Value>,
}

/// A line of the example.
enum Line<'l> {
    /// `[table]`.
    Table(&'l str),
    /// `#key = value` or `#   key = value`, and whether the value is the default.
    Key {
        name: &'l str,
        value: &'l str,
        is_default: bool,
    },
    Comment(&'l str),
    Other,
}

impl<'l> Line<'l> {
    fn read(line: &'l str) -> Self {
        if let Some(name) = table_name(line) {
            return Self::Table(name);
        }
        let Some(comment) = line.strip_prefix('#') else { return Self::Other };
        let (text, is_default) = comment.strip_prefix("   ").map_or((comment, true), |text| (text, false));
        if let Some(name) = table_name(text).filter(|_| !is_default) {
            return Self::Table(name);
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        match text.split_once(" = ").filter(|(name, _)| is_name(name)) {
            Some((name, value)) => Self::Key { name, value, is_default },
            None => Self::Comment(comment.trim()),
        }
    }
}

/// `server` of `[server]` or `[[server]]`.
fn table_name(line: &str) -> Option<&str> {
    let inside = line.strip_prefix('[')?.strip_suffix(']')?;
    Some(inside.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(inside))
}

/// Every key that the example shows, with the comment above it. Keys that stand together share their comment, and
/// so does a table with the first of its lines.
pub(super) fn described() -> Vec<Described> {
    let (mut table, mut comment, mut found) = ("", Vec::new(), Vec::<Described>::new());
    let mut after_key = false;
    for line in EXAMPLE.lines() {
        match Line::read(line) {
            Line::Table(name) => {
                table = name;
                let text = comment.join(" ");
                found.push(Described { key: name.to_owned(), text, default: None });
                after_key = true;
            }
            Line::Key { name, value, is_default } => {
                let key = format!("{table}.{name}");
                let default = is_default.then(|| file::literal(value)).flatten();
                let (_, remark) = value.split_once("  # ").unwrap_or_default();
                let text = if remark.is_empty() { comment.join(" ") } else { remark.to_owned() };
                found.push(Described { key, text, default });
                after_key = true;
            }
            Line::Comment(text) => {
                if std::mem::take(&mut after_key) {
                    comment.clear();
                }
                comment.push(text);
            }
            Line::Other => {
                comment.clear();
                after_key = false;
            }
        }
    }
    found.retain(|described| !described.text.is_empty());
    found
}

/// The example with these keys set: each takes the place of the line that shows it. The values are TOML.
pub fn with_values(values: &[(&str, String)]) -> String {
    let mut table = "";
    let mut left: Vec<_> = values.iter().collect();
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let read = Line::read(line);
        if let Line::Table(name) = read
            && !line.starts_with('#')
        {
            table = name;
        }
        let wanted = match read {
            Line::Key { name, .. } => {
                left.iter().position(|(key, _)| key.rsplit_once('.') == Some((table, name)))
            }
            _ => None,
        };
        match wanted.map(|at| left.remove(at)) {
            Some((key, value)) => {
                let name = key.rsplit('.').next().unwrap_or(key);
                text.extend([name, " = ", value, "\n"]);
            }
            None => text.extend([line, "\n"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_place_of_their_lines() {
        let text = with_values(&[("server.port", "9".to_owned()), ("models.sonnet", "\"m\"".to_owned())]);
        assert_eq!(text.lines().count(), EXAMPLE.lines().count());
        assert!(text.contains("\nport = 9\n") && text.contains("\nsonnet = \"m\"\n"));
        assert!(!text.contains("#port = "));
    }
}
