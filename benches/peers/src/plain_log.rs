//! The baseline: a plain segmented log with one fdatasync a commit, whose indexes live in memory only.
//!
//! It knows neither conditions nor revisions nor ids, checks nothing, and forgets its index when it ends. A
//! record is its length, its CRC32C, the stream's name and the data of the event.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};

use crate::engine::Engine;
use crate::fact::{Fact, TYPE};

/// How large a segment grows.
const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// How many batches wait at most.
const QUEUED: usize = 1024;
/// How many bytes are written at once at most, unless one batch has more.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Length and checksum.
const HEADER: usize = 8;

/// Whether a segment is filled with zeros before it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sizing {
    Growing,
    Filled,
}

/// An open plain log.
#[derive(Clone)]
pub(crate) struct PlainLog {
    queue: Arc<Mutex<Option<mpsc::Sender<Job>>>>,
    held: Arc<RwLock<Held>>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Encoded records on their way to the writer.
struct Job {
    bytes: Vec<u8>,
    /// Of each record its size, and the hashes of its tag and its stream.
    records: Vec<(u32, u64, Option<u64>)>,
    done: oneshot::Sender<std::io::Result<()>>,
}

/// The indexes.
#[derive(Default)]
struct Held {
    segments: Vec<Arc<File>>,
    /// Segment, place and size of each record, by position.
    places: Vec<(u32, u32, u32)>,
    tags: HashMap<u64, Vec<u32>>,
    streams: HashMap<u64, Vec<u32>>,
}

impl PlainLog {
    /// Begins a log in an empty folder.
    pub(crate) fn begin(folder: &Path, sizing: Sizing) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (queue, jobs) = mpsc::channel(QUEUED);
        let held = Arc::new(RwLock::new(Held::default()));
        let mut writer = Writer {
            folder: folder.to_path_buf(),
            sizing,
            file: Arc::new(create(folder, 0, sizing)?),
            number: 0,
            at: 0,
            ahead: None,
            held: Arc::clone(&held),
        };
        held.write().segments.push(Arc::clone(&writer.file));
        writer.begin_ahead();
        let thread = std::thread::Builder::new().name("plain-writer".to_owned());
        let thread = thread.spawn(move || writer.run(jobs)).context("the writer")?;
        Ok(Self {
            queue: Arc::new(Mutex::new(Some(queue))),
            held,
            writer: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Ends it.
    pub(crate) fn close(self) {
        drop(self.queue.lock().take());
        if let Some(writer) = self.writer.lock().take() {
            // What went wrong was told to whoever appended.
            let _ = writer.join();
        }
    }

    /// Reads every event of a stream, each checked; returns how many there are.
    pub(crate) fn read_stream(&self, stream: &str) -> Result<usize> {
        let places: Vec<_> = {
            let held = self.held.read();
            let positions = held.streams.get(&hash(stream)).map(Vec::as_slice).unwrap_or_default();
            let places = positions.iter().map(|position| held.places[*position as usize]);
            places
                .map(|(segment, at, size)| (Arc::clone(&held.segments[segment as usize]), at, size))
                .collect()
        };
        let mut events = Vec::with_capacity(places.len());
        for (file, at, size) in places {
            let mut record = vec![0; size as usize];
            file.read_exact_at(&mut record, u64::from(at))?;
            let sum = u32::from_le_bytes(record[4..HEADER].try_into()?);
            ensure!(crc32c::crc32c(&record[HEADER..]) == sum, "a checksum does not match");
            events.push(record);
        }
        Ok(std::hint::black_box(events).len())
    }
}

impl Engine for PlainLog {
    async fn append(&self, facts: Vec<Fact>, _: bool) -> Result<()> {
        let mut bytes = Vec::with_capacity(facts.len() * 512);
        let mut records = Vec::with_capacity(facts.len());
        for fact in &facts {
            let begin = bytes.len();
            bytes.resize(begin + HEADER, 0);
            for text in [TYPE, &fact.tag, fact.stream.as_deref().unwrap_or_default()] {
                bytes.push(text.len() as u8);
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes.extend_from_slice(&fact.data());
            let size = (bytes.len() - begin) as u32;
            let sum = crc32c::crc32c(&bytes[begin + HEADER..]);
            bytes[begin..begin + 4].copy_from_slice(&size.to_le_bytes());
            bytes[begin + 4..begin + HEADER].copy_from_slice(&sum.to_le_bytes());
            records.push((size, hash(&fact.tag), fact.stream.as_deref().map(hash)));
        }
        let (done, answered) = oneshot::channel();
        let queue = self.queue.lock().clone().context("the plain log was closed")?;
        queue.send(Job { bytes, records, done }).await.ok().context("the writer ended")?;
        answered.await.context("the writer ended")??;
        Ok(())
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The thread that writes.
struct Writer {
    folder: PathBuf,
    sizing: Sizing,
    file: Arc<File>,
    number: u32,
    at: u64,
    /// The next segment, where it has to be filled first.
    ahead: Option<JoinHandle<std::io::Result<File>>>,
    held: Arc<RwLock<Held>>,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let (mut group, mut buffer) = (Vec::new(), Vec::new());
        while let Some(first) = jobs.blocking_recv() {
            let mut next = Some(first);
            while let Some(job) = next {
                buffer.extend_from_slice(&job.bytes);
                group.push(job);
                next = if buffer.len() >= GROUP_BYTES { None } else { jobs.try_recv().ok() };
            }
            let written = self.commit(&buffer, &group);
            for job in group.drain(..) {
                let answer = written.as_ref().map(|()| ()).map_err(|error| error.kind().into());
                let _ = job.done.send(answer);
            }
            buffer.clear();
        }
    }

    fn commit(&mut self, buffer: &[u8], group: &[Job]) -> std::io::Result<()> {
        if self.at + buffer.len() as u64 > SEGMENT_BYTES {
            self.next_segment()?;
        }
        self.file.write_all_at(buffer, self.at)?;
        self.file.sync_data()?;
        let mut held = self.held.write();
        for (size, tag, stream) in group.iter().flat_map(|job| &job.records) {
            let position = held.places.len() as u32;
            held.places.push((self.number, self.at as u32, *size));
            held.tags.entry(*tag).or_default().push(position);
            if let Some(stream) = stream {
                held.streams.entry(*stream).or_default().push(position);
            }
            self.at += u64::from(*size);
        }
        Ok(())
    }

    fn next_segment(&mut self) -> std::io::Result<()> {
        self.number += 1;
        let file = match self.ahead.take() {
            Some(ahead) => ahead.join().map_err(|_| std::io::Error::other("filling ended"))??,
            None => create(&self.folder, self.number, self.sizing)?,
        };
        self.file = Arc::new(file);
        self.at = 0;
        self.held.write().segments.push(Arc::clone(&self.file));
        self.begin_ahead();
        Ok(())
    }

    /// Fills the next segment while this one is written.
    fn begin_ahead(&mut self) {
        if self.sizing == Sizing::Filled {
            let (folder, next) = (self.folder.clone(), self.number + 1);
            self.ahead = Some(std::thread::spawn(move || create(&folder, next, Sizing::Filled)));
        }
    }
}

fn create(folder: &Path, number: u32, sizing: Sizing) -> std::io::Result<File> {
    let path = folder.join(format!("{number:06}.plain"));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    if sizing == Sizing::Filled {
        let zeros = vec![0; 1024 * 1024];
        for at in (0..SEGMENT_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
    }
    File::open(folder)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{PlainLog, Sizing};
    use crate::engine::Engine as _;
    use crate::fact::{Facts, stream};

    #[tokio::test]
    async fn what_was_appended_is_read_by_its_stream() {
        let folder = tempfile::tempdir().unwrap();
        let log = PlainLog::begin(folder.path(), Sizing::Growing).unwrap();
        let mut facts = Facts::new(1);
        for number in [1, 2, 1] {
            log.append(vec![facts.of_stream(number)], false).await.unwrap();
        }
        assert_eq!(log.read_stream(&stream(1)).unwrap(), 2);
        assert_eq!(log.read_stream(&stream(3)).unwrap(), 0);
        log.close();
    }
}
