//! Lambda's control plane: functions, their versions, code, layers and tags.
//!
//! It owns what is wanted of each function and tells the data plane what to run ([`Functions`]). It refuses to run
//! anything, and it refuses by name what a request asks for that Hearth cannot do yet.

mod alias;
mod capacity;
mod deploy;
mod download;
mod event_invoke;
mod failures;
mod layer;
mod model;
mod naming;
mod ops;
mod package;
mod permission;
mod provisioned;
mod registry;
mod render;
mod resource_policies;
mod role;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod url;

pub use deploy::DeployError;
pub use event_invoke::EventInvoke;
pub use failures::function_not_found;
pub use model::{Cors, RecursiveLoop, Url, UrlAuth};
pub use naming::{FunctionKey, Target};
pub use url::FunctionUrl;

use capacity::Capacities;
use download::Downloads;
use hearth_api::Grant;
use hearth_api::lambda as api;
use hearth_base::{BoxFuture, Clock, Qualifier, Rng, Timestamp};
use hearth_environment::{Definition, Environments, Key, Meter, Provisioned, Runtimes};
use hearth_iam::Authority;
use hearth_store::{Blobs, Store};
use hearth_wire::{Body, Failure, Response};
use layer::registry::Layers;
use registry::Registry;
use std::path::PathBuf;
use std::sync::Arc;

/// What the control plane stands on.
pub struct Options {
    /// Where functions are stored.
    pub store: Store,
    /// Where packages are stored: a set of its own, since what no function names is removed from it.
    pub blobs: Blobs,
    /// Where packages are unpacked; made when missing.
    pub code_dir: PathBuf,
    /// The interpreters of this machine.
    pub runtimes: Arc<Runtimes>,
    /// Where functions run: told when what runs there is no longer wanted.
    pub data_plane: Arc<dyn DataPlane>,
    /// Whom roles trust.
    pub authority: Arc<Authority>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Invocations that an account may run at once in a region.
    pub concurrency: u32,
    /// Signs download URLs: 32 bytes that never leave the data directory.
    pub download_secret: [u8; 32],
}

/// What the control plane tells the data plane.
pub trait DataPlane: Send + Sync + 'static {
    /// No invocation of this definition will come any more.
    fn retire(&self, key: &Key);
    /// Keep this many environments of a definition initialised; 0 for none any more.
    fn provision(&self, definition: &Arc<Definition>, count: u32);
    /// Try again at once what of them could not be initialised.
    fn provision_again(&self, key: &Key);
    /// How far the provisioned environments of a definition are.
    fn provisioned(&self, key: &Key) -> Provisioned;
    /// Invocations of this definition may come from now on.
    fn expect(&self, definition: &Arc<Definition>);
}

impl DataPlane for Environments {
    fn retire(&self, key: &Key) {
        Environments::retire(self, key);
    }

    fn provision(&self, definition: &Arc<Definition>, count: u32) {
        Environments::provision(self, definition, usize::try_from(count).unwrap_or(usize::MAX));
    }

    fn provision_again(&self, key: &Key) {
        Environments::provision_again(self, key);
    }

    fn provisioned(&self, key: &Key) -> Provisioned {
        Environments::provisioned(self, key)
    }

    fn expect(&self, definition: &Arc<Definition>) {
        Environments::expect(self, definition);
    }
}

/// The control plane: the `Lambda` API but for invoking. A cheap handle.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    registry: Registry,
    layers: Layers,
    blobs: Blobs,
    code_dir: PathBuf,
    runtimes: Arc<Runtimes>,
    data_plane: Arc<dyn DataPlane>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    downloads: Downloads,
    /// Held for reading while a package is stored and not yet named by a record, for writing while garbage is
    /// collected, so that no package is taken for garbage before its function is there.
    packages: tokio::sync::RwLock<()>,
    garbage: Arc<tokio::sync::Notify>,
}

/// The data plane's view: which definition an invocation runs.
#[derive(Clone)]
pub struct Functions {
    inner: Arc<Inner>,
}

/// A function that can be invoked.
#[derive(Debug, Clone)]
pub struct Invocable {
    /// What runs.
    pub definition: Arc<Definition>,
    /// The version that runs: `$LATEST` or a number, also behind an alias.
    pub executed_version: String,
    /// The ARN as the caller named it, with the qualifier if there was one.
    pub invoked_arn: String,
    /// Gives leave to run.
    pub meter: Arc<Meter>,
}

