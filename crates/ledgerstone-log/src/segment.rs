//! A segment: a file of the log, opened and its table of places loaded when it is first read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ledgerstone_core::{Heads, LogKind, Position};
use parking_lot::{Mutex, RwLock};

use crate::ajar::Ajar;
use crate::chain::header_of;
use crate::disk::{Disk, DiskFile};
use crate::failure::LogError;
use crate::places::Places;
use crate::places_file::PlacesFile;
use crate::scanner::Scanner;
use crate::segment_header::{SegmentHeader, segment_name};

/// A file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) name: String,
    /// Where what is durable ends.
    end: AtomicU64,
    open: Mutex<Option<Arc<OpenSegment>>>,
    /// What is open as long as the table is not loaded.
    ajar: Mutex<Option<Arc<Ajar>>>,
    /// Held by who loads the table, so that those who come meanwhile wait for it rather than load it too.
    loading: Mutex<()>,
    /// Whether it stays open, because its name is about to be another file's.
    pinned: AtomicBool,
}

/// What reading a segment needs.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) places: RwLock<Places>,
}

impl Segment {
    /// Takes a segment that is not open yet.
    pub(crate) fn closed(header: SegmentHeader, end: u64) -> Self {
        let name = segment_name(header.number);
        let pinned = AtomicBool::new(false);
        let (open, ajar, loading) = (Mutex::new(None), Mutex::new(None), Mutex::new(()));
        Self { header, name, end: AtomicU64::new(end), open, ajar, loading, pinned }
    }

