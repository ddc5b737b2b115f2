use super::*;

fn to(model: &str) -> Target {
    Target { model: model.to_owned(), ..Target::default() }
}

fn mapped(model: &str) -> Mapped {
    Mapped { target: to(model), origin: "env TEST".to_owned() }
}

fn map(rules: &[(&str, &str)]) -> Vec<(String, Target)> {
    rules.iter().map(|(name, model)| ((*name).to_owned(), to(model))).collect()
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = map(&[
        ("claude-*", "any-claude"),
        ("claude-*-haiku*", "old-haiku"),
        ("claude-opus-5-5", "exact-opus"),
        ("special[1m]", "exact-with-suffix"),
        ("gpt-?", "one-letter"),
    ]);
    let families = Families { sonnet: Some(mapped("family-sonnet")), ..Families::default() };
    let all = ModelMap::new(rules, families.clone(), Some(mapped("rest")));
    let few = ModelMap::new(Vec::new(), families, None);
    let table = [
        (&all, "claude-opus-5-5", "exact-opus", "exact"),
        (&all, "claude-opus-5-5[1m]", "exact-opus", "exact"),
        (&all, "special[1m]", "exact-with-suffix", "exact"),
        (&all, "special", "rest", "default"),
        (&all, "claude-3-5-haiku-latest", "old-haiku", "glob claude-*-haiku*"),
        (&all, "claude-haiku-4-5", "any-claude", "glob claude-*"),
        (&all, "claude-sonnet-5", "any-claude", "glob claude-*"),
        (&all, "anthropic/claude-sonnet-5", "family-sonnet", "family sonnet (env TEST)"),
        (&all, "gpt-6", "one-letter", "glob gpt-?"),
        (&all, "gpt-61", "rest", "default"),
        (&all, "", "rest", "default"),
        (&few, "claude-sonnet-5[1m]", "family-sonnet", "family sonnet (env TEST)"),
        (&few, "claude-opus-5-5", "claude-opus-5-5", "passed through"),
        (&few, "claude-opus-5-5[1m]", "claude-opus-5-5", "passed through"),
        (&few, "qwen3", "qwen3", "passed through"),
    ];
    for (map, name, model, rule) in table {
        let found = map.resolve(name);
        assert_eq!((found.model.as_str(), found.rule.to_string().as_str()), (model, rule), "{name}");
    }
}

#[test]
fn the_most_specific_glob_wins_and_of_equals_the_first() {
    let rules = [("*", "1"), ("a*", "2"), ("*b", "3"), ("a?", "4"), ("a*b", "5")];
    for (name, model) in [("ab", "5"), ("a", "2"), ("ac", "2"), ("xb", "3"), ("x", "1")] {
        assert_eq!(
            ModelMap::new(map(&rules), Families::default(), None).resolve(name).model,
            model,
            "{name}"
        );
    }
}

#[test]
fn families_are_known_by_their_word() {
    let table = [
        ("claude-haiku-4-5", Some(Family::Haiku)),
        ("claude-3-5-haiku-latest", Some(Family::Haiku)),
        ("claude-3-5-haiku@20241022", Some(Family::Haiku)),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", Some(Family::Sonnet)),
        ("anthropic/claude-opus-5", Some(Family::Opus)),
        ("Claude-Opus-5", Some(Family::Opus)),
        ("claude-fable-1", Some(Family::Opus)),
        ("claude-mythos-1[1m]", Some(Family::Opus)),
        ("sonnet", Some(Family::Sonnet)),
        ("opus[1m]", Some(Family::Opus)),
        ("mythos", Some(Family::Opus)),
        ("claude-2.1", None),
        ("claude-opusculum-1", None),
        ("magnum-opus-12b", None),
        ("my-sonnet", None),
        ("", None),
        ("[1m]", None),
    ];
    for (name, family) in table {
        assert_eq!(Family::of(name), family, "{name}");
    }
}

#[test]
fn globs_match_whole_names() {
    let table = [
        ("*", "", true),
        ("*", "abc", true),
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("a*b*c", "aXbXbXc", true),
        ("*a*a*", "ba", false),
        ("?", "", false),
        ("?", "ü", true),
        ("a**", "a", true),
        ("", "", true),
        ("", "a", false),
        ("abc", "ab", false),
    ];
    for (pattern, name, expected) in table {
        assert_eq!(glob_matches(pattern, name), expected, "{pattern} {name}");
    }
}

#[test]
fn a_hostile_pattern_takes_no_exponential_time() {
    let pattern = format!("{}b", "*a".repeat(50));
    assert!(!glob_matches(&pattern, &"a".repeat(5_000)));
}

#[test]
fn every_listed_id_resolves() {
    let exact = map(&[("mine", "x"), ("claude-sonnet-5", "y"), ("claude-*-5", "z")]);
    let table = [
        (ModelMap::openai_defaults(), vec!["claude-haiku-4-5", "claude-sonnet-5", "claude-opus-5-5"]),
        (
            ModelMap::new(exact, Families::default(), None),
            vec!["mine", "claude-sonnet-5", "claude-haiku-4-5", "claude-opus-5-5"],
        ),
        (ModelMap::new(map(&[("mine", "x")]), Families::default(), None), vec!["mine"]),
        (
            ModelMap::new(Vec::new(), Families { opus: Some(mapped("big")), ..Families::default() }, None),
            vec!["claude-opus-5-5"],
        ),
        (
            ModelMap::new(Vec::new(), Families::default(), Some(mapped("all"))),
            vec!["claude-haiku-4-5", "claude-sonnet-5", "claude-opus-5-5"],
        ),
        (ModelMap::default(), vec![]),
    ];
    for (map, expected) in table {
        let listed = map.listed();
        assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), expected);
        for entry in listed {
            let found = map.resolve(&entry.id);
            assert_ne!(found.rule, Rule::PassedThrough, "{}", entry.id);
            assert_eq!(found.model, entry.target.model);
        }
    }
}

#[test]
fn upstream_models_are_named_once() {
    let rules = map(&[("a", "x"), ("b*", "y"), ("c", "x")]);
    let families = Families { haiku: Some(mapped("y")), opus: Some(mapped("z")), ..Families::default() };
    let map = ModelMap::new(rules, families, Some(mapped("x")));
    let models: Vec<_> = map.targets().into_iter().map(|target| target.model.as_str()).collect();
    assert_eq!(models, ["x", "y", "z"]);
    let rules: Vec<String> = map
        .rules()
        .into_iter()
        .map(|(name, rule, target)| format!("{name} {rule} {}", target.model))
        .collect();
    assert_eq!(
        rules,
        [
            "a exact x",
            "c exact x",
            "b* glob b* y",
            "haiku family haiku (env TEST) y",
            "opus family opus (env TEST) z",
            "* default x"
        ]
    );
}
