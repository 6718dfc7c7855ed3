//! See `nigh_fuzz::text`. tantivy panics at some damage, which is caught where it is called (`index/src/text/sealed.rs`): the
//! fuzzer's own hook would end the process before. What nobody catches still ends it.

#![no_main]

libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| nigh_fuzz::text(data));
