//! How a simulated disk fails as it was told.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::tests::{IO, disk_with, found, outcomes};
use super::{Cause, Fault, Operation, SimulatedDisk};
use crate::disk::Disk as _;

#[test]
fn each_operation_can_be_failed_by_its_number() {
    let story = |disk: &SimulatedDisk| {
        let file = disk.create("x")?;
        file.write_at(0, b"1")?;
        file.sync()?;
        disk.sync_names()?;
        disk.names()?;
        file.size()?;
        file.read_at(0, &mut [0])?;
        file.set_size(0)?;
        disk.rename("x", "y")?;
        disk.open("y")?;
        disk.remove("y")
    };
    let disk = SimulatedDisk::new(1);
    story(&disk).unwrap();
    assert_eq!(disk.operations(), 11);
    for number in 0..11 {
        let disk = SimulatedDisk::new(1);
        disk.fail_at(number, IO);
        assert_eq!(story(&disk).unwrap_err().raw_os_error(), Some(5));
        assert_eq!(disk.operations(), number + 1);
    }
}

#[test]
fn a_failed_write_leaves_nothing_a_prefix_or_a_torn_middle() {
    let written = |fault| -> BTreeSet<Vec<u8>> {
        let one = |seed| {
            let (disk, file) = disk_with(seed, &[0; 1536]);
            disk.fail_next(Operation::Write, 0, fault);
            assert_eq!(file.write_at(0, &[1; 1536]).unwrap_err().kind(), ErrorKind::StorageFull);
            found(&disk)
        };
        (0..60).map(one).collect()
    };
    assert_eq!(written(Fault::Fails(Cause::Full)), [vec![0; 1536]].into());
    let prefixes = written(Fault::Prefix(Cause::Full));
    assert!(prefixes.len() > 9 && prefixes.iter().all(|bytes| bytes.is_sorted_by(|a, b| a >= b)));
    let middle = [[0; 512], [1; 512], [0; 512]].concat();
    assert!(written(Fault::Torn(Cause::Full)).contains(&middle));
}

#[test]
fn a_disk_that_stops_fails_everything_until_the_next_finds_it() {
    let (disk, file) = disk_with(1, b"old");
    disk.fail_next(Operation::Write, 1, Fault::Stops);
    file.write_at(0, b"new").unwrap();
    assert!(file.write_at(0, b"NEW").is_err());
    assert!(file.size().is_err() && file.sync().is_err() && disk.names().is_err());
    assert!(file.read_at(0, &mut [0]).is_err() && disk.create("y").is_err());
    assert_eq!(disk.crash().names().unwrap(), ["x"]);
    disk.lift_faults();
    file.size().unwrap();
}

#[test]
fn a_read_may_be_short_or_cold() {
    let (disk, file) = disk_with(1, b"abc");
    disk.set_cold_reads(2);
    let cold: BTreeSet<_> = (0..20).map(|_| file.read_cached_at(0, &mut [0; 3]).unwrap()).collect();
    assert_eq!(cold, [None, Some(3)].into());
    disk.fail_often(Operation::Read, 2, Fault::Short);
    let short: BTreeSet<_> = (0..40).map(|_| file.read_at(0, &mut [0; 3]).unwrap()).collect();
    assert_eq!(short, [1, 2, 3].into());
    assert_eq!(found(&disk), b"abc");
}

#[test]
fn a_flipped_bit_is_seen_and_survives() {
    let (disk, file) = disk_with(1, b"a");
    file.write_at(1, b"a").unwrap();
    disk.flip("x", 0, 1).unwrap();
    disk.flip("x", 1, 1).unwrap();
    assert_eq!(found(&disk), b"cc");
    file.sync().unwrap();
    assert_eq!(outcomes(&disk), [Some(b"cc".to_vec())].into());
    assert_eq!(disk.flip("x", 2, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(disk.flip("y", 0, 0).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_read_only_disk_reads_and_refuses_changes() {
    let (disk, file) = disk_with(1, b"a");
    disk.set_read_only(true);
    file.sync().unwrap();
    let refused = [file.write_at(0, b"b"), file.set_size(0), disk.rename("x", "y"), disk.remove("x")];
    for error in refused.into_iter().chain([disk.create("y").map(drop)]) {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(found(&disk), b"a");
    disk.set_read_only(false);
    file.write_at(0, b"b").unwrap();
    disk.set_read_only(true);
    assert_eq!(file.sync().unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn a_full_disk_takes_what_fits_until_there_is_room() {
    let (disk, file) = disk_with(1, b"abc");
    disk.set_room(Some(5));
    assert_eq!(file.write_at(2, b"CDEF").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(found(&disk), b"abCDE");
    file.write_at(0, b"AB").unwrap();
    assert_eq!(file.set_size(6).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.create("y").unwrap_err().kind(), ErrorKind::StorageFull);
    disk.lift_faults();
    file.write_at(5, b"F").unwrap();
    assert_eq!(found(&disk), b"ABCDEF");
    assert_eq!(file.set_size(u64::MAX).unwrap_err().kind(), ErrorKind::FileTooLarge);
}
