//! Where the result goes: stdout, or a file that appears whole or not at all unless it is a stream.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use color_eyre::{Result, eyre::WrapErr};

use super::input::Input;
use crate::cli::exit::{Exit, Failure};

/// Where the result shall go.
#[derive(Debug, Clone)]
pub(super) struct Target(Option<PathBuf>);

impl Target {
    /// A file, or stdout for none and for `-`.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self(path.filter(|path| path.as_os_str() != "-"))
    }

    /// Opens it for a result that is written as it comes.
    pub(super) fn open_stream(&self, input: &Input) -> Result<Sink> {
        let Some(path) = &self.0 else { return Ok(Sink::stdout()) };
        if input.is_file(path) {
            // Creating the output would empty the input.
            let what = format!("{} is both input and output", path.display());
            return Err(Failure::new(Exit::Usage, what).mend("write a stream to another file").into());
        }
        let file = File::create(path).wrap_err_with(|| cannot_create(path))?;
        Ok(Sink { writer: Box::new(file), name: path.display().to_string(), staged: None })
    }

    /// Opens it for a result that shall appear whole or not at all; [`Sink::commit`] makes it appear.
    pub(super) fn open_whole(&self) -> Result<Sink> {
        let Some(path) = &self.0 else { return Ok(Sink::stdout()) };
        let name = path.display().to_string();
        // A link stays a link: what it leads to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {
                // A device or a pipe cannot be replaced, and should not be.
                let file = File::create(&path).wrap_err_with(|| cannot_create(&path))?;
                Ok(Sink { writer: Box::new(file), name, staged: None })
            }
            existing => {
                let temporary = temporary_path(&path);
                let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
                let file = file.wrap_err_with(|| cannot_create(&path))?;
                let staged = Staged { temporary, path };
                if let Ok(metadata) = existing {
                    // The new file shall be as readable as the old one. Where that cannot be had, it is private.
                    drop(file.set_permissions(metadata.permissions()));
                }
                Ok(Sink { writer: Box::new(BufWriter::new(file)), name, staged: Some(staged) })
            }
        }
    }
}

/// An open output.
pub(super) struct Sink {
    writer: Box<dyn Write>,
    name: String,
    staged: Option<Staged>,
}

impl Sink {
    fn stdout() -> Self {
        Self { writer: Box::new(io::stdout().lock()), name: "stdout".to_owned(), staged: None }
    }

    /// Writes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).wrap_err_with(|| cannot_write(&self.name))
    }

    /// Lets the reader have what was written.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.writer.flush().wrap_err_with(|| cannot_write(&self.name))
    }

    /// Lets the file appear. Without this a staged file vanishes.
    pub(super) fn commit(mut self) -> Result<()> {
        self.flush()?;
        let Self { writer, staged, .. } = self;
        drop(writer);
        let Some(staged) = staged else { return Ok(()) };
        fs::rename(&staged.temporary, &staged.path).wrap_err_with(|| cannot_create(&staged.path))
    }
}

/// A file that is not yet where it shall be; removed when dropped before that.
struct Staged {
    temporary: PathBuf,
    path: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a successful rename there is nothing left to remove.
        drop(fs::remove_file(&self.temporary));
    }
}

/// In the same directory, because only there a rename is atomic.
fn temporary_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", process::id()))
}

fn cannot_create(path: &Path) -> Failure {
    Failure::new(Exit::CannotCreate, format!("cannot create {}", path.display()))
        .mend("name a file in a directory that exists and can be written to")
}

fn cannot_write(name: &str) -> Failure {
    Failure::new(Exit::InputOutput, format!("cannot write to {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_whole_file_appears_at_its_commit_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        fs::write(&path, "old").unwrap();
        let target = Target::new(Some(path.clone()));

        let mut sink = target.open_whole().unwrap();
        sink.write(b"new").unwrap();
        sink.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(sink);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["out.json"]);

        let mut sink = target.open_whole().unwrap();
        sink.write(b"new").unwrap();
        sink.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["out.json"]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_no_place_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(Some(folder.path().join("missing/out.json")));
        let error = target.open_whole().err().unwrap();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().exit(), Exit::CannotCreate);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut sink = Target::new(Some(link.clone())).open_whole().unwrap();
        sink.write(b"new").unwrap();
        sink.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    }
}
