//! The file that takes the proxy's log while a command runs: nobody else's to read, and gone unless it is kept.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use color_eyre::{Result, eyre::WrapErr};

use crate::{
    cli::exit::{Exit, Failure},
    config::env,
    secret,
};

/// The file. Unless it was named by the user or is kept, it is removed at the end.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    temporary: bool,
}

impl LogFile {
    /// Creates the named file, or one in the temporary directory.
    pub(super) fn create(named: Option<PathBuf>) -> Result<Self> {
        let temporary = named.is_none();
        let path = named.unwrap_or_else(|| {
            // A name that others cannot guess, and `create_new` for those who try.
            let name = secret::request_id().replace("req_", "aiapiproxy-run-");
            env::temporary_directory().join(name).with_extension("log")
        });
        let file = open(&path, temporary).wrap_err_with(|| cannot_create(&path))?;
        Ok(Self { path, file, temporary })
    }

    /// A handle to write to.
    pub(super) fn handle(&self) -> Result<File> {
        self.file.try_clone().wrap_err_with(|| cannot_create(&self.path))
    }

    /// Leaves the file where it is, and says where that is.
    pub(super) fn keep(mut self) -> PathBuf {
        self.temporary = false;
        self.path.clone()
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is at least harmless: no log holds prompts, answers or keys.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn cannot_create(path: &Path) -> Failure {
    Failure::new(Exit::CannotCreate, format!("cannot create the log file {}", path.display()))
        .mend("name a place where you may write: --log-file FILE")
}

fn open(path: &Path, is_new: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).create_new(is_new);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
