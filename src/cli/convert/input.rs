//! The input: a file or stdin, looked at before it is read, and never read without a limit.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use color_eyre::{Result, eyre::WrapErr};

use super::{
    bad_data,
    detect::{self, Shape},
};
use crate::cli::exit::{Exit, Failure};

/// Bytes of one document. What a conversation with many images needs is far below it.
const MAX_DOCUMENT_BYTES: usize = 256 << 20;
/// Bytes read at once; a pipe gives what it has.
const BUFFER_BYTES: usize = 64 << 10;

/// An input that is open.
pub(super) struct Input {
    reader: Box<dyn BufRead>,
    name: String,
    path: Option<PathBuf>,
    size: Option<u64>,
}

impl Input {
    /// Opens a file, or stdin for `-`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin()));
            return Ok(Self { reader, name: "stdin".to_owned(), path: None, size: None });
        }
        let name = path.display().to_string();
        let (file, size) = open_file(path).wrap_err_with(|| {
            Failure::new(Exit::NoInput, format!("cannot open {name}"))
                .mend("name a file that can be read, or - for stdin")
        })?;
        let reader = Box::new(BufReader::with_capacity(BUFFER_BYTES, file));
        Ok(Self { reader, name, path: Some(path.to_owned()), size })
    }

    /// How messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes in all, if they are known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether it is that very file.
    pub(super) fn is_file(&self, other: &Path) -> bool {
        let same = |path: &PathBuf| Some(fs::canonicalize(path).ok()? == fs::canonicalize(other).ok()?);
        self.path.as_ref().and_then(same).unwrap_or(false)
    }

    /// What it looks like; nothing of it is lost.
    pub(super) fn peek(&mut self) -> Result<Shape> {
        let mut beginning = Vec::new();
        let shape = loop {
            let bytes = self.more()?;
            let (count, is_all) = (bytes.len(), bytes.is_empty());
            beginning.extend_from_slice(bytes);
            self.reader.consume(count);
            if let Some(shape) = detect::shape(&beginning, is_all) {
                break shape;
            }
            if beginning.len() > MAX_DOCUMENT_BYTES {
                return Err(self.too_long().into());
            }
        };
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(io::Cursor::new(beginning).chain(rest));
        Ok(shape)
    }

    /// The next bytes, as soon as there are any; none at the end. [`Input::consume`] must follow.
    pub(super) fn more(&mut self) -> Result<&[u8]> {
        // In two steps, because the borrow checker does not see that a read to be repeated borrows nothing.
        let is_end = loop {
            match self.reader.fill_buf() {
                Ok(bytes) => break bytes.is_empty(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).wrap_err_with(|| unreadable(&self.name)),
            }
        };
        if is_end { Ok(&[]) } else { self.reader.fill_buf().wrap_err_with(|| unreadable(&self.name)) }
    }

    /// Marks bytes as read.
    pub(super) fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }

    /// All that is left, without a byte order mark.
    pub(super) fn read_document(&mut self) -> Result<Vec<u8>> {
        let mut document = Vec::new();
        loop {
            let bytes = self.more()?;
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len();
            document.extend_from_slice(bytes);
            self.consume(count);
            if document.len() > MAX_DOCUMENT_BYTES {
                return Err(self.too_long().into());
            }
        }
        if document.starts_with(detect::BYTE_ORDER_MARK) {
            document.drain(..detect::BYTE_ORDER_MARK.len());
        }
        Ok(document)
    }

    /// Appends the next line without its end; `false` when there is none.
    pub(super) fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        let mut any = false;
        loop {
            let bytes = self.more()?;
            if bytes.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', bytes);
            line.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
            let count = end.map_or(bytes.len(), |end| end + 1);
            self.consume(count);
            if end.is_some() {
                return Ok(true);
            }
            if line.len() > MAX_DOCUMENT_BYTES {
                return Err(self.too_long().into());
            }
        }
    }

    fn too_long(&self) -> Failure {
        bad_data(format!("{}: longer than {} MiB", self.name, MAX_DOCUMENT_BYTES >> 20))
    }
}

/// A small file that an option names.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    Input::open(path)?.read_document()
}

fn open_file(path: &Path) -> io::Result<(File, Option<u64>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    // A pipe or a device has no size worth showing.
    Ok((file, metadata.is_file().then_some(metadata.len())))
}

fn unreadable(name: &str) -> Failure {
    Failure::new(Exit::InputOutput, format!("cannot read {name}"))
}
