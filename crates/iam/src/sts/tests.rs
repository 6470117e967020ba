//! STS over a memory store.
