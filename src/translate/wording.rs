//! Known wordings: templates of sentences that are searched for in what an upstream says.
//!
//! In a template `{limit}` and its kin stand for a number, `{name}` for a name, `{}` for a number that does not
//! matter, and `~` for at most [`MAX_GAP_BYTES`] bytes of anything. Everything else stands for itself.

/// What the placeholders of a template stood for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `{input}`: tokens of the prompt.
    pub(super) input: Option<u64>,
    /// `{output}`: tokens wanted for the answer.
    pub(super) output: Option<u64>,
    /// `{total}`: both together.
    pub(super) total: Option<u64>,
    /// `{limit}`: the most that is allowed.
    pub(super) limit: Option<u64>,
    /// `{excess}`: how much it is too much.
    pub(super) excess: Option<u64>,
    /// `{name}`: a name of a parameter, in lower case.
    pub(super) name: Option<String>,
}

/// The longest stretch that `~` stands for.
const MAX_GAP_BYTES: usize = 160;
/// What is said further behind is not read.
const MAX_TEXT_CHARS: usize = 4_000;

/// A text as templates are written: lower case, single spaces, not longer than anybody reads.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_whitespace() {
        if plain.len() > MAX_TEXT_CHARS {
            break;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().take(MAX_TEXT_CHARS).map(|c| c.to_ascii_lowercase()));
    }
    plain
}

/// Searches a [`plain`] text for a template, which begins with a text that stands for itself.
pub(super) fn find(template: &str, text: &str) -> Option<Found> {
    let (literal, _) = split_literal(template);
    let mut places = text.match_indices(literal);
    places.find_map(|(at, _)| {
        let mut found = Found::default();
        matches(template, text.get(at..)?, &mut found).then_some(found)
    })
}

/// The first of these templates that the text holds.
pub(super) fn find_any(templates: &[&str], text: &str) -> Option<Found> {
    templates.iter().find_map(|template| find(template, text))
}

/// Whether the text begins as the template says. What was found is noted only on success.
fn matches(template: &str, text: &str, found: &mut Found) -> bool {
    if template.is_empty() {
        return true;
    }
    if let Some(rest) = template.strip_prefix('~') {
        // A gap ends where a number begins, or where the next literal stands.
        let (literal, _) = split_literal(rest);
        let is_start = |at: usize| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            before.is_none_or(|before| !before.is_ascii_digit())
        };
        let ends: &mut dyn Iterator<Item = usize> = if literal.is_empty() {
            &mut text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).filter(|at| is_start(*at))
        } else {
            &mut text.match_indices(literal).map(|(at, _)| at)
        };
        return ends
            .take_while(|at| *at < MAX_GAP_BYTES)
            .any(|at| text.get(at..).is_some_and(|text| matches(rest, text, found)));
    }
    if let Some((placeholder, rest)) = template.strip_prefix('{').and_then(|it| it.split_once('}')) {
        let is_part = if placeholder == "name" { is_part_of_name } else { is_part_of_number };
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let Some((value, after)) = text.split_at_checked(end) else { return false };
        // A dot or comma behind the last character ends the sentence.
        let trimmed = value.trim_end_matches(['.', ',']);
        let after = text.get(trimmed.len()..).unwrap_or(after);
        return !trimmed.is_empty() && matches(rest, after, found) && found.note(placeholder, trimmed);
    }
    let (literal, rest) = split_literal(template);
    text.strip_prefix(literal).is_some_and(|text| matches(rest, text, found))
}

/// What stands for itself at the beginning, and the rest.
fn split_literal(template: &str) -> (&str, &str) {
    template.split_at_checked(template.find(['{', '~']).unwrap_or(template.len())).unwrap_or((template, ""))
}

const fn is_part_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ',' | '_')
}

const fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*')
}

impl Found {
    /// `false` if the value is none.
    fn note(&mut self, placeholder: &str, value: &str) -> bool {
        if placeholder == "name" {
            self.name = Some(value.to_owned());
            return true;
        }
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse() else { return false };
        match placeholder {
            "input" => self.input = Some(number),
            "output" => self.output = Some(number),
            "total" => self.total = Some(number),
            "limit" => self.limit = Some(number),
            "excess" => self.excess = Some(number),
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_read_wherever_the_template_fits() {
        let text = plain(
            "Sorry:  length is\n 1,048,576 tokens. You  asked for 64 in the MESSAGES, 8_192 in the answer.",
        );
        let found = find("length is {limit} tokens~{output} in the answer", &text).unwrap();
        assert_eq!((found.limit, found.output), (Some(1_048_576), Some(8_192)));
        assert_eq!(find("length is {limit} words", &text), None);
        let found = find("asked for {} in the messages, {output}", &text).unwrap();
        assert_eq!(found, Found { output: Some(8_192), ..Found::default() });
        assert_eq!(find("at most {limit}", "at most 12, or at most 13").unwrap().limit, Some(12));
        assert_eq!(find("is '{name}'", "is '' or is 'top_p'.").unwrap().name.as_deref(), Some("top_p"));
        assert_eq!(find("at most {limit}", "at most 99999999999999999999999"), None);
        assert_eq!(find("supplied: {name}", "supplied: top_p.").unwrap().name.as_deref(), Some("top_p"));
    }

    #[test]
    fn gaps_and_texts_are_bounded() {
        let far = format!("from {} to 7", "x".repeat(MAX_GAP_BYTES));
        assert_eq!(find("from~to {limit}", &far), None);
        assert!(plain(&"ä b ".repeat(100_000)).len() < 3 * MAX_TEXT_CHARS);
        assert_eq!(find("a~b~c~d", &"a b c ".repeat(600)), None);
    }
}
