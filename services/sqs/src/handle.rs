//! Receipt handles: opaque texts that say which receive of which message of which queue is meant.

use crate::failures::invalid_value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_api::sqs::errors;
use hearth_store::queue::{EntryId, Receipt};
use hearth_wire::Failure;

/// The format written now.
const FORMAT: u8 = 1;
const BYTES: usize = 41;

/// The handle of a receipt.
pub fn write(storage: EntryId, receipt: &Receipt) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&storage.to_bytes());
    bytes.extend_from_slice(&receipt.id.to_bytes());
    bytes.extend_from_slice(&receipt.nonce.to_be_bytes());
    STANDARD.encode(bytes)
}

/// What a handle stands for: none when the messages it is of were purged.
///
/// # Errors
/// It is no handle. One of another queue is taken for one of a purged one: nothing is there either way.
pub fn read(storage: EntryId, handle: &str) -> Result<Option<Receipt>, Failure> {
    let malformed = || {
        errors::receipt_handle_is_invalid(format!(
            "The input receipt handle \"{handle}\" is not a valid receipt handle."
        ))
    };
    let bytes = STANDARD.decode(handle).map_err(|_| malformed())?;
    if bytes.len() != BYTES || bytes[0] != FORMAT {
        return Err(malformed());
    }
    let (of, id) = (EntryId::from_bytes(&bytes[1..17]), EntryId::from_bytes(&bytes[17..33]));
    let nonce = bytes[33..].try_into().map(u64::from_be_bytes);
    let (Some(of), Some(id), Ok(nonce)) = (of, id, nonce) else { return Err(malformed()) };
    Ok((of == storage).then_some(Receipt { id, nonce }))
}

/// The handle is of a receive whose time has run out.
pub fn expired(handle: &str) -> Failure {
    invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")
}

/// The handle is of a message that is not there any more, or was received again.
pub fn unavailable(handle: &str) -> Failure {
    invalid_value(
        handle,
        "ReceiptHandle",
        "Message does not exist or is not available for visibility timeout change.",
    )
}
