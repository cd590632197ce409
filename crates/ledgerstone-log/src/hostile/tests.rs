//! Some hostile logs in every run of the tests; `cargo xtask fuzz` looks for worse ones.

use proptest::prelude::*;

use super::*;

#[test]
fn the_log_that_is_edited_is_sound_and_stays_so_when_it_is_mended() {
    let mut files = sound_files().clone();
    let count = |ending: &str| files.iter().filter(|(name, _)| name.ends_with(ending)).count();
    assert!(
        count(".log") > 2 && count(".index") > 0,
        "{:?}",
        files.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    use_log(&files).expect("sound");
    files.iter_mut().for_each(|(name, bytes)| mend(name, bytes));
    assert_eq!(&files, sound_files());
}

/// The record of the first batch claims a position that no table could hold.
#[test]
fn a_position_far_beyond_its_predecessor_is_damage_and_no_table_as_large() {
    let mut files = sound_files().clone();
    let at = files.iter().rposition(|(name, _)| name.ends_with(".log")).expect("a segment");
    let (name, bytes) = &mut files[at];
    let header_at = usize::try_from(crate::segment_header::u64_at(bytes, 96)).expect("small");
    let record = header_at + 40 + 4;
    bytes[record + 8..record + 16].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    // Two events of a batch: the header says where the count stands afterwards.
    bytes[header_at + 24..header_at + 32].copy_from_slice(&(1_u64 << 61).to_le_bytes());
    mend(name, bytes);
    let error = use_log(&files).expect_err("damage");
    assert!(error.to_string().contains("damaged"), "{error}");
}

proptest! {
    #[test]
    fn an_edited_log_opens_or_does_not(
        mended in 0..8_u8,
        edits in proptest::collection::vec(any::<[u8; 6]>(), 1..6),
    ) {
        try_edited_log(&[&[mended][..], &edits.concat()].concat());
    }

    #[test]
    fn a_file_of_any_bytes_opens_or_does_not(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        try_file(&data);
    }
}
