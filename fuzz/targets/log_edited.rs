//! A sound log whose files are edited, with their checksums made right again: it opens or it does not.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ledgerstone_log::hostile::try_edited_log(data));
