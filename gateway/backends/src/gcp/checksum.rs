//! CRC32C (Castagnoli), which Google answers and is sent with everything that is signed.

use crc::{CRC_32_ISCSI, Crc};

/// The checksum of `bytes`, as JSON has it: an int64, which is text there.
pub(super) fn of(bytes: &[u8]) -> String {
    CRC32C.checksum(bytes).to_string()
}

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(of(&[0; 32]), 0x8a91_36aa_u32.to_string());
        assert_eq!(of(&[0xff; 32]), 0x62a8_ab43_u32.to_string());
    }
}
