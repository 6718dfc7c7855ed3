//! See `nigh_fuzz::directory`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::directory(data));
