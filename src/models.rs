//! `ModelMap`: which upstream model stands for a requested one, and why. Pure.
//!
//! The first rule that fits decides: exact name > glob > family > default > passed through. Of several globs the
//! one with the most literal characters wins, of equals the one that stands first. A suffix in brackets, with
//! which Claude Code marks long contexts (`claude-sonnet-5[1m]`), is no part of the name.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use self::{counting::Multiplier, dialect::Wish};

pub mod counting;
pub mod dialect;
pub mod names;

/// The rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelMap {
    exact: Vec<(String, Target)>,
    /// Most specific first.
    globs: Vec<(String, Target)>,
    families: Families,
    default: Option<Mapped>,
}

/// An upstream model, and what clients may know about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The name that the upstream knows.
    pub model: String,
    /// The name that lists show, if not the id.
    pub display_name: Option<String>,
    /// The tokens that fit into its context, if known.
    pub max_input_tokens: Option<u64>,
    /// The most tokens that it answers with, if known.
    pub max_output_tokens: Option<u64>,
    /// By how much its token counts are multiplied, if not as the upstream's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_multiplier: Option<Multiplier>,
    /// The dialect in which it is asked.
    #[serde(skip_serializing_if = "Wish::is_auto")]
    pub dialect: Wish,
    /// Its name at OpenAI, where `model` is the name of a deployment (Azure).
    pub model_family: Option<String>,
}

/// A target and who chose it, in words (`env CLAUDE_SONNET_MODEL`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The upstream model.
    pub target: Target,
    /// Who chose it.
    pub origin: String,
}

/// What the families are mapped to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Families {
    /// Haiku.
    pub haiku: Option<Mapped>,
    /// Sonnet.
    pub sonnet: Option<Mapped>,
    /// Opus, and the newer families above it, Fable and Mythos.
    pub opus: Option<Mapped>,
}

/// A family of Anthropic's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// The small one.
    Haiku,
    /// The middle one.
    Sonnet,
    /// The large one, and the newer families above it.
    Opus,
}

/// What becomes of a requested name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The name to send to the upstream.
    pub model: String,
    /// The rule that decided.
    pub rule: Rule,
}

/// The rule that decided; its `Display` is what `models NAME` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `[models.map]` has this very name.
    Exact,
    /// This pattern of `[models.map]` fits.
    Glob(String),
    /// The name belongs to a family that is mapped.
    Family {
        /// The family.
        family: Family,
        /// Who mapped it.
        origin: String,
    },
    /// `models.default`, with its origin.
    Default(String),
    /// No rule fits: the upstream gets the name as it is, without a suffix in brackets.
    PassedThrough,
}

/// One entry of `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name that clients send.
    pub id: String,
    /// Its family, if the name belongs to one.
    pub family: Option<Family>,
    /// The upstream model, and what is known about it.
    pub target: Target,
}

impl ModelMap {
    /// A map of these rules. Names in `map` that hold `*` or `?` are globs, in order of preference among equals.
    pub fn new(map: Vec<(String, Target)>, families: Families, default: Option<Mapped>) -> Self {
        let (mut globs, exact): (Vec<_>, Vec<_>) =
            map.into_iter().partition(|(name, _)| name.contains(['*', '?']));
        // A stable sort keeps the order among equals.
        globs.sort_by_key(|(pattern, _)| std::cmp::Reverse(literal_length(pattern)));
        Self { exact, globs, families, default }
    }

    /// What holds on OpenAI's own host when nothing is configured (models of November 2026).
    pub fn openai_defaults() -> Self {
        Self::new(Vec::new(), Families::openai(), None)
    }

    /// Every name stands for this model, because `origin` says so.
    pub fn only(target: Target, origin: String) -> Self {
        Self::new(Vec::new(), Families::default(), Some(Mapped { target, origin }))
    }

    /// The upstream model for a requested name, and the rule that decided.
    pub fn resolve(&self, requested: &str) -> Resolution {
        match self.find(requested) {
            Some((target, found)) => Resolution { model: target.model.clone(), rule: found.rule() },
            None => Resolution { model: without_suffix(requested).to_owned(), rule: Rule::PassedThrough },
        }
    }

    /// The upstream model for a requested name.
    pub fn model<'n>(&'n self, requested: &'n str) -> &'n str {
        self.model_and_target(requested).0
    }

