//! What a simulated disk loses, keeps and pretends after a power loss, a kill or a failed sync.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::random::Random;
use super::{Cause, Fault, Operation, SimulatedDisk};
use crate::disk::{Disk, DiskFile};

pub(super) const IO: Fault = Fault::Fails(Cause::Io);

/// Returns a disk with a durable file `x`.
pub(super) fn disk_with(seed: u64, bytes: &[u8]) -> (SimulatedDisk, Arc<dyn DiskFile>) {
    let disk = SimulatedDisk::new(seed);
    disk.set_leftovers(false);
    let file = disk.create("x").unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    disk.sync_names().unwrap();
    (disk, file)
}

fn content(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

pub(super) fn found(disk: &SimulatedDisk) -> Vec<u8> {
    content(&*disk.open("x").unwrap())
}

/// Returns what many power losses leave of `x`; nothing if the name is gone.
pub(super) fn outcomes(disk: &SimulatedDisk) -> BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|_| disk.crash().open("x").ok().map(|file| content(&*file))).collect()
}

#[test]
fn what_was_synced_survives_every_crash() {
    let (disk, file) = disk_with(1, &[7; 1500]);
    file.write_at(1500, &[8; 900]).unwrap();
    for bytes in outcomes(&disk) {
        assert_eq!(bytes.unwrap()[..1500], [7; 1500]);
    }
    file.sync().unwrap();
    assert_eq!(outcomes(&disk), [Some([[7; 1500].as_slice(), &[8; 900]].concat())].into());
}

#[test]
fn what_was_not_synced_may_be_lost_torn_or_kept() {
    let (disk, file) = disk_with(1, &[1; 2048]);
    file.write_at(0, &[2; 2048]).unwrap();
    let sectors = |bytes: Vec<u8>| -> Vec<u8> {
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        bytes.chunks(512).map(|sector| sector[0]).collect()
    };
    let found: BTreeSet<_> = outcomes(&disk).into_iter().map(|bytes| sectors(bytes.unwrap())).collect();
    for expected in [[1, 1, 1, 1], [2, 2, 2, 2], [2, 2, 1, 1], [1, 2, 1, 2]] {
        assert!(found.contains(&expected[..]), "{expected:?} in {found:?}");
    }
}

#[test]
fn a_later_write_may_survive_an_earlier_one() {
    let (disk, file) = disk_with(1, &[1; 1024]);
    file.write_at(0, &[2; 512]).unwrap();
    file.write_at(512, &[2; 512]).unwrap();
    let reordered = [[1; 512], [2; 512]].concat();
    assert!(outcomes(&disk).contains(&Some(reordered)));
}

#[test]
fn a_file_may_have_grown_without_its_bytes() {
    let (disk, file) = disk_with(1, b"a");
    file.write_at(1, b"bcd").unwrap();
    let found = outcomes(&disk);
    for expected in ["a", "abcd", "a\0\0\0"] {
        assert!(found.contains(&Some(expected.into())), "{expected:?}");
    }
}

#[test]
fn a_grown_file_may_hold_bytes_of_another() {
    let (disk, file) = disk_with(1, b"");
    disk.create("other").unwrap().write_at(0, &[9; 512]).unwrap();
    file.write_at(0, &[5; 512]).unwrap();
    assert!(!outcomes(&disk).contains(&Some(vec![9; 512])));
    disk.set_leftovers(true);
    assert!(outcomes(&disk).contains(&Some(vec![9; 512])));
}

#[test]
fn a_cut_may_have_happened_or_not_until_it_is_synced() {
    let (disk, file) = disk_with(1, b"abcdef");
    file.set_size(2).unwrap();
    assert_eq!(outcomes(&disk), [Some(b"ab".to_vec()), Some(b"abcdef".to_vec())].into());
    file.sync().unwrap();
    assert_eq!(outcomes(&disk), [Some(b"ab".to_vec())].into());
}

#[test]
fn names_that_were_not_synced_may_be_there_or_not() {
    let disk = SimulatedDisk::new(1);
    let file = disk.create("x").unwrap();
    file.write_at(0, b"1").unwrap();
    file.sync().unwrap();
    assert_eq!(outcomes(&disk), [None, Some(b"1".to_vec())].into());
    disk.sync_names().unwrap();
    assert_eq!(outcomes(&disk), [Some(b"1".to_vec())].into());
    disk.create("y").unwrap();
    disk.sync_names().unwrap();
    disk.rename("y", "x").unwrap();
    assert_eq!(outcomes(&disk), [Some(b"".to_vec()), Some(b"1".to_vec())].into());
    disk.sync_names().unwrap();
    disk.remove("x").unwrap();
    assert_eq!(outcomes(&disk), [None, Some(b"".to_vec())].into());
}

#[test]
fn a_rename_that_was_not_synced_leaves_one_of_both_names() {
    let (disk, _) = disk_with(1, b"1");
    disk.rename("x", "y").unwrap();
    disk.rename("y", "z").unwrap();
    let found: BTreeSet<_> = (0..200).map(|_| disk.crash().names().unwrap()).collect();
    assert_eq!(found, [vec!["x".to_owned()], vec!["y".to_owned()], vec!["z".to_owned()]].into());
}

