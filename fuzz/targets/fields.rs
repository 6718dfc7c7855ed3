//! See `nigh_fuzz::fields`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::fields(data));
