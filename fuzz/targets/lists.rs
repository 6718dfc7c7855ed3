//! See `nigh_fuzz::lists`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::lists(data));