    /// The upstream model for a requested name, and what is known of it, unless the name passes through.
    pub fn model_and_target<'n>(&'n self, requested: &'n str) -> (&'n str, Option<&'n Target>) {
        match self.target(requested) {
            Some(target) => (&target.model, Some(target)),
            None => (without_suffix(requested), None),
        }
    }

    /// The ids that `GET /v1/models` shows: the configured exact names in the file's order, then the current
    /// alias of each family that some rule sends to an upstream model. Each resolves by [`ModelMap::resolve`].
    ///
    /// Empty when every name passes through: without asking the upstream nothing true can be said there, and a
    /// listed model that does not exist misleads a client more than an empty list.
    pub fn listed(&self) -> Vec<Listed> {
        let aliases = Family::ALL.map(Family::alias);
        let configured = self.exact.iter().map(|(name, _)| name.as_str());
        let aliases = aliases.into_iter().filter(|alias| !self.exact.iter().any(|(name, _)| name == alias));
        let entry = |id: &str| {
            let (target, _) = self.find(id)?;
            Some(Listed { id: id.to_owned(), family: Family::of(id), target: target.clone() })
        };
        configured.chain(aliases).filter_map(entry).collect()
    }

    /// What is known of the upstream model for a requested name; `None` when the name passes through.
    pub fn target(&self, requested: &str) -> Option<&Target> {
        self.find(requested).map(|(target, _)| target)
    }

    /// Every distinct upstream model that some rule names, in the order of the rules: what `check` looks for.
    pub fn targets(&self) -> Vec<&Target> {
        let mapped =
            Family::ALL.into_iter().filter_map(|family| self.families.get(family)).chain(&self.default);
        let named = self.exact.iter().chain(&self.globs).map(|(_, target)| target);
        let mut targets: Vec<&Target> = Vec::new();
        for target in named.chain(mapped.map(|mapped| &mapped.target)) {
            if !targets.iter().any(|known| known.model == target.model) {
                targets.push(target);
            }
        }
        targets
    }

    /// The rules in the order in which they are tried, each with its upstream model: what `models` prints.
    pub fn rules(&self) -> Vec<(String, Rule, &Target)> {
        let exact = self.exact.iter().map(|(name, target)| (name.clone(), Rule::Exact, target));
        let globs = self.globs.iter().map(|(name, target)| (name.clone(), Rule::Glob(name.clone()), target));
        let families = Family::ALL.into_iter().filter_map(|family| {
            let mapped = self.families.get(family)?;
            let rule = Rule::Family { family, origin: mapped.origin.clone() };
            Some((family.to_string(), rule, &mapped.target))
        });
        let default = self.default.iter();
        let default = default.map(|it| ("*".to_owned(), Rule::Default(it.origin.clone()), &it.target));
        exact.chain(globs).chain(families).chain(default).collect()
    }

    /// `None` when the name passes through.
    fn find(&self, requested: &str) -> Option<(&Target, Found<'_>)> {
        let name = without_suffix(requested);
        let exact = |wanted: &str| self.exact.iter().find(|(name, _)| name == wanted);
        if let Some((_, target)) = exact(requested).or_else(|| exact(name)) {
            return Some((target, Found::Exact));
        }
        if let Some((pattern, target)) = self.globs.iter().find(|(pattern, _)| glob_matches(pattern, name)) {
            return Some((target, Found::Glob(pattern)));
        }
        if let Some((family, mapped)) = Family::of(name).and_then(|it| Some((it, self.families.get(it)?))) {
            return Some((&mapped.target, Found::Family(family, &mapped.origin)));
        }
        let default = self.default.as_ref()?;
        Some((&default.target, Found::Default(&default.origin)))
    }
}

