//! See `nigh_fuzz::vectors`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::vectors(data));
