//! Reading a segment from front to back, frame by frame, everything checked.

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::frame::{FRAME_HEADER_BYTES, Frame, FrameHeader};
use crate::segment::UNCHECKED;
use crate::segment_header::HEADER_BYTES;

/// How many bytes are read at once.
const CHUNK: usize = 1024 * 1024;
/// What is said of a segment whose frames end before they should.
const ENDS_EARLY: &str = "the segment ends early";

/// What stands next in a segment.
#[derive(Debug)]
enum Found<'a> {
    /// A whole frame, and where it begins.
    Frame(u64, Frame<'a>),
    /// Nothing more: the segment ends here, or zeros follow.
    End(u64),
    /// Bytes that are no frame; where the frame should begin, and where the first wrong part stands.
    Broken { frame: u64, at: u64 },
}

/// Where the whole frames of a segment end that grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) at: u64,
    /// Whether what a crash left of a write stands behind them.
    pub(crate) is_torn: bool,
}

/// A reading of one segment.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a dyn DiskFile,
    name: &'a str,
    salt: u32,
    /// Where the next frame begins.
    at: u64,
    /// Where the segment ends.
    end: u64,
    /// Bytes of the segment from `from` on.
    buffer: Vec<u8>,
    from: u64,
}

impl<'a> Scanner<'a> {
    /// Begins behind the header of a segment; nothing is read from `end` on.
    pub(crate) fn new(file: &'a dyn DiskFile, name: &'a str, salt: u32, end: u64) -> Self {
        let at = HEADER_BYTES as u64;
        Self { file, name, salt, at, end, buffer: Vec::new(), from: at }
    }

    /// Begins behind what was read before.
    pub(crate) fn behind(mut self, at: u64) -> Self {
        (self.at, self.from) = (at, at);
        self
    }

    /// Reads the next frame.
    fn next(&mut self) -> Result<Found<'_>, LogError> {
        let begin = self.at;
        let broken = |at| Ok(Found::Broken { frame: begin, at });
        if begin + FRAME_HEADER_BYTES as u64 > self.end {
            return if self.rest_is_zero(begin)? { Ok(Found::End(begin)) } else { broken(begin) };
        }
        let salt = self.salt;
        let Some(header) = FrameHeader::decode(salt, self.bytes(begin, FRAME_HEADER_BYTES)?) else {
            return if self.rest_is_zero(begin)? { Ok(Found::End(begin)) } else { broken(begin) };
        };
        let body_at = begin + FRAME_HEADER_BYTES as u64;
        let next = body_at + u64::from(header.body);
        if next > self.end {
            return broken(self.end);
        }
        self.at = next;
        let body = self.bytes(body_at, header.body as usize)?;
        match Frame::check(salt, header, body, body_at) {
            Ok(frame) => Ok(Found::Frame(begin, frame)),
            Err(at) => broken(at),
        }
    }

    /// Reads the next frame of a segment that is whole up to its end; nothing there.
    pub(crate) fn next_whole(&mut self) -> Result<Option<(u64, Frame<'_>)>, LogError> {
        let (name, end) = (self.name, self.end);
        match self.next()? {
            Found::Frame(at, frame) => Ok(Some((at, frame))),
            Found::End(at) if at == end => Ok(None),
            Found::End(at) => Err(LogError::damaged(name, at, ENDS_EARLY)),
            Found::Broken { at, .. } => Err(LogError::damaged(name, at, UNCHECKED)),
        }
    }

    /// Reads the whole frames of a segment that grows, and says where they end.
    ///
    /// What was durable, since it stands before `batches_at` or a later frame says so, must be whole; what else
    /// is none is a torn write.
    pub(crate) fn read_growing(
        &mut self,
        batches_at: u64,
        mut take: impl FnMut(u64, &Frame<'_>) -> Result<(), LogError>,
    ) -> Result<Ending, LogError> {
        let name = self.name;
        loop {
            match self.next()? {
                Found::Frame(at, frame) => take(at, &frame)?,
                Found::End(at) if at >= batches_at => return Ok(Ending { at, is_torn: false }),
                Found::End(at) => return Err(LogError::damaged(name, at, ENDS_EARLY)),
                Found::Broken { frame, at } => {
                    if frame < batches_at || self.finds_witness(frame)? {
                        return Err(LogError::damaged(name, at, UNCHECKED));
                    }
                    return Ok(Ending { at: frame, is_torn: true });
                }
            }
        }
    }

    /// Looks for a frame behind a broken one that was written when what is broken was durable already.
    ///
    /// If there is one, acknowledged bytes have changed; if there is none, the end of the segment is what a
    /// crash left of a write that nobody was told about.
    fn finds_witness(&mut self, broken: u64) -> Result<bool, LogError> {
        let mut at = broken + 1;
        while at + FRAME_HEADER_BYTES as u64 <= self.end {
            let size = (self.end - at).min(CHUNK as u64) as usize;
            let salt = self.salt;
            let bytes = self.bytes(at, size)?;
            let fits = |(offset, window): (usize, &[u8])| {
                // A cheap look first: the kind and the zeros beside it.
                let plausible = matches!(window.get(8..12), Some([1 | 2, 0, 0, 0]));
                let place = at + offset as u64;
                plausible
                    && FrameHeader::decode(salt, window).is_some_and(|header| {
                        u64::from(header.durable) > broken && u64::from(header.durable) <= place
                    })
            };
            if bytes.windows(FRAME_HEADER_BYTES).enumerate().any(fits) {
                return Ok(true);
            }
            at += (size - FRAME_HEADER_BYTES + 1) as u64;
        }
        Ok(false)
    }

    /// Tells whether nothing but zeros follows: a segment that was made large ahead.
    fn rest_is_zero(&mut self, from: u64) -> Result<bool, LogError> {
        let mut at = from;
        while at < self.end {
            let size = (self.end - at).min(CHUNK as u64) as usize;
            if self.bytes(at, size)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += size as u64;
        }
        Ok(true)
    }

    /// Returns a stretch of the segment, which must lie before its end.
    fn bytes(&mut self, at: u64, size: usize) -> Result<&[u8], LogError> {
        let held = self.from..self.from + self.buffer.len() as u64;
        if !(held.contains(&at) && at + size as u64 <= held.end) && size > 0 {
            let most = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
            self.buffer.resize(size.max(CHUNK.min(most)), 0);
            self.from = at;
            let read = self.file.read_exact_at(at, &mut self.buffer);
            if let Err(error) = read {
                self.buffer.clear();
                return Err(LogError::disk("reading", self.name)(error));
            }
        }
        let from = (at - self.from) as usize;
        Ok(self.buffer.get(from..from + size).unwrap_or_default())
    }
}
