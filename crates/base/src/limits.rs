//! The limits AWS publishes for Lambda. Units last in each name.
//! <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>

/// Bytes of a function's bare name.
pub const FUNCTION_NAME_BYTES_MAX: usize = 64;
/// Bytes of a synchronous request payload.
pub const SYNCHRONOUS_PAYLOAD_BYTES_MAX: usize = 6_291_456;
/// Bytes of the payload of an event: 1 MB.
pub const ASYNCHRONOUS_PAYLOAD_BYTES_MAX: usize = 1_048_576;
/// Bytes of a buffered response: the request's limit and 100 bytes of framing.
pub const RESPONSE_PAYLOAD_BYTES_MAX: usize = 6_291_556;
/// Bytes of a streamed response: 200 MB.
pub const STREAMED_RESPONSE_BYTES_MAX: u64 = 209_715_200;
/// Bytes of the base64 client context.
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// Bytes of a deployment package uploaded in the request.
pub const PACKAGE_ZIPPED_BYTES_MAX: u64 = 52_428_800;
/// Bytes of a package and its layers unzipped.
pub const PACKAGE_UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Bytes of all environment variables, names and values.
pub const ENVIRONMENT_VARIABLES_BYTES_MAX: usize = 4_096;
/// Least and most memory.
pub const MEMORY_MB: std::ops::RangeInclusive<u32> = 128..=10_240;
/// Memory when none is given.
pub const MEMORY_DEFAULT_MB: u32 = 128;
/// Memory at which a function has one whole processor.
pub const MEMORY_PER_VCPU_MB: u32 = 1_769;
/// Least and most `/tmp`.
pub const EPHEMERAL_STORAGE_MB: std::ops::RangeInclusive<u32> = 512..=10_240;
/// Least and most timeout.
pub const TIMEOUT_S: std::ops::RangeInclusive<u32> = 1..=900;
/// Timeout when none is given.
pub const TIMEOUT_DEFAULT_S: u32 = 3;
/// File descriptors a process of an environment may have open.
pub const FILE_DESCRIPTORS_MAX: u64 = 1_024;
/// Processes and threads of an environment.
pub const PROCESSES_MAX: u64 = 1_024;
/// Time for extension, runtime and function init together.
pub const INIT_MS_MAX: u64 = 10_000;
/// The same for environments that are initialised ahead of invocations, unless the function's timeout is longer.
pub const INIT_AHEAD_MS_MIN: u64 = 130_000;
/// Time for a restore from a snapshot, and the hooks after it.
pub const RESTORE_MS_MAX: u64 = 10_000;
/// Environments of one account and region at once, until raised.
pub const CONCURRENT_EXECUTIONS_DEFAULT: u32 = 1_000;
/// Bytes of log that `LogType=Tail` returns.
pub const LOG_TAIL_BYTES_MAX: usize = 4_096;
/// Layers of one function.
pub const LAYERS_MAX: usize = 5;
