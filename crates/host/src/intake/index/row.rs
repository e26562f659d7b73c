//! A row of `jobs.idx`: where one job is, in 40 bytes, little endian.

/// Bytes of a row.
pub(super) const SIZE: usize = 40;

/// Where one job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where its line starts.
    pub(crate) offset: u64,
    /// The hash of its line when it was accepted.
    pub(crate) hash: u64,
    /// The hash of its id, by default of its number.
    pub(crate) id: u64,
    /// The length of its line without the newline.
    pub(crate) length: u32,
    /// The number of its line or record, from 1: its id where it brings none.
    pub(crate) number: u32,
    /// The place of its class.
    pub(super) class: u32,
    /// The place of its extras, from 1; 0 where it has none.
    pub(super) extras: u32,
    /// Whether it brings an id of its own.
    pub(crate) has_id: bool,
    /// Whether its line is not in the source any more: it ended before that.
    pub(crate) is_gone: bool,
}

/// It brings an id of its own.
const HAS_ID: u32 = 1 << 31;
/// Its line is not in the source any more.
const IS_GONE: u32 = 1 << 30;
/// The bits of the class itself.
pub(super) const CLASS: u32 = IS_GONE - 1;

impl Row {
    /// The same job, whose line is not in the source any more.
    pub(crate) fn gone(self) -> Self {
        Self { is_gone: true, ..self }
    }

    /// The same job, whose line starts elsewhere.
    pub(crate) fn moved_to(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    pub(super) fn encode(&self) -> [u8; SIZE] {
        let flags = if self.has_id { HAS_ID } else { 0 } | if self.is_gone { IS_GONE } else { 0 };
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.hash.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..36].copy_from_slice(&(self.class | flags).to_le_bytes());
        bytes[36..].copy_from_slice(&self.extras.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Self {
        let class = word(bytes, 32);
        Self {
            offset: long(bytes, 0),
            hash: long(bytes, 8),
            id: long(bytes, 16),
            length: word(bytes, 24),
            number: word(bytes, 28),
            class: class & CLASS,
            extras: word(bytes, 36),
            has_id: class & HAS_ID != 0,
            is_gone: class & IS_GONE != 0,
        }
    }
}

/// Four bytes of an entry.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Eight bytes of an entry.
pub(super) fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back() {
        let row = Row {
            offset: 1 << 40,
            hash: 2,
            id: 3,
            length: 4,
            number: 5,
            class: 6,
            extras: 7,
            has_id: true,
            is_gone: false,
        };
        for row in [row, Row { has_id: false, is_gone: true, class: CLASS, ..row }] {
            assert_eq!(Row::decode(&row.encode()), row);
        }
    }
}
