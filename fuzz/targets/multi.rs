//! See `nigh_fuzz::multi`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::multi(data));
