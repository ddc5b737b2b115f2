//! Where files lie, and reading them with a bound.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::error::Error;

/// The places of a configuration file that nobody named, the user's before the machine's.
pub(super) fn config_files() -> Vec<PathBuf> {
    let machine = Path::new("/etc/aiapiproxy").join(FILE_NAME);
    user_file().into_iter().chain([machine]).collect()
}

/// The user's own configuration file, whether it is there or not.
pub fn user_file() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|base| base.config_dir().join("aiapiproxy").join(FILE_NAME))
}

const FILE_NAME: &str = "config.toml";

/// A whole text file of at most [`MAX_FILE_BYTES`].
pub(super) fn read_text(path: &Path, what: &'static str) -> Result<String, Error> {
    read_bounded(path).map_err(|source| Error::Unreadable { what, path: path.to_owned(), source })
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(text)
}

/// The longest file that is read: nobody writes a configuration of 1 MiB by hand.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Whether others than the owner may read or write a file.
#[cfg(unix)]
pub(super) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Whether others than the owner may read or write a file: not known here.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(_path: &Path) -> bool {
    false
}
