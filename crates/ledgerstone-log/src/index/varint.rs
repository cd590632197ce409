//! Whole numbers in as few bytes as they need: seven bits in each, the lowest first.

/// Appends a number.
pub(super) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Returns how many bytes a number takes.
pub(super) fn varint_bytes(value: u64) -> usize {
    (64 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Takes a number from the front; nothing if there is none, or it is too large.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Returns a signed distance as a number that is small if the distance is.
pub(super) fn zigzag(from: u64, to: u64) -> u64 {
    let distance = to.wrapping_sub(from).cast_signed();
    ((distance << 1) ^ (distance >> 63)).cast_unsigned()
}

/// Returns where a distance leads.
pub(super) fn follow_zigzag(from: u64, distance: u64) -> u64 {
    from.wrapping_add((distance >> 1) ^ (distance & 1).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(value in any::<u64>(), shift in 0..64_u32, rest in proptest::collection::vec(any::<u8>(), 0..4)) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_bytes(value));
            bytes.extend_from_slice(&rest);
            let mut left = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut left), Some(value));
            prop_assert_eq!(left, rest.as_slice());
        }

        #[test]
        fn distances_lead_back(from in any::<u64>(), to in any::<u64>()) {
            prop_assert_eq!(follow_zigzag(from, zigzag(from, to)), to);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
            let _ = take_varint(&mut bytes.as_slice());
        }
    }

    #[test]
    fn small_distances_are_small_numbers() {
        assert_eq!([zigzag(9, 9), zigzag(9, 8), zigzag(9, 10)], [0, 1, 2]);
    }

    #[test]
    fn a_number_beyond_64_bits_is_none() {
        assert_eq!(
            take_varint(&mut [0xff; 9].iter().copied().chain([2]).collect::<Vec<_>>().as_slice()),
            None
        );
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
    }
}
