//! `[models]`: the model map's rules, from their layers.

use toml::Spanned;
use url::Url;

use super::{
    error::{BadValue, Error},
    file::{ModelsTable, TargetTable, TargetValue},
    layers::{Layers, Origin, Setting},
    upstream::DIALECT,
};
use crate::{
    models::{Families, Mapped, ModelMap, Target, dialect::Wish},
    translate::quirks::Preset,
};

/// The model of the embedded upstream.
pub(super) const DEMO_MODEL: &str = "demo";

/// The rules for an upstream at that address.
pub(super) fn resolve(
    table: ModelsTable,
    base_url: &Url,
    demo: bool,
    layers: &mut Layers<'_>,
) -> Result<ModelMap, Error> {
    let on_openai = !demo && base_url.host_str().map(Preset::from_host) == Some(Preset::OpenAi);
    let default = if on_openai { Families::openai() } else { Families::default() };
    let families = Families {
        haiku: mapped("models.haiku", Some("CLAUDE_HAIKU_MODEL"), table.haiku, layers)?.or(default.haiku),
        sonnet: mapped("models.sonnet", Some("CLAUDE_SONNET_MODEL"), table.sonnet, layers)?
            .or(default.sonnet),
        opus: mapped("models.opus", Some("CLAUDE_OPUS_MODEL"), table.opus, layers)?.or(default.opus),
    };
    let default = mapped("models.default", None, table.default, layers)?;
    let default = default.or_else(|| demo.then(demo_model));
    let mut map: Vec<_> = table.map.into_iter().collect();
    // The parser sorts by name; the order of the file is that of the spans.
    map.sort_by_key(|(name, _)| name.span().start);
    let mut rules = Vec::with_capacity(map.len());
    for (name, value) in map {
        let key = format!("models.map.{:?}", name.get_ref());
        let setting = layers.file.setting(Some(value));
        let Some(setting) = layers.choose(&key, [setting]) else { continue };
        let target = target(&key, setting.map(|TargetValue(table)| table_target(table)))?;
        rules.push((name.into_inner(), target.value));
    }
    Ok(ModelMap::new(rules, families, default))
}

fn mapped(
    key: &str,
    variable: Option<&str>,
    value: Option<Spanned<TargetValue>>,
    layers: &mut Layers<'_>,
) -> Result<Option<Mapped>, Error> {
    let in_env = variable.map(|name| layers.env.get(name)).transpose()?.flatten();
    let in_env = in_env.map(|it| it.map(|model| (Target { model, ..Target::default() }, None)));
    let in_file = layers.file.setting(value).map(|it| it.map(|TargetValue(table)| table_target(table)));
    let Some(setting) = layers.choose(key, [in_env, in_file]) else { return Ok(None) };
    let Setting { value: target, origin } = target(key, setting)?;
    Ok(Some(Mapped { target, origin: origin.to_string() }))
}

/// The dialect is still to be read.
pub(super) fn table_target(table: TargetTable) -> (Target, Option<String>) {
    let TargetTable {
        model,
        display_name,
        max_input_tokens,
        max_output_tokens,
        count_multiplier,
        dialect,
        model_family,
    } = table;
    let target = Target {
        model: model.trim().to_owned(),
        display_name,
        max_input_tokens,
        max_output_tokens,
        count_multiplier,
        dialect: Wish::Auto,
        model_family: model_family.map(|family| family.trim().to_owned()).filter(|family| !family.is_empty()),
    };
    (target, dialect)
}

/// Refuses names that no upstream can have, and dialects that there are not.
pub(super) fn target(
    key: &str,
    setting: Setting<(Target, Option<String>)>,
) -> Result<Setting<Target>, Error> {
    let Setting { value: (mut target, dialect), origin } = setting;
    if target.model.is_empty() || target.model.contains(char::is_control) {
        return Err(Error::from(BadValue {
            key: key.to_owned(),
            expected: "the name of a model of the upstream".to_owned(),
            value: Some(target.model),
            origin,
            nearest: None,
        }));
    }
    if let Some(name) = dialect {
        let setting = Setting { value: name, origin: origin.clone() };
        target.dialect = DIALECT.read(&format!("{key}.dialect"), setting)?.value;
    }
    Ok(Setting { value: target, origin })
}

fn demo_model() -> Mapped {
    let target = Target { model: DEMO_MODEL.to_owned(), ..Target::default() };
    Mapped { target, origin: Origin::Flag("--demo").to_string() }
}
