//! Being built.
#[allow(dead_code)]
mod filter_pattern;
