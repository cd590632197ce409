//! The bytes of an import: a file or standard input, gzip by its ending, counted and digested as they go.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;

/// Where the rows of an import come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input, which can be read once only.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// Takes the argument of the command: `-` is standard input.
    pub fn new(argument: &Path) -> Self {
        if argument == Path::new("-") { Self::Stdin } else { Self::File(argument.to_owned()) }
    }

    /// Looks whether a file is there and can be read.
    pub fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Stdin => Ok(()),
            Self::File(path) => match std::fs::metadata(path) {
                // To open a pipe and to close it again would end whoever writes into it.
                Ok(found) if !found.is_file() && !found.is_dir() => Ok(()),
                _ => self.open().map(drop),
            },
        }
    }

    /// Tells whether it can be read more than once, which a pipe cannot.
    pub(super) fn can_be_read_again(&self) -> bool {
        match self {
            Self::Stdin => false,
            Self::File(path) => std::fs::metadata(path).is_ok_and(|found| found.is_file()),
        }
    }

    /// Returns the size in bytes as it is stored, if that is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        }
    }

    /// Opens the bytes, unpacked.
    pub(super) fn open(&self) -> Result<Source, Failure> {
        let read = Arc::new(AtomicU64::new(0));
        let reader: Box<dyn Read + Send> = match self {
            Self::Stdin => Box::new(Counted { inner: io::stdin(), read: Arc::clone(&read) }),
            Self::File(path) => {
                let file = File::open(path).and_then(|file| {
                    let is_folder = file.metadata()?.is_dir();
                    if is_folder { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
                });
                let file = file.map_err(|error| cannot_open(path, &error))?;
                let counted = Counted { inner: file, read: Arc::clone(&read) };
                let packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
                if packed { Box::new(unpacked(counted)?) } else { Box::new(counted) }
            }
        };
        Ok(Source::new(reader, read))
    }
}

/// Unpacks what begins as gzip does, and refuses what does not (RFC 1952, 2.3.1).
fn unpacked<R: Read>(mut packed: R) -> Result<MultiGzDecoder<impl Read>, Failure> {
    let mut magic = Vec::with_capacity(2);
    packed.by_ref().take(2).read_to_end(&mut magic).map_err(|error| Failure::io("the input", &error))?;
    if magic != [0x1f, 0x8b] {
        return Err(Failure::usage("the input is no gzip file, though its name ends in .gz")
            .with_help("take the ending .gz off the file's name if it is not packed"));
    }
    Ok(MultiGzDecoder::new(io::Cursor::new(magic).chain(packed)))
}

fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Failure::not_found(format!("there is no file {path}")).with_help(
            "check the path; a relative one begins in the current folder, and - is standard input",
        ),
        io::ErrorKind::PermissionDenied => Failure::usage(format!("{path} cannot be read: {error}"))
            .with_help("give this user the right to read it"),
        io::ErrorKind::IsADirectory => Failure::usage(format!("{path} is a folder"))
            .with_help("name one file; each is an import of its own"),
        _ => Failure::io(path, error),
    }
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Bytes that can be looked at before they are taken; what was taken is counted and digested.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// Whether a packed input that was cut just ends there.
    may_be_cut: bool,
    taken: u64,
    line: u64,
    /// The last byte that was taken.
    last: Option<u8>,
    digest: Sha256,
}

impl Source {
    pub(super) fn new(reader: Box<dyn Read + Send>, read: Arc<AtomicU64>) -> Self {
        let digest = Sha256::new();
        Self {
            reader,
            read,
            buffer: Vec::new(),
            start: 0,
            ended: false,
            may_be_cut: false,
            taken: 0,
            line: 1,
            last: None,
            digest,
        }
    }

    /// Says whether a packed input that was cut ends there, rather than being an error.
    pub(super) fn may_be_cut(&mut self, may_be_cut: bool) {
        self.may_be_cut = may_be_cut;
    }

    /// Returns the bytes that were read and not taken.
    pub(super) fn ahead(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads more; returns whether there was more.
    pub(super) fn fill(&mut self) -> Result<bool, Failure> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let count = loop {
            match self.reader.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.may_be_cut => break Ok(0),
                other => break other,
            }
        };
        self.buffer.truncate(filled + *count.as_ref().unwrap_or(&0));
        let count = count.map_err(|error| self.broken_off(&error))?;
        self.ended = count == 0;
        Ok(count > 0)
    }

    /// Says how far the input could be read; a plain file never ends unexpectedly or holds wrong bytes, so such
    /// errors are those of the unpacker.
    fn broken_off(&self, error: &io::Error) -> Failure {
        let bytes = self.taken + self.ahead().len() as u64;
        let line = self.line + self.ahead().iter().filter(|byte| **byte == b'\n').count() as u64;
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the gzip file is cut off",
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => "the gzip file is damaged",
            _ => return Failure::io(format!("the input cannot be read beyond line {line}"), error),
        };
        Failure::usage(format!("{what} in line {line}, after {bytes} unpacked bytes: {error}"))
            .with("line", line)
            .with_help("get the whole file and run the same command again; nothing is recorded twice")
    }

    /// Takes bytes that were looked at.
    pub(super) fn take(&mut self, count: usize) {
        let end = (self.start + count).min(self.buffer.len());
        if let Some(taken) = self.buffer.get(self.start..end) {
            self.digest.update(taken);
            self.taken += taken.len() as u64;
            self.last = taken.last().copied().or(self.last);
            self.line += taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        self.start = end;
    }

    /// Returns the line that the next byte stands on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Tells whether what was taken ends inside a line, which may be longer when the input has grown.
    pub(super) fn ends_open(&self) -> bool {
        self.last.is_some_and(|last| last != b'\n')
    }

    /// Returns how many bytes were taken, unpacked.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns the digest of all bytes that were taken.
    pub(super) fn digest(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the counter of the bytes that were read, as they are stored.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// Returns the digest of the first `count` bytes and whether there are more, or nothing if there are fewer.
    pub(super) fn digest_of_first(mut self, count: u64) -> Result<Option<(String, bool)>, Failure> {
        loop {
            let wanted = usize::try_from(count - self.taken).unwrap_or(usize::MAX);
            let step = wanted.min(self.ahead().len());
            self.take(step);
            if self.taken == count {
                let has_more = !self.ahead().is_empty() || self.fill()?;
                return Ok(Some((self.digest(), has_more)));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Takes a byte order mark, if the input begins with one.
    pub(super) fn skip_byte_order_mark(&mut self) -> Result<(), Failure> {
        while self.ahead().len() < 3 && self.fill()? {}
        if self.ahead().starts_with(b"\xef\xbb\xbf") {
            self.take(3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn source(bytes: &'static [u8]) -> Source {
        Source::new(Box::new(bytes), Arc::default())
    }

    #[test]
    fn the_digest_covers_what_was_taken_and_nothing_else() {
        let mut source = source(b"abc\ndef");
        assert!(source.fill().expect("reads"));
        source.take(4);
        assert_eq!((source.taken(), source.line()), (4, 2));
        let digest = tests::source(b"abc\nxyz").digest_of_first(4).expect("reads");
        assert_eq!(Some((source.digest(), true)), digest);
        let whole = tests::source(b"abc\n").digest_of_first(4).expect("reads");
        assert_eq!(Some((source.digest(), false)), whole);
        assert_eq!(tests::source(b"abc").digest_of_first(4).expect("reads"), None);
    }
}
