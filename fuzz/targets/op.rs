//! See `nigh_fuzz::op`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nigh_fuzz::op(data));
