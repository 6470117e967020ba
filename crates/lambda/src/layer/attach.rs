//! From the `Layers` of a request to what a function keeps of them: AWS's rules and words.
//!
//! It refuses to look at runtimes and architectures: on AWS a layer's are for finding it, and bind nobody.

use crate::failures::{invalid_parameter, validation};
use crate::layer::naming::LayerVersionKey;
use crate::layer::registry::Layers;
use crate::model::{AttachedLayer, Code};
use hearth_api::Grant;
use hearth_base::limits::{LAYERS_MAX, PACKAGE_UNZIPPED_BYTES_MAX};
use hearth_wire::Failure;

/// What the caller's function is to keep of the layer versions with these ARNs, in their order.
///
/// # Errors
/// AWS's, for too many, for those that are not there or may not be used, and for two versions of one layer.
pub(crate) fn attach(layers: &Layers, grant: &Grant, arns: &[String]) -> Result<Vec<AttachedLayer>, Failure> {
    if arns.len() > LAYERS_MAX {
        return Err(invalid_parameter(&format!("Cannot reference more than {LAYERS_MAX} layers.")));
    }
    let mut keys: Vec<LayerVersionKey> = Vec::new();
    let mut attached = Vec::new();
    for arn in arns {
        let key = LayerVersionKey::parse(arn).ok_or_else(|| malformed(arns))?;
        attached.push(attach_one(layers, grant, &key)?);
        if let Some(other) = keys.iter().find(|other| other.layer == key.layer) {
            return Err(invalid_parameter(&format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. \
                 {} and {} are versions of the same layer.",
                other.arn(),
                key.arn()
            )));
        }
        keys.push(key);
    }
    Ok(attached)
}

fn attach_one(layers: &Layers, grant: &Grant, key: &LayerVersionKey) -> Result<AttachedLayer, Failure> {
    let own = key.layer.account == grant.account();
    if own && key.layer.region != *grant.region() {
        return Err(invalid_parameter(&format!(
            "Layers are not in the same region as the function. Layers are expected to be in region {}.",
            grant.region()
        )));
    }
    let version = layers.readable(grant, key).map_err(|failure| match own {
        true => invalid_parameter(&format!("Layer version {} does not exist.", key.arn())),
        false => failure,
    })?;
    Ok(AttachedLayer { arn: key.arn(), code: version.code })
}

fn malformed(arns: &[String]) -> Failure {
    validation(&format!(
        "Value '[{}]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length \
         less than or equal to 140, Member must have length greater than or equal to 1, Member must satisfy regular \
         expression pattern: arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{{12}}:layer:[a-zA-Z0-9-_]+:[0-9]+]",
        arns.join(", ")
    ))
}

/// Refuses a function that is too large together with its layers.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(crate) fn check_size(code: &Code, layers: &[AttachedLayer]) -> Result<(), Failure> {
    let layers: u64 = layers.iter().map(|layer| layer.code.unzipped_bytes).sum();
    let all = layers + code.unzipped_bytes;
    if layers > PACKAGE_UNZIPPED_BYTES_MAX {
        return Err(invalid_parameter(&format!(
            "Layers consume more than the available size of {PACKAGE_UNZIPPED_BYTES_MAX} bytes"
        )));
    }
    if all > PACKAGE_UNZIPPED_BYTES_MAX {
        return Err(invalid_parameter(&format!(
            "Function code combined with layers exceeds the maximum allowed size of {PACKAGE_UNZIPPED_BYTES_MAX} bytes. \
             The actual size is {all} bytes."
        )));
    }
    Ok(())
}