/// The rule that decided, in the map's own words.
#[derive(Debug, Clone, Copy)]
enum Found<'m> {
    Exact,
    Glob(&'m str),
    Family(Family, &'m str),
    Default(&'m str),
}

impl Found<'_> {
    fn rule(self) -> Rule {
        match self {
            Self::Exact => Rule::Exact,
            Self::Glob(pattern) => Rule::Glob(pattern.to_owned()),
            Self::Family(family, origin) => Rule::Family { family, origin: origin.to_owned() },
            Self::Default(origin) => Rule::Default(origin.to_owned()),
        }
    }
}

/// As the file writes it.
impl Serialize for ModelMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let target = |mapped: &Option<Mapped>| mapped.as_ref().map(|it| it.target.clone());
        let Families { haiku, sonnet, opus } = &self.families;
        let mut map = serializer.serialize_map(Some(5))?;
        for (name, mapped) in
            [("haiku", haiku), ("sonnet", sonnet), ("opus", opus), ("default", &self.default)]
        {
            map.serialize_entry(name, &target(mapped))?;
        }
        let rules: BTreeMap<&str, &Target> =
            self.exact.iter().chain(&self.globs).map(|(name, target)| (name.as_str(), target)).collect();
        map.serialize_entry("map", &rules)?;
        map.end()
    }
}

impl Families {
    /// What the families stand for on OpenAI's own host when nothing is configured.
    pub fn openai() -> Self {
        let to = |model: &str| {
            let target = Target { model: model.to_owned(), ..Target::default() };
            Some(Mapped { target, origin: "default".to_owned() })
        };
        Self { haiku: to("gpt-6-luna"), sonnet: to("gpt-6-sol"), opus: to("gpt-6-astra") }
    }

    fn get(&self, family: Family) -> Option<&Mapped> {
        match family {
            Family::Haiku => self.haiku.as_ref(),
            Family::Sonnet => self.sonnet.as_ref(),
            Family::Opus => self.opus.as_ref(),
        }
    }
}

impl Family {
    /// Every family, the smallest first.
    pub const ALL: [Self; 3] = [Self::Haiku, Self::Sonnet, Self::Opus];

    /// The family that a requested name belongs to: a name that holds `claude` and has the family's word as one
    /// of its parts (`anthropic/claude-3-5-haiku@20241022`), or the bare word.
    pub fn of(name: &str) -> Option<Self> {
        let name = without_suffix(name);
        let is_claude =
            |part: &[u8]| matches!(part, [b'c' | b'C', ..]) && part.eq_ignore_ascii_case(b"claude");
        if !name.as_bytes().windows(6).any(is_claude) {
            return Self::from_word(name);
        }
        name.split(|c: char| !c.is_ascii_alphanumeric()).find_map(Self::from_word)
    }

    /// The word that names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Haiku => "haiku",
            Self::Sonnet => "sonnet",
            Self::Opus => "opus",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        const WORDS: [(&str, Family); 5] = [
            ("haiku", Family::Haiku),
            ("sonnet", Family::Sonnet),
            ("opus", Family::Opus),
            ("fable", Family::Opus),
            ("mythos", Family::Opus),
        ];
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, family)| *family)
    }

    /// The current name that lists show for the family (November 2026).
    pub const fn alias(self) -> &'static str {
        match self {
            Self::Haiku => "claude-haiku-4-5",
            Self::Sonnet => "claude-sonnet-5",
            Self::Opus => "claude-opus-5-5",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Glob(pattern) => write!(f, "glob {pattern}"),
            Self::Family { family, origin } => write!(f, "family {family} ({origin})"),
            Self::Default(_) => f.write_str("default"),
            Self::PassedThrough => f.write_str("passed through"),
        }
    }
}

/// `claude-sonnet-5[1m]` → `claude-sonnet-5`.
fn without_suffix(name: &str) -> &str {
    match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((name, _)) if !name.is_empty() => name,
        _ => name,
    }
}

/// Whether a requested name, without its suffix in brackets, is this name or fits this glob.
pub fn matches(pattern: &str, requested: &str) -> bool {
    pattern == requested || glob_matches(pattern, without_suffix(requested))
}

fn literal_length(pattern: &str) -> usize {
    pattern.chars().filter(|c| !matches!(c, '*' | '?')).count()
}

/// `*` stands for any text, `?` for one character. Takes time in proportion to pattern × name at worst.
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on when the text after the last star does not fit: the star swallows one character more.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                name = before.clone();
                retry = Some((pattern.clone(), before));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((after_star, mut rest)) = retry.take() else { return false };
                if rest.next().is_none() {
                    return false;
                }
                (pattern, name) = (after_star.clone(), rest.clone());
                retry = Some((after_star, rest));
            }
        }
    }
}

#[cfg(test)]
mod tests;
