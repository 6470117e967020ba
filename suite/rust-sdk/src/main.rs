//! One pass of the main job with the AWS SDK for Rust.
fn main() {}
