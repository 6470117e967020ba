//! `GetAccountSettings`.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html>

use crate::Inner;
use crate::layer::naming::LayerKey;
use crate::naming::FunctionKey;
use hearth_api::Grant;
use hearth_api::lambda::{AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse};
use hearth_base::limits;
use hearth_wire::Failure;
use std::sync::Arc;

/// 75 GB of packages for each account and region.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const TOTAL_CODE_BYTES_MAX: i64 = 80_530_636_800;

pub(crate) async fn get_account_settings(
    inner: &Arc<Inner>,
    grant: Grant,
    _input: GetAccountSettingsRequest,
) -> Result<GetAccountSettingsResponse, Failure> {
    let functions = inner.registry.list(FunctionKey::of(&grant, ""), usize::MAX);
    let code_bytes: u64 = functions
        .iter()
        .flat_map(|entry| {
            entry.function().versions().map(|(_, version)| version.code.bytes).collect::<Vec<_>>()
        })
        .sum();
    let from = LayerKey { account: grant.account(), region: grant.region().clone(), name: String::new() };
    let layers = inner.layers.list(from);
    let layer_bytes: u64 =
        layers.iter().flat_map(|layer| layer.versions.values()).map(|version| version.code.bytes).sum();
    let concurrency = inner.registry.capacities().account(grant.account(), grant.region());
    Ok(GetAccountSettingsResponse {
        account_limit: Some(AccountLimit {
            total_code_size: Some(TOTAL_CODE_BYTES_MAX),
            code_size_unzipped: i64::try_from(limits::PACKAGE_UNZIPPED_BYTES_MAX).ok(),
            code_size_zipped: i64::try_from(limits::PACKAGE_ZIPPED_BYTES_MAX).ok(),
            concurrent_executions: i64::try_from(concurrency.limit()).ok(),
            unreserved_concurrent_executions: i64::try_from(concurrency.unreserved()).ok(),
        }),
        account_usage: Some(AccountUsage {
            total_code_size: i64::try_from(code_bytes + layer_bytes).ok(),
            function_count: i64::try_from(functions.len()).ok(),
        }),
    })
}
