//! CBOR (RFC 8949) to and from [`Value`]s, along the schema: the parts of it that Smithy's RPC v2 protocol uses, and
//! the rest read over. <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;

/// The tag of a point in time: seconds since the epoch.
const EPOCH_TAG: u64 = 1;

#[cfg(test)]
mod tests;