    /// Takes a segment that is open and stays so while it grows.
    pub(crate) fn growing(header: SegmentHeader, end: u64, open: Arc<OpenSegment>) -> Self {
        let segment = Self::closed(header, end);
        *segment.open.lock() = Some(open);
        segment
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Returns what is open, if it is.
    pub(crate) fn opened(&self) -> Option<Arc<OpenSegment>> {
        self.open.lock().clone()
    }

    /// Returns where it ended when it was closed, whatever scavenging has taken since.
    pub(crate) fn written_end(&self) -> u64 {
        self.header.scavenged.map_or_else(|| self.end(), |scavenged| scavenged.written_end)
    }

    /// Gives file and table free; whoever reads them now goes on.
    pub(crate) fn close(&self) {
        self.ajar.lock().take();
        let mut open = self.open.lock();
        if !self.pinned.load(Ordering::Acquire) {
            open.take();
        }
    }

    /// Returns what is open without the table, if it is.
    pub(crate) fn ajar(&self) -> Option<Arc<Ajar>> {
        self.ajar.lock().clone()
    }

    /// Opens the file and that of its table; nothing if the table has to be made, or the file cannot be read.
    pub(crate) fn set_ajar(&self, disk: &dyn Disk) -> Option<Arc<Ajar>> {
        let file = disk.open(&self.name).ok()?;
        self.check_is_file(&*file).ok()?;
        let places = PlacesFile::open(disk, &self.header, self.end())?;
        Some(Arc::clone(self.ajar.lock().get_or_insert_with(|| Arc::new(Ajar::new(file, places)))))
    }

    /// Keeps the segment open for good: whoever holds it reads on, whatever its name stands for.
    pub(crate) fn pin(&self, disk: &dyn Disk) -> Result<Arc<OpenSegment>, LogError> {
        let opened = self.open(disk)?;
        let mut open = self.open.lock();
        self.pinned.store(true, Ordering::Release);
        Ok(Arc::clone(open.get_or_insert(opened)))
    }

    /// Lets the segment be closed again, as its name is still its own.
    pub(crate) fn unpin(&self) {
        self.pinned.store(false, Ordering::Release);
    }

    /// Opens the file and loads the table, or makes it from the segment; it waits for the disk.
    pub(crate) fn open(&self, disk: &dyn Disk) -> Result<Arc<OpenSegment>, LogError> {
        if let Some(open) = self.opened() {
            return Ok(open);
        }
        let _loading = self.loading.lock();
        if let Some(open) = self.opened() {
            return Ok(open);
        }
        let opened = self.load(disk);
        self.ajar.lock().take();
        let mut open = self.open.lock();
        match &*open {
            // Somebody was faster; and if the segment was replaced meanwhile, what was loaded is another's.
            Some(open) => Ok(Arc::clone(open)),
            None => Ok(Arc::clone(open.insert(opened?))),
        }
    }

    fn load(&self, disk: &dyn Disk) -> Result<Arc<OpenSegment>, LogError> {
        let file = disk.open(&self.name).map_err(LogError::disk("opening", &self.name))?;
        self.check_is_file(&*file)?;
        let places = match self.load_places(disk) {
            Some(places) => places,
            None => {
                let places = self.scan_places(&*file)?;
                // It will be made again as often as it cannot be kept.
                if let Err(error) = save_places(disk, self, &places)
                    && !error.is_read_only()
                {
                    tracing::warn!(%error, segment = self.name, "the table of places could not be kept");
                }
                places
            }
        };
        Ok(Arc::new(OpenSegment { file, places: RwLock::new(places) }))
    }

    /// Refuses a file that another process has put in the place of this segment's.
    pub(crate) fn check_is_file(&self, file: &dyn DiskFile) -> Result<(), LogError> {
        if header_of(file, self.header.number)? == self.header {
            return Ok(());
        }
        Err(LogError::Replaced { file: self.name.clone() })
    }

    fn load_places(&self, disk: &dyn Disk) -> Option<Places> {
        let file = disk.open(&places_name(self.header.number)).ok()?;
        let mut bytes = vec![0; usize::try_from(file.size().ok()?).ok()?];
        file.read_exact_at(0, &mut bytes).ok()?;
        Places::decode(&bytes, self.header.salt, self.end(), self.header.heads)
    }

    /// Makes the table by reading the whole segment.
    fn scan_places(&self, file: &dyn DiskFile) -> Result<Places, LogError> {
        let mut places = Places::after(self.header.heads);
        let mut scanner = Scanner::new(file, &self.name, self.header.salt, self.end());
        while let Some((_, frame)) = scanner.next_whole()? {
            for (at, record) in frame.records() {
                let (log, position) = place_of(record);
                if !places.push(log, position, checksum_place(at)) {
                    return Err(LogError::damaged(&self.name, at, TOO_FAR));
                }
            }
        }
        Ok(places)
    }
}

/// What is said of a record whose position leaves out more than any log does.
pub(crate) const TOO_FAR: &str = "a position stands too far behind the one before";
/// What is said of bytes whose checksum does not match.
pub(crate) const UNCHECKED: &str = "a checksum does not match";

/// Returns the name of the file that keeps the table of a segment.
pub(crate) fn places_name(number: u64) -> String {
    format!("{number:012}.places")
}

/// Returns the number of the segment whose table a file of this name keeps.
pub(crate) fn places_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".places")?.parse().ok()?;
    (places_name(number) == name).then_some(number)
}

/// Writes the table beside its segment.
pub(crate) fn save_places(disk: &dyn Disk, segment: &Segment, places: &Places) -> Result<(), LogError> {
    let name = places_name(segment.header.number);
    let partial = format!("{name}.partial");
    let failed = |operation| LogError::disk(operation, &name);
    // What an earlier attempt left does not matter.
    let _ = disk.remove(&partial);
    let file = disk.create(&partial).map_err(failed("creating"))?;
    file.write_at(0, &places.encode(segment.header.salt, segment.end())).map_err(failed("writing"))?;
    file.sync().map_err(failed("syncing"))?;
    disk.rename(&partial, &name).map_err(failed("naming"))
}

/// Returns the place that a table keeps of a record that begins at `at`: where its checksum stands.
pub(crate) fn checksum_place(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX).saturating_sub(crate::frame::CHECKSUM_BYTES as u32)
}

/// Returns the count and the position that a record says it has.
pub(crate) fn place_of(record: &[u8]) -> (LogKind, Position) {
    let event = ledgerstone_core::RecordPlace::of(record);
    (event.log, event.position)
}

/// Returns the newest positions among those before the segment and those of its frames.
pub(crate) fn later(one: Heads, other: Heads) -> Heads {
    Heads { application: one.application.max(other.application), system: one.system.max(other.system) }
}
