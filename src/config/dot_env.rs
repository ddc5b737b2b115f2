//! The `.env` format: `NAME=value` lines, as plain data.
//!
//! Read by hand for two reasons: libraries put the values of *other* environment variables in place of `$NAME`,
//! which would let a file from a cloned repository copy a secret into a model's name, and they print the line
//! that they cannot read, which may hold a key. Here `$` is a dollar sign and a line is named by its number.
//!
//! Known: an `export ` in front, `# comments` on lines of their own or after white space, `'literal'` and
//! `"quoted"` values, which may go over several lines, the latter with `\n`, `\r`, `\t`, `\"`, `\\` and `\$`. The last of equal names wins.

use std::{collections::BTreeMap, path::Path};

use super::{error::Error, paths};

/// The variables of a file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text = paths::read_text(path, "the environment file")?;
    parse(&text).map_err(|line| Error::DotEnvLine { path: path.to_owned(), line })
}

/// The variables, or the number of the first line that begins none.
fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = BTreeMap::new();
    let mut line = 1;
    while !rest.is_empty() {
        let (first, after_first) = rest.split_once('\n').unwrap_or((rest, ""));
        let after = if is_comment(first) {
            after_first
        } else {
            let (name, value, after) = variable(first, rest).ok_or(line)?;
            variables.insert(name.to_owned(), value);
            after
        };
        let taken = rest.get(..rest.len() - after.len()).unwrap_or_default();
        line += taken.matches('\n').count();
        rest = after;
    }
    Ok(variables)
}

/// The variable that begins at the text's first line, and the text after its last one.
fn variable<'t>(first: &'t str, text: &'t str) -> Option<(&'t str, String, &'t str)> {
    let (name, _) = first.split_once('=')?;
    let (_, value) = text.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let value = value.trim_start_matches([' ', '\t']);
    let (value, rest) = match value.chars().next() {
        Some('\'') => value.get(1..)?.split_once('\'').map(|(inside, rest)| (inside.to_owned(), rest))?,
        Some('"') => quoted(value.get(1..)?)?,
        _ => {
            let (line, after) = value.split_once('\n').unwrap_or((value, ""));
            return Some((name, without_comment(line.trim()).to_owned(), after));
        }
    };
    let (rest, after) = rest.split_once('\n').unwrap_or((rest, ""));
    is_comment(rest).then_some((name, value, after))
}

/// The value up to the closing quote, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                literal @ ('"' | '\\' | '$') => value.push(literal),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
}

fn is_comment(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// `a#b # c` → `a#b`.
fn without_comment(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let mut previous_is_space = false;
    for (at, c) in value.char_indices() {
        if c == '#' && previous_is_space {
            return value.get(..at).unwrap_or_default().trim_end();
        }
        previous_is_space = c.is_whitespace();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_every_form() {
        let table = [
            ("A=b", Some("b")),
            ("  export A = b  ", Some("b")),
            ("A=", Some("")),
            ("A= # nothing", Some("")),
            ("A=b # comment", Some("b")),
            ("A=b#c", Some("b#c")),
            ("A=b c", Some("b c")),
            ("A=k=v==", Some("k=v==")),
            ("A='b # c' # d", Some("b # c")),
            (r#"A="b \" \\ \n \$X" # d"#, Some("b \" \\ \n $X")),
            (r#"A="C:\dir""#, Some(r"C:\dir")),
            ("\u{feff}A=b\r\n", Some("b")),
            ("A=b\nA=c", Some("c")),
            ("# A=b\n\nA=c", Some("c")),
            ("B=\"b\nc = d\"\nA='b\nc'\nC=d", Some("b\nc")),
            ("A='b", None),
            ("A=\"b", None),
            ("A=\"b\" c", None),
            ("just words", None),
            ("two words=b", None),
            ("=b", None),
        ];
        for (text, expected) in table {
            let found = parse(text).ok();
            let found = found.as_ref().and_then(|found| found.get("A")).map(String::as_str);
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_dollar_sign_is_a_dollar_sign() {
        let found = parse("A=$HOME\nB=${HOME}\nC=\"$HOME\"").unwrap();
        assert_eq!(found.values().collect::<Vec<_>>(), ["$HOME", "${HOME}", "$HOME"]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        assert_eq!(parse("A=b\n# c\nsk-CANARY\n"), Err(3));
        assert_eq!(parse("A='b\n\n'\n\nsk-CANARY"), Err(5));
    }
}
