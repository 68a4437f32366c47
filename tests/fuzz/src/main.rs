//! The program that libFuzzer drives; `FUZZ_TARGET` says what it reads.
#![no_main]

use std::sync::LazyLock;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = fuzz::TARGETS.into_iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("FUZZ_TARGET={name} is no target")).run
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    RUN(data);
});
