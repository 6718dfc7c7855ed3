//! See `nigh_fuzz::sparse`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::sparse(data));
