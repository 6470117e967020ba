//! One file for each action, named after it.

pub(crate) mod add_layer_version_permission;
pub(crate) mod create_function;
pub(crate) mod delete_function;
pub(crate) mod delete_layer_version;
pub(crate) mod get_account_settings;
pub(crate) mod get_function;
pub(crate) mod get_function_configuration;
pub(crate) mod get_layer_version;
pub(crate) mod get_layer_version_by_arn;
pub(crate) mod get_layer_version_policy;
pub(crate) mod list_functions;
pub(crate) mod list_layer_versions;
pub(crate) mod list_layers;
pub(crate) mod list_tags;
pub(crate) mod publish_layer_version;
pub(crate) mod remove_layer_version_permission;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;
pub(crate) mod update_function_code;
pub(crate) mod update_function_configuration;
