//! The keys that clients may present, from the variable or the file; kept as digests only.

use std::{
    num::NonZeroU32,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use toml::{Spanned, value::Datetime};

use crate::{
    config::{
        error::{BadValue, Error},
        file::{ClientKeyTable, Integer},
        layers::{Kind, Layers, Origin, Setting},
    },
    secret::{self, ClientKey, ClientKeys, ExposeSecret as _, Terms},
};

/// `CLIENT_API_KEYS`, a comma list; the keys get the ids `key1`, `key2`, ….
pub(super) fn in_variable(layers: &Layers<'_>) -> Result<Option<Setting<ClientKeys>>, Error> {
    let Some(Setting { value, origin }) = layers.env.get_even_empty("CLIENT_API_KEYS")? else {
        return Ok(None);
    };
    let mut keys = ClientKeys::default();
    for (number, key) in (1..).zip(value.split(',').map(str::trim)) {
        let digest = key_digest(key, &origin)?;
        add(&mut keys, ClientKey::new(format!("key{number}"), digest), &origin)?;
    }
    Ok(Some(Setting { value: keys, origin }))
}

/// `[[server.client_keys]]`.
pub(super) fn in_file(
    tables: Vec<Spanned<ClientKeyTable>>,
    layers: &mut Layers<'_>,
) -> Result<Option<Setting<ClientKeys>>, Error> {
    let mut keys = ClientKeys::default();
    let mut first_origin = None;
    for table in tables {
        let origin = layers.file.origin(&table);
        first_origin.get_or_insert_with(|| origin.clone());
        let (key, origin) = client_key(table.into_inner(), &origin, layers)?;
        add(&mut keys, key, &origin)?;
    }
    Ok(first_origin.map(|origin| Setting { value: keys, origin }))
}

/// A key, and where it or its hash stands.
fn client_key(
    table: ClientKeyTable,
    origin: &Origin,
    layers: &mut Layers<'_>,
) -> Result<(ClientKey, Origin), Error> {
    let file = layers.file;
    if table.id.get_ref().trim().is_empty() {
        return Err(client_key_error("an id must not be empty", &file.origin(&table.id)));
    }
    let id = table.id.into_inner();
    let (digest, origin) = match (table.key, table.sha256) {
        (Some(key), None) => {
            let origin = file.origin(&key);
            (key_digest(key.get_ref().0.expose_secret().trim(), &origin)?, origin)
        }
        (None, Some(hash)) => {
            let origin = file.origin(&hash);
            let message = "sha256 must be 64 hexadecimal digits";
            let digest = hex_digest(hash.get_ref().0.expose_secret());
            (digest.ok_or_else(|| client_key_error(message, &origin))?, origin)
        }
        _ => return Err(client_key_error("each needs either key or sha256", origin)),
    };
    let expires = layers.file(table.expires, "server.client_keys.expires", &MOMENT)?;
    if expires.as_ref().is_some_and(|it| it.value <= SystemTime::now()) {
        layers.warnings.push(format!("the client key {id:?} has expired ({origin}) and opens nothing"));
    }
    let count = |value: Option<Spanned<Integer>>, key| {
        Ok::<_, Error>(layers.file(value, key, &LIMIT)?.map(|it| it.value))
    };
    let terms = Terms {
        requests_per_minute: count(table.requests_per_minute, "server.client_keys.requests_per_minute")?,
        tokens_per_minute: count(table.tokens_per_minute, "server.client_keys.tokens_per_minute")?,
        max_concurrent: count(table.max_concurrent, "server.client_keys.max_concurrent")?,
        expires: expires.map(|it| it.value),
        models: models(file.setting(table.models))?,
    };
    Ok((ClientKey { terms, ..ClientKey::new(id, digest) }, origin))
}

fn models(setting: Option<Setting<Vec<String>>>) -> Result<Option<Vec<String>>, Error> {
    let Some(Setting { value: names, origin }) = setting else { return Ok(None) };
    if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
        return Err(Error::from(BadValue {
            key: "server.client_keys.models".to_owned(),
            expected: "a list of names or globs such as [\"claude-haiku-*\"]; leave it out to allow all"
                .to_owned(),
            value: None,
            origin,
            nearest: None,
        }));
    }
    Ok(Some(names))
}

const LIMIT: Kind<NonZeroU32> = Kind {
    expected: "a whole number from 1 to 4294967295; leave it out for no limit",
    read: |text| text.parse().ok(),
    names: &[],
};

const MOMENT: Kind<SystemTime> = Kind {
    expected: "a date or a time such as 2027-01-31 or 2027-01-31T18:00:00Z",
    read: |text| moment(text.parse().ok()?),
    names: &[],
};

/// A date alone means its first second. Without an offset UTC is meant.
fn moment(written: Datetime) -> Option<SystemTime> {
    let date = written.date?;
    let (hours, minutes, seconds) = written.time.map_or((0, 0, 0), |time| {
        (u64::from(time.hour), u64::from(time.minute), u64::from(time.second.unwrap_or(0)))
    });
    let days = days_since_1970(u64::from(date.year), u64::from(date.month), u64::from(date.day))?;
    let local = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    let east = match written.offset {
        Some(toml::value::Offset::Custom { minutes }) => i64::from(minutes) * 60,
        _ => 0,
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(local.checked_add_signed(-east)?))
}

/// Counted in years that begin in March, so that the leap day is a year's last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day;
    days.checked_sub(719_469)
}

fn key_digest(key: &str, origin: &Origin) -> Result<[u8; 32], Error> {
    if key.is_empty() {
        return Err(client_key_error("a key must not be empty", origin));
    }
    if !secret::fits_header(key) {
        return Err(client_key_error("a key must be visible ASCII without spaces", origin));
    }
    Ok(secret::digest(key))
}

fn add(keys: &mut ClientKeys, key: ClientKey, origin: &Origin) -> Result<(), Error> {
    if key.digest == secret::digest("") {
        return Err(client_key_error("a key must not be empty", origin));
    }
    if keys.iter().any(|known| known.id == key.id || known.digest == key.digest) {
        return Err(client_key_error("two have the same id or the same key", origin));
    }
    keys.push(key);
    Ok(())
}

fn client_key_error(problem: &str, origin: &Origin) -> Error {
    let mend = "`aiapiproxy keys new` makes a good key and its hash; without keys, unset it";
    Error::Conflict { problem: format!("server.client_keys: {problem}"), origin: origin.clone(), mend }
}

fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> =
        text.trim().chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok()
}