#[test]
fn a_failed_sync_settles_in_secret_what_no_later_sync_changes() {
    let mut settled = BTreeSet::new();
    for seed in 0..60 {
        let (disk, file) = disk_with(seed, b"old");
        file.write_at(0, b"new").unwrap();
        disk.fail_next(Operation::Sync, 0, IO);
        assert!(file.sync().is_err());
        assert_eq!(found(&disk), b"new");
        assert_eq!(found(&disk.kill()), b"new");
        file.sync().unwrap();
        let left = outcomes(&disk);
        assert_eq!(left, outcomes(&disk.kill()));
        assert_eq!(left.len(), 1, "{left:?}");
        settled.extend(left);
        file.write_at(0, b"new").unwrap();
        file.sync().unwrap();
        assert_eq!(outcomes(&disk), [Some(b"new".to_vec())].into());
    }
    assert_eq!(settled, [Some(b"new".to_vec()), Some(b"old".to_vec())].into());
}

#[test]
fn what_is_synced_after_a_failed_sync_survives_though_the_bytes_before_it_may_not() {
    let mut lost = false;
    for seed in 0..60 {
        let (disk, file) = disk_with(seed, b"");
        file.write_at(0, &[1; 1000]).unwrap();
        disk.fail_next(Operation::Sync, 0, IO);
        assert!(file.sync().is_err());
        file.write_at(1000, &[2; 1000]).unwrap();
        file.sync().unwrap();
        let left = outcomes(&disk).pop_first().unwrap().unwrap();
        assert_eq!(left[1000..], [2; 1000]);
        lost |= left[..1000].contains(&0);
    }
    assert!(lost);
}

#[test]
fn a_failed_sync_of_names_settles_them_in_secret_too() {
    let mut settled = BTreeSet::new();
    for seed in 0..40 {
        let disk = SimulatedDisk::new(seed);
        disk.create("x").unwrap();
        disk.fail_next(Operation::SyncNames, 0, IO);
        assert!(disk.sync_names().is_err());
        disk.sync_names().unwrap();
        assert_eq!(disk.names().unwrap(), ["x"]);
        let left = outcomes(&disk);
        assert_eq!(left.len(), 1);
        settled.extend(left);
    }
    assert_eq!(settled.len(), 2);
}

#[test]
fn a_kill_loses_nothing_and_makes_nothing_durable() {
    let (disk, file) = disk_with(1, b"old");
    file.write_at(0, b"new").unwrap();
    disk.rename("x", "y").unwrap();
    disk.create("x").unwrap().write_at(0, b"1").unwrap();
    let killed = disk.kill();
    assert_eq!(killed.names().unwrap(), ["x", "y"]);
    assert_eq!(found(&killed), b"1");
    assert!(outcomes(&killed).contains(&Some(b"old".to_vec())));
}

#[test]
fn the_same_seed_gives_the_same_crashes() {
    let crashes = |seed| -> Vec<_> {
        let (disk, file) = disk_with(seed, &[1; 4096]);
        file.write_at(100, &[2; 5000]).unwrap();
        (0..9).map(|_| found(&disk.crash())).collect()
    };
    assert_eq!(crashes(5), crashes(5));
    assert_ne!(crashes(5), crashes(6));
}

#[test]
fn a_file_of_the_crashed_disk_changes_only_the_old_one() {
    let (disk, file) = disk_with(1, b"old");
    let crashed = disk.crash();
    file.write_at(0, b"new").unwrap();
    assert_eq!((found(&disk), found(&crashed)), (b"new".to_vec(), b"old".to_vec()));
    assert_eq!(found(&disk.clone()), b"new");
}

#[test]
fn every_byte_that_was_synced_after_its_last_write_survives_whatever_happens() {
    for seed in 0..300 {
        let (disk, file) = disk_with(seed, b"");
        let mut random = Random::new(seed);
        // What must be found: settled bytes, and for each whether it is settled.
        let mut written = vec![0; 4000];
        let (mut settled, mut dirty) = (vec![false; 4000], BTreeSet::new());
        for _ in 0..30 {
            let at = random.below(3000);
            let bytes = vec![u8::try_from(1 + random.below(255)).unwrap(); random.below(1000)];
            file.write_at(at as u64, &bytes).unwrap();
            written[at..at + bytes.len()].copy_from_slice(&bytes);
            settled[at..at + bytes.len()].fill(false);
            dirty.extend(at..at + bytes.len());
            if random.one_in(3) {
                let fails = random.coin();
                if fails {
                    disk.fail_next(Operation::Sync, 0, IO);
                }
                assert_eq!(file.sync().is_err(), fails);
                std::mem::take(&mut dirty).into_iter().for_each(|at| settled[at] = !fails);
            }
            let left = found(&disk.crash());
            for at in (0..4000).filter(|at| settled[*at]) {
                assert_eq!(left.get(at), Some(&written[at]), "seed {seed}, byte {at}");
            }
        }
    }
}
