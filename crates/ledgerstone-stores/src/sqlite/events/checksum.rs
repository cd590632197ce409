//! Checksums: a number in the row of each event that vouches for its record and for its payload.
//!
//! The upper half is the record's alone, so that a record can be checked without fetching its payload;
//! the payload's hash is folded into the lower half. The record holds the position.

use xxhash_rust::xxh3::xxh3_64;

/// The half that the payload is folded into.
const PAYLOAD: u64 = u32::MAX as u64;

/// Returns the number that stands in the row of a record and its payload.
pub(crate) fn checksum(record: &[u8], data: &[u8]) -> i64 {
    (xxh3_64(record) ^ xxh3_64(data) & PAYLOAD).cast_signed()
}

/// Tells whether a record is the one that the number was made of, whatever the payload is.
pub(crate) fn vouches_for_record(sum: i64, record: &[u8]) -> bool {
    (sum.cast_unsigned() ^ xxh3_64(record)) & !PAYLOAD == 0
}

/// Tells whether a record and its payload are those that the number was made of.
pub(crate) fn vouches_for(sum: i64, record: &[u8], data: &[u8]) -> bool {
    sum == checksum(record, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (record, data) = (*b"a record", *b"its payload");
        let sum = checksum(&record, &data);
        assert!(vouches_for(sum, &record, &data) && vouches_for_record(sum, &record));
        for bit in 0..record.len() * 8 {
            let mut flipped = record;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!vouches_for(sum, &flipped, &data) && !vouches_for_record(sum, &flipped));
        }
        for bit in 0..data.len() * 8 {
            let mut flipped = data;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!vouches_for(sum, &record, &flipped));
        }
        for bit in 0..64 {
            assert!(!vouches_for(sum ^ 1 << bit, &record, &data));
        }
    }
}
