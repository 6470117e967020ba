//! What the directory keeps.
