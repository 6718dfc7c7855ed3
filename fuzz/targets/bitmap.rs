//! See `nigh_fuzz::bitmap`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::bitmap(data));
