//! The service through its trait.
