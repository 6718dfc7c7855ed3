//! See `nigh_fuzz::text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::text(data));
