//! The hash that a token is known by: MurmurHash3 (Austin Appleby, 2011, x86, 32 bits) with the seed 0.
//!
//! It is taken byte by byte, so that the hashes of all beginnings of a word take no longer than that of the word.

/// A hash of the bytes so far.
#[derive(Copy, Clone, Default)]
pub(super) struct Murmur {
    state: u32,
    /// Up to three bytes that make no block of four yet, the first one lowest.
    rest: u32,
    bytes: u32,
}

fn mixed(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

impl Murmur {
    pub(super) fn push(&mut self, byte: u8) {
        let place = self.bytes % 4;
        self.rest |= u32::from(byte) << (8 * place);
        self.bytes = self.bytes.wrapping_add(1);
        if place == 3 {
            self.state = (self.state ^ mixed(self.rest)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
            self.rest = 0;
        }
    }

    pub(super) fn push_all(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push(byte));
    }

    /// The hash, as the index of a sparse vector: without its sign.
    pub(super) fn index(self) -> u32 {
        let mut hash = self.state ^ mixed(self.rest) ^ self.bytes;
        hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
        (hash ^ hash >> 16).cast_signed().unsigned_abs()
    }
}

/// The index of a token.
pub(super) fn index(token: &str) -> u32 {
    let mut hash = Murmur::default();
    hash.push_all(token);
    hash.index()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_indices_that_other_programs_give_them() {
        for (token, expected) in [
            ("", 0),
            ("dog", 1_312_749_093),
            ("abcd", 1_139_631_978),
            ("abcde", 392_455_434),
            ("grüß", 1_429_254_519),
            ("sunni", 172_040_527),
        ] {
            assert_eq!(index(token), expected, "{token}");
        }
    }
}
