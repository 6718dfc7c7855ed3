//! See `nigh_fuzz::snapshot`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::snapshot(data));
