//! Any bytes in the place of a segment, of a table of places or of an index.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ledgerstone_log::hostile::try_file(data));