impl Service {
    /// Reads what is stored and goes on with deployments that were cut off. Call it inside the async runtime.
    ///
    /// # Errors
    /// When the store cannot be read or the code directory not be made.
    pub async fn open(options: Options) -> Result<Self, DeployError> {
        let Options {
            store,
            blobs,
            code_dir,
            runtimes,
            data_plane,
            authority,
            clock,
            rng,
            concurrency,
            download_secret,
        } = options;
        deploy::prepare(&code_dir)?;
        let layers = Layers::open(store.clone()).await.map_err(DeployError::Records)?;
        let capacities = Capacities::new(Arc::clone(&data_plane), Arc::clone(&clock), concurrency);
        let registry =
            Registry::open(store, code_dir.clone(), capacities).await.map_err(DeployError::Records)?;
        let inner = Arc::new(Inner {
            registry,
            layers,
            blobs,
            code_dir,
            runtimes,
            data_plane,
            authority,
            clock,
            rng,
            downloads: Downloads::new(download_secret),
            packages: tokio::sync::RwLock::new(()),
            garbage: Arc::new(tokio::sync::Notify::new()),
        });
        deploy::resume(&inner).await;
        // Only now is all code in its place.
        for entry in inner.registry.all() {
            inner.registry.capacities().provision(None, &entry);
        }
        tokio::spawn(deploy::collect_garbage(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// The data plane's view of the same functions.
    pub fn functions(&self) -> Functions {
        Functions { inner: Arc::clone(&self.inner) }
    }

    /// Serves a download URL that `GetFunction` or `GetLayerVersion` gave out; none for any other path.
    pub fn download<'a>(&'a self, path: &'a str, query: &'a str) -> Option<BoxFuture<'a, Response>> {
        let rest = path.strip_prefix(download::PATH)?;
        (!rest.contains('/')).then(|| -> BoxFuture<'a, Response> { Box::pin(self.package(path, query)) })
    }

    /// The path below which [`Service::download`] serves.
    pub fn download_path() -> &'static str {
        download::PATH
    }

    async fn package(&self, path: &str, query: &str) -> Response {
        let found = match self.inner.downloads.check(path, query, self.inner.clock.now()) {
            Some(blob) => deploy::read_package(&self.inner, blob).await,
            None => None,
        };
        let (status, kind, body) = match found {
            Some(package) => (http::StatusCode::OK, "application/zip", package),
            None => (
                http::StatusCode::FORBIDDEN,
                "text/plain",
                "This download URL is not valid, or no longer.\n".into(),
            ),
        };
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        Response { status, headers, body: Body::Bytes(body) }
    }
}

impl Functions {
    /// What an invocation of `target` runs. Reads memory only.
    ///
    /// # Errors
    /// AWS's not found, or a conflict while the function is being created or cannot run.
    pub fn invocable(&self, target: &Target) -> Result<Invocable, Failure> {
        let entry = self.inner.registry.find(&target.key, target.qualifier.as_ref())?;
        let function = entry.function();
        let number = match target.qualifier_or_latest() {
            Qualifier::Alias(name) => {
                function.aliases.get(&name).map(|alias| alias.choose(self.inner.rng.as_ref()))
            }
            version => Some(version),
        };
        if let Some(definition) = number.as_ref().and_then(|number| entry.serving.get(number)) {
            return Ok(Invocable {
                definition: Arc::clone(definition),
                executed_version: definition.key.version.clone(),
                invoked_arn: target.arn(),
                meter: Arc::clone(&entry.meter),
            });
        }
        match number.and_then(|number| function.version(&number)) {
            None => Err(function_not_found(&target.key.arn(), target.qualifier.as_ref())),
            Some(version) => Err(failures::not_invocable(version)),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The function URL of this id. Reads memory only.
    pub fn url(&self, id: &str) -> Option<FunctionUrl> {
        url::find(&self.inner, id)
    }

    /// How asynchronous invocations of `target` are treated. Reads memory only.
    ///
    /// # Errors
    /// AWS's not found.
    pub fn event_invoke(&self, target: &Target) -> Result<EventInvoke, Failure> {
        let entry = self.inner.registry.find(&target.key, target.qualifier.as_ref())?;
        EventInvoke::of(entry.function(), &target.qualifier_or_latest())
            .ok_or_else(|| function_not_found(&target.key.arn(), target.qualifier.as_ref()))
    }

    /// What is done about a function that calls itself by way of a queue. Reads memory only.
    ///
    /// # Errors
    /// AWS's not found.
    pub fn recursive_loop(&self, key: &FunctionKey) -> Result<RecursiveLoop, Failure> {
        Ok(self.inner.registry.find(key, None)?.function().recursive_loop)
    }
}

macro_rules! operations {
    ($($operation:ident: $input:ident => $output:ty;)*) => {
        impl api::Lambda for Service {$(
            fn $operation(&self, grant: Grant, input: api::$input) -> BoxFuture<'_, Result<$output, Failure>> {
                Box::pin(ops::$operation::$operation(&self.inner, grant, input))
            }
        )*}
    };
}

operations! {
    add_layer_version_permission: AddLayerVersionPermissionRequest => api::AddLayerVersionPermissionResponse;
    add_permission: AddPermissionRequest => api::AddPermissionResponse;
    create_alias: CreateAliasRequest => api::AliasConfiguration;
    create_function: CreateFunctionRequest => api::FunctionConfiguration;
    create_function_url_config: CreateFunctionUrlConfigRequest => api::CreateFunctionUrlConfigResponse;
    delete_alias: DeleteAliasRequest => ();
    delete_function: DeleteFunctionRequest => api::DeleteFunctionResponse;
    delete_function_code_signing_config: DeleteFunctionCodeSigningConfigRequest => ();
    delete_function_concurrency: DeleteFunctionConcurrencyRequest => ();
    delete_function_event_invoke_config: DeleteFunctionEventInvokeConfigRequest => ();
    delete_function_url_config: DeleteFunctionUrlConfigRequest => ();
    delete_layer_version: DeleteLayerVersionRequest => ();
    delete_provisioned_concurrency_config: DeleteProvisionedConcurrencyConfigRequest => ();
    get_account_settings: GetAccountSettingsRequest => api::GetAccountSettingsResponse;
    get_alias: GetAliasRequest => api::AliasConfiguration;
    get_function: GetFunctionRequest => api::GetFunctionResponse;
    get_function_code_signing_config: GetFunctionCodeSigningConfigRequest => api::GetFunctionCodeSigningConfigResponse;
    get_function_concurrency: GetFunctionConcurrencyRequest => api::GetFunctionConcurrencyResponse;
    get_function_configuration: GetFunctionConfigurationRequest => api::FunctionConfiguration;
    get_function_event_invoke_config: GetFunctionEventInvokeConfigRequest => api::FunctionEventInvokeConfig;
    get_function_recursion_config: GetFunctionRecursionConfigRequest => api::GetFunctionRecursionConfigResponse;
    get_function_url_config: GetFunctionUrlConfigRequest => api::GetFunctionUrlConfigResponse;
    get_layer_version: GetLayerVersionRequest => api::GetLayerVersionResponse;
    get_layer_version_by_arn: GetLayerVersionByArnRequest => api::GetLayerVersionResponse;
    get_layer_version_policy: GetLayerVersionPolicyRequest => api::GetLayerVersionPolicyResponse;
    get_policy: GetPolicyRequest => api::GetPolicyResponse;
    get_provisioned_concurrency_config: GetProvisionedConcurrencyConfigRequest => api::GetProvisionedConcurrencyConfigResponse;
    get_runtime_management_config: GetRuntimeManagementConfigRequest => api::GetRuntimeManagementConfigResponse;
    list_aliases: ListAliasesRequest => api::ListAliasesResponse;
    list_function_event_invoke_configs: ListFunctionEventInvokeConfigsRequest => api::ListFunctionEventInvokeConfigsResponse;
    list_function_url_configs: ListFunctionUrlConfigsRequest => api::ListFunctionUrlConfigsResponse;
    list_functions: ListFunctionsRequest => api::ListFunctionsResponse;
    list_layer_versions: ListLayerVersionsRequest => api::ListLayerVersionsResponse;
    list_layers: ListLayersRequest => api::ListLayersResponse;
    list_provisioned_concurrency_configs: ListProvisionedConcurrencyConfigsRequest => api::ListProvisionedConcurrencyConfigsResponse;
    list_tags: ListTagsRequest => api::ListTagsResponse;
    list_versions_by_function: ListVersionsByFunctionRequest => api::ListVersionsByFunctionResponse;
    publish_layer_version: PublishLayerVersionRequest => api::PublishLayerVersionResponse;
    publish_version: PublishVersionRequest => api::FunctionConfiguration;
    put_function_code_signing_config: PutFunctionCodeSigningConfigRequest => api::PutFunctionCodeSigningConfigResponse;
    put_function_concurrency: PutFunctionConcurrencyRequest => api::Concurrency;
    put_function_event_invoke_config: PutFunctionEventInvokeConfigRequest => api::FunctionEventInvokeConfig;
    put_function_recursion_config: PutFunctionRecursionConfigRequest => api::PutFunctionRecursionConfigResponse;
    put_provisioned_concurrency_config: PutProvisionedConcurrencyConfigRequest => api::PutProvisionedConcurrencyConfigResponse;
    put_runtime_management_config: PutRuntimeManagementConfigRequest => api::PutRuntimeManagementConfigResponse;
    remove_layer_version_permission: RemoveLayerVersionPermissionRequest => ();
    remove_permission: RemovePermissionRequest => ();
    tag_resource: TagResourceRequest => ();
    untag_resource: UntagResourceRequest => ();
    update_alias: UpdateAliasRequest => api::AliasConfiguration;
    update_function_code: UpdateFunctionCodeRequest => api::FunctionConfiguration;
    update_function_configuration: UpdateFunctionConfigurationRequest => api::FunctionConfiguration;
    update_function_event_invoke_config: UpdateFunctionEventInvokeConfigRequest => api::FunctionEventInvokeConfig;
    update_function_url_config: UpdateFunctionUrlConfigRequest => api::UpdateFunctionUrlConfigResponse;
}
