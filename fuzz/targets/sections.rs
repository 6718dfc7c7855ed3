//! See `nigh_fuzz::sections`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::sections(data));
