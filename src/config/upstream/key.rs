//! The upstream's key: where it is looked for.
//!
//! `OPENAI_API_KEY` over the file's `api_key` or `api_key_file`. `api_key_env` is different: it names the
//! variable to read *instead of* `OPENAI_API_KEY`, so that the key of one service is never sent to another.

use std::path::PathBuf;

use toml::Spanned;

use super::key_command;
use crate::{
    config::{
        error::{BadValue, Error},
        file::{File, SecretText},
        layers::{Layers, Origin, Setting},
        paths,
    },
    secret::{self, ExposeSecret as _, SecretString},
};

/// A key, if there is one, and the variable that would hold it.
pub(super) struct Key {
    pub(super) value: Option<Setting<SecretString>>,
    /// Those beside it.
    pub(super) others: Vec<SecretString>,
    pub(super) variable: String,
}

/// Where the file says that the key is.
pub(super) struct Written {
    pub(super) literal: Option<Spanned<SecretText>>,
    pub(super) file: Option<Spanned<PathBuf>>,
    pub(super) variable: Option<Spanned<String>>,
    pub(super) command: Option<Spanned<Vec<String>>>,
}

/// Chooses the key from its layers. An empty one counts as none. No command is run when no key is `needed`.
pub(super) fn resolve(written: Written, needed: bool, layers: &mut Layers<'_>) -> Result<Key, Error> {
    let literal = layers.file.setting(written.literal);
    let file = layers.file.setting(written.file);
    let named = layers.file.setting(written.variable);
    let command = layers.file.setting(written.command);
    refuse_several(&[
        literal.as_ref().map(|it| &it.origin),
        file.as_ref().map(|it| &it.origin),
        named.as_ref().map(|it| &it.origin),
        command.as_ref().map(|it| &it.origin),
    ])?;
    // The key of one upstream is none of another's.
    let is_asked = named.is_some() || layers.scope.is_none();
    let variable = named.map_or_else(|| "OPENAI_API_KEY".to_owned(), |it| it.value);
    let in_env = if is_asked { layers.env.get(&variable)? } else { None };
    let in_env = in_env.map(|it| it.map(SecretString::from));
    let in_file = match (literal, file, command) {
        (Some(literal), _, _) => Some(literal.map(|it| it.0)),
        (_, Some(file), _) if in_env.is_none() => Some(read_key_file(file, layers.file)?),
        (_, _, Some(command)) if in_env.is_none() && needed => Some(key_command::run(command)?),
        _ => None,
    };
    let Some(Setting { value, origin }) = layers.choose("upstream.api_key", [in_env, in_file]) else {
        return Ok(Key { value: None, others: Vec::new(), variable });
    };
    // Several keys stand with commas between them, which are part of no key.
    let mut keys: Vec<SecretString> = value
        .expose_secret()
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(SecretString::from)
        .collect();
    if keys.iter().any(|key| !secret::fits_header(key.expose_secret())) {
        return Err(Error::from(BadValue {
            key: "upstream.api_key".to_owned(),
            expected: "visible ASCII without spaces, as HTTP headers demand".to_owned(),
            value: None,
            origin,
            nearest: None,
        }));
    }
    let others = keys.split_off(keys.len().min(1));
    Ok(Key { value: keys.pop().map(|value| Setting { value, origin }), others, variable })
}

fn refuse_several(origins: &[Option<&Origin>]) -> Result<(), Error> {
    let mut given = origins.iter().flatten();
    match (given.next(), given.next()) {
        (Some(_), Some(second)) => Err(Error::Conflict {
            problem: "the upstream's key has more than one source".to_owned(),
            origin: (*second).clone(),
            mend: "keep one of upstream.api_key, api_key_file, api_key_command and api_key_env",
        }),
        _ => Ok(()),
    }
}

fn read_key_file(setting: Setting<PathBuf>, config_file: &File) -> Result<Setting<SecretString>, Error> {
    let path = config_file.beside(&setting.value);
    let text = paths::read_text(&path, "the key file")?;
    // A file has each key on a line of its own.
    Ok(setting.map(|_| SecretString::from(text.trim().replace('\n', ","))))
}
