//! See `nigh_fuzz::log`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::log(data));
