//! The keys that clients may present, from the variable or the file; kept as digests only.

use toml::Spanned;

use crate::{
    config::{
        error::Error,
        file::{ClientKeyTable, File},
        layers::{Layers, Origin, Setting},
    },
    secret::{self, ClientKey, ClientKeys, ExposeSecret as _},
};

/// `CLIENT_API_KEYS`, a comma list; the keys get the ids `key1`, `key2`, ….
pub(super) fn in_variable(layers: &Layers<'_>) -> Result<Option<Setting<ClientKeys>>, Error> {
    let Some(Setting { value, origin }) = layers.env.get_even_empty("CLIENT_API_KEYS")? else {
        return Ok(None);
    };
    let mut keys = ClientKeys::default();
    for (number, key) in (1..).zip(value.split(',').map(str::trim)) {
        add_key(&mut keys, format!("key{number}"), key, &origin)?;
    }
    Ok(Some(Setting { value: keys, origin }))
}

/// `[[server.client_keys]]`.
pub(super) fn in_file(
    tables: Vec<Spanned<ClientKeyTable>>,
    file: &File,
) -> Result<Option<Setting<ClientKeys>>, Error> {
    let mut keys = ClientKeys::default();
    let mut first_origin = None;
    for table in tables {
        let table_origin = file.origin(&table);
        first_origin.get_or_insert_with(|| table_origin.clone());
        let ClientKeyTable { id, key, sha256 } = table.into_inner();
        if id.get_ref().trim().is_empty() {
            return Err(client_key_error("an id must not be empty", &file.origin(&id)));
        }
        let id = id.into_inner();
        match (key, sha256) {
            (Some(key), None) => {
                add_key(&mut keys, id, key.get_ref().0.expose_secret().trim(), &file.origin(&key))?;
            }
            (None, Some(hash)) => {
                let origin = file.origin(&hash);
                let digest = hex_digest(hash.get_ref().0.expose_secret());
                let message = "sha256 must be 64 hexadecimal digits";
                add_digest(
                    &mut keys,
                    id,
                    digest.ok_or_else(|| client_key_error(message, &origin))?,
                    &origin,
                )?;
            }
            _ => return Err(client_key_error("each needs either key or sha256", &table_origin)),
        }
    }
    Ok(first_origin.map(|origin| Setting { value: keys, origin }))
}

fn add_key(keys: &mut ClientKeys, id: String, key: &str, origin: &Origin) -> Result<(), Error> {
    if key.is_empty() {
        return Err(client_key_error("a key must not be empty", origin));
    }
    if !secret::fits_header(key) {
        return Err(client_key_error("a key must be visible ASCII without spaces", origin));
    }
    add_digest(keys, id, secret::digest(key), origin)
}

fn add_digest(keys: &mut ClientKeys, id: String, digest: [u8; 32], origin: &Origin) -> Result<(), Error> {
    if digest == secret::digest("") {
        return Err(client_key_error("a key must not be empty", origin));
    }
    if keys.iter().any(|known| known.id == id || known.digest == digest) {
        return Err(client_key_error("two have the same id or the same key", origin));
    }
    keys.push(ClientKey { id, digest });
    Ok(())
}

fn client_key_error(problem: &str, origin: &Origin) -> Error {
    let mend = "a good key is random and long, such as `openssl rand -hex 32` prints; without keys, unset it";
    Error::Conflict { problem: format!("server.client_keys: {problem}"), origin: origin.clone(), mend }
}

fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> =
        text.trim().chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok()
}
