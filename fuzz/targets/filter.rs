//! See `nigh_fuzz::filter`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::filter(data));
