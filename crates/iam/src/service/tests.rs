//! IAM over a memory store.
