//! The service through its trait, on the in-memory store and a clock that tests advance.
