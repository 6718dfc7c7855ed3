//! See `nigh_fuzz::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::frame(data));
