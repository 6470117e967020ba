//! The control plane on the in-memory engine: what clients are answered, and what is there after a restart.

mod aliases;
mod capacity;
mod event_invoke;
mod layers;
mod policies;
mod urls;
mod versions;

use super::*;
use crate::model::State;
use bytes::Bytes;
use hearth_api::grant::GrantParts;
use hearth_api::lambda::Lambda as _;
use hearth_api::{Grant, Principal};
use hearth_base::{RequestId, SeededRng, SystemRng, Timestamp, VirtualClock};
use hearth_iam::{AccessKey, Credentials};
use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Write};
use std::sync::Mutex;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A service over a store that outlives it.
struct House {
    directory: tempfile::TempDir,
    store: Store,
    clock: Arc<VirtualClock>,
    retired: Arc<Retired>,
}

#[derive(Default)]
struct Retired(Mutex<Vec<Key>>, Mutex<HashMap<Key, u32>>);

impl DataPlane for Retired {
    fn retire(&self, key: &Key) {
        self.0.lock().unwrap().push(key.clone());
    }

    fn provision(&self, definition: &Arc<Definition>, count: u32) {
        self.1.lock().unwrap().insert(definition.key.clone(), count);
    }

    fn provision_again(&self, _: &Key) {}

    fn provisioned(&self, key: &Key) -> Provisioned {
        let count = self.1.lock().unwrap().get(key).copied().unwrap_or_default() as usize;
        Provisioned { allocated: count, available: count, failure: None }
    }

    fn expect(&self, _: &Arc<Definition>) {}
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1_427_803_200)));
        Self {
            directory: tempfile::tempdir().unwrap(),
            store: Arc::new(hearth_store::memory::Memory::new(
                clock.clone(),
                hearth_store::memory::Options::default(),
            )),
            clock,
            retired: Arc::default(),
        }
    }

    /// An authority that knows of no roles, and lets everybody be passed.
    fn authority(&self) -> Authority {
        let credentials = Credentials::new(hearth_iam::credentials::Options {
            account: hearth_base::AccountId::DEVELOPMENT,
            root: AccessKey::development(),
            sealing_key: [7; 32],
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        });
        Authority::new(Arc::new(credentials), self.clock.clone())
    }

    async fn open(&self) -> Service {
        let runtimes = hearth_environment::RuntimesOptions::default();
        Service::open(Options {
            store: self.store.clone(),
            blobs: Blobs::open(&self.directory.path().join("packages"), self.clock.clone()).unwrap(),
            code_dir: self.directory.path().join("code"),
            runtimes: Arc::new(Runtimes::discover(&runtimes)),
            data_plane: self.retired.clone(),
            authority: Arc::new(self.authority()),
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
            concurrency: 1_000,
            download_secret: [1; 32],
        })
        .await
        .unwrap()
    }
}

fn grant_of(account: &str, region: &str) -> Grant {
    let account = account.parse().unwrap();
    Grant::issue(GrantParts {
        principal: Principal::Root(account),
        account,
        region: region.parse().unwrap(),
        request_id: RequestId::new(&SeededRng::new(1)),
        endpoint: "http://127.0.0.1:4566".into(),
    })
}

fn grant() -> Grant {
    grant_of("000000000000", "us-east-1")
}

fn package(body: &str) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    writer.write_all(body.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner().into()
}

fn request(name: &str) -> api::CreateFunctionRequest {
    api::CreateFunctionRequest {
        function_name: Some(name.to_owned()),
        runtime: api::Runtime::parse("provided.al2023"),
        handler: Some("main".to_owned()),
        role: Some("arn:aws:iam::000000000000:role/service-role/r".to_owned()),
        code: Some(api::FunctionCode { zip_file: Some(package("one")), ..Default::default() }),
        ..Default::default()
    }
}

fn code_update(name: &str, body: &str) -> api::UpdateFunctionCodeRequest {
    api::UpdateFunctionCodeRequest {
        function_name: Some(name.to_owned()),
        zip_file: Some(package(body)),
        ..Default::default()
    }
}

/// Waits for a deployment to end, as SDK waiters do.
async fn settled(service: &Service, name: &str) -> api::FunctionConfiguration {
    loop {
        let input =
            api::GetFunctionConfigurationRequest { function_name: Some(name.into()), ..Default::default() };
        let found = service.get_function_configuration(grant(), input).await.unwrap();
        let busy = found.state == Some(api::State::Pending)
            || found.last_update_status == Some(api::LastUpdateStatus::InProgress);
        if !busy {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

async fn created(service: &Service, name: &str) -> api::FunctionConfiguration {
    service.create_function(grant(), request(name)).await.unwrap();
    settled(service, name).await
}

fn target(name: &str) -> Target {
    Target::read(&grant(), Some(name), None).unwrap()
}

#[tokio::test]
async fn a_function_is_pending_and_then_active_with_awss_defaults() {
    let house = House::new();
    let service = house.open().await;
    let first = service.create_function(grant(), request("f")).await.unwrap();
    assert_eq!(first.state, Some(api::State::Pending));
    assert_eq!(first.state_reason.as_deref(), Some("The function is being created."));
    assert_eq!(first.last_modified.as_deref(), Some("2015-03-31T12:00:00.000+0000"));
    let found = settled(&service, "f").await;
    assert_eq!(found.state, Some(api::State::Active));
    assert_eq!(found.last_update_status, Some(api::LastUpdateStatus::Successful));
    assert_eq!((found.memory_size, found.timeout), (Some(128), Some(3)));
    assert_eq!(found.version.as_deref(), Some("$LATEST"));
    assert_eq!(found.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f"));
    assert_eq!(found.logging_config.unwrap().log_group.as_deref(), Some("/aws/lambda/f"));
    let invocable = service.functions().invocable(&target("f")).unwrap();
    assert_eq!(std::fs::read(invocable.definition.code.join("bootstrap")).unwrap(), b"one");
}

#[tokio::test]
async fn what_was_created_is_there_after_a_restart_with_its_code() {
    let house = House::new();
    let before = {
        let service = house.open().await;
        created(&service, "f").await
    };
    // The unpacked code is a cache of the stored package.
    std::fs::remove_dir_all(house.directory.path().join("code")).unwrap();
    let service = house.open().await;
    let after = settled(&service, "f").await;
    assert_eq!(before, after);
    let definition = service.functions().invocable(&target("f")).unwrap().definition;
    while !definition.code.join("bootstrap").exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn updates_change_the_revision_and_retire_the_old_code() {
    let house = House::new();
    let service = house.open().await;
    let before = created(&service, "f").await;
    let old = service.functions().invocable(&target("f")).unwrap().definition;
    let update = service.update_function_code(grant(), code_update("f", "two")).await.unwrap();
    assert_eq!(update.last_update_status, Some(api::LastUpdateStatus::InProgress));
    let after = settled(&service, "f").await;
    assert_ne!(before.revision_id, after.revision_id);
    assert_ne!(before.code_sha256, after.code_sha256);
    let new = service.functions().invocable(&target("f")).unwrap().definition;
    assert_ne!(old.key, new.key);
    assert!(house.retired.0.lock().unwrap().contains(&old.key));
    assert!(old.code.exists(), "an environment may still run the old code");
    let code = old.code.clone();
    drop(old);
    service.inner.garbage.notify_one();
    while code.exists() {
        tokio::task::yield_now().await;
    }
    assert!(new.code.exists());
}

#[tokio::test]
async fn a_stale_revision_id_changes_nothing() {
    let house = House::new();
    let service = house.open().await;
    let before = created(&service, "f").await;
    let mut update = code_update("f", "two");
    update.revision_id = Some("0c0f5bdd-0000-4000-8000-000000000000".to_owned());
    let failure = service.update_function_code(grant(), update).await.unwrap_err();
    assert_eq!((failure.status, failure.code.as_ref()), (412, "PreconditionFailedException"));
    let configuration = api::UpdateFunctionConfigurationRequest {
        function_name: Some("f".into()),
        revision_id: Some("x".into()),
        timeout: Some(9),
        ..Default::default()
    };
    let failure = service.update_function_configuration(grant(), configuration).await.unwrap_err();
    assert_eq!(failure.status, 412);
    assert_eq!(settled(&service, "f").await, before);
}

#[tokio::test]
async fn configuration_updates_keep_what_they_do_not_name() {
    let house = House::new();
    let service = house.open().await;
    let mut create = request("f");
    create.environment =
        Some(api::Environment { variables: Some(BTreeMap::from([("A".to_owned(), "1".to_owned())])) });
    service.create_function(grant(), create).await.unwrap();
    settled(&service, "f").await;
    let update = api::UpdateFunctionConfigurationRequest {
        function_name: Some("arn:aws:lambda:us-east-1:000000000000:function:f".into()),
        memory_size: Some(512),
        ..Default::default()
    };
    service.update_function_configuration(grant(), update).await.unwrap();
    let found = settled(&service, "f").await;
    assert_eq!((found.memory_size, found.timeout), (Some(512), Some(3)));
    assert_eq!(found.environment.unwrap().variables.unwrap()["A"], "1");
}

#[tokio::test]
async fn bad_requests_get_awss_words_and_change_nothing() {
    let house = House::new();
    let service = house.open().await;
    let with = |change: fn(&mut api::CreateFunctionRequest)| {
        let mut input = request("f");
        change(&mut input);
        input
    };
    let variables = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Some(api::Environment { variables: Some(pairs.collect()) })
    };
    let mut reserved = request("f");
    reserved.environment = variables(&[("AWS_REGION", "x")]);
    let mut large = request("f");
    large.environment = variables(&[("A", &"x".repeat(4_096))]);
    let cases = [
        (with(|input| input.handler = None), "Runtime and Handler are mandatory parameters"),
        (
            with(|input| input.memory_size = Some(64)),
            "Value '64' at 'memorySize' failed to satisfy constraint",
        ),
        (with(|input| input.timeout = Some(901)), "Member must have value less than or equal to 900"),
        (with(|input| input.code = None), "Please provide a source for function code."),
        (
            with(|input| {
                input.code = Some(api::FunctionCode { zip_file: Some("x".into()), ..Default::default() })
            }),
            "Could not unzip uploaded file",
        ),
        (
            with(|input| {
                input.code = Some(api::FunctionCode { s3_bucket: Some("b".into()), ..Default::default() })
            }),
            "Code.S3Bucket: Hearth does not support packages in S3",
        ),
        (
            with(|input| input.runtime = api::Runtime::parse("go1.x")),
            "Runtime: Hearth does not support the runtime go1.x",
        ),
        (
            with(|input| input.layers = Some(vec!["l".into()])),
            "Value '[l]' at 'layers' failed to satisfy constraint",
        ),
        (with(|input| input.package_type = Some(api::PackageType::Image)), "container images"),
        (with(|input| input.function_name = Some("x".repeat(65))), "length less than or equal to 64"),
        (
            with(|input| input.function_name = Some("a b".into())),
            "at 'functionName' failed to satisfy constraint",
        ),
        (with(|input| input.tags = Some(BTreeMap::from([("aws:x".into(), "y".into())]))), "aws:x"),
        (reserved, "Reserved keys used in this request: AWS_REGION"),
        (large, "exceeded the 4KB limit"),
    ];
    for (input, words) in cases {
        let failure = service.create_function(grant(), input).await.unwrap_err();
        assert_eq!(failure.status, 400, "{failure}");
        assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
    }
    let listed = service.list_functions(grant(), api::ListFunctionsRequest::default()).await.unwrap();
    assert_eq!(listed.functions, Some(vec![]));
}

#[tokio::test]
async fn names_are_taken_once_for_each_account_and_region() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let failure = service.create_function(grant(), request("f")).await.unwrap_err();
    assert_eq!((failure.status, failure.message.as_str()), (409, "Function already exist: f"));
    for (account, region) in [("000000000000", "eu-west-1"), ("111111111111", "us-east-1")] {
        let role = Some(format!("arn:aws:iam::{account}:role/r"));
        let request = api::CreateFunctionRequest { role, ..request("f") };
        service.create_function(grant_of(account, region), request).await.unwrap();
    }
    // Whether it may be seen from another account was decided with the grant: an ARN means the function it names.
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let input = api::GetFunctionRequest { function_name: Some(arn.into()), ..Default::default() };
    let found = service.get_function(grant_of("111111111111", "us-east-1"), input).await.unwrap();
    assert_eq!(found.configuration.unwrap().function_arn.as_deref(), Some(arn));
}

#[tokio::test]
async fn lists_come_in_pages_of_all_functions_once() {
    let house = House::new();
    let service = house.open().await;
    for number in 0..7 {
        let mut input = request(&format!("f{number}"));
        input.publish = Some(true);
        service.create_function(grant(), input).await.unwrap();
    }
    service.create_function(grant_of("000000000000", "eu-west-1"), request("elsewhere")).await.unwrap();
    for (version, expected) in [(None, 7), (Some(api::FunctionVersion::All), 14)] {
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let input = api::ListFunctionsRequest {
                max_items: Some(3),
                marker,
                function_version: version,
                ..Default::default()
            };
            let page = service.list_functions(grant(), input).await.unwrap();
            let functions = page.functions.unwrap();
            assert!(functions.len() <= 3);
            seen.extend(functions.into_iter().map(|function| function.function_arn.unwrap()));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), expected);
        seen.dedup();
        assert_eq!(seen.len(), expected);
    }
}

#[tokio::test]
async fn published_versions_keep_their_code() {
    let house = House::new();
    let service = house.open().await;
    let mut input = request("f");
    input.publish = Some(true);
    let first = service.create_function(grant(), input).await.unwrap();
    assert_eq!(first.version.as_deref(), Some("1"));
    assert!(first.function_arn.unwrap().ends_with(":function:f:1"));
    settled(&service, "f").await;
    service.update_function_code(grant(), code_update("f", "two")).await.unwrap();
    settled(&service, "f").await;
    let functions = service.functions();
    let code = |name: &str| {
        std::fs::read(functions.invocable(&target(name)).unwrap().definition.code.join("bootstrap"))
    };
    assert_eq!(code("f:1").unwrap(), b"one");
    assert_eq!(code("f").unwrap(), b"two");
    let delete = |qualifier: &str| api::DeleteFunctionRequest {
        function_name: Some("f".into()),
        qualifier: Some(qualifier.into()),
    };
    assert!(service.delete_function(grant(), delete("$LATEST")).await.is_err());
    service.delete_function(grant(), delete("1")).await.unwrap();
    assert_eq!(functions.invocable(&target("f:1")).unwrap_err().status, 404);
    assert_eq!(code("f").unwrap(), b"two");
}

#[tokio::test]
async fn a_deleted_function_is_gone_with_its_code() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let code = service.functions().invocable(&target("f")).unwrap().definition.code.clone();
    let input = api::DeleteFunctionRequest { function_name: Some("f".into()), qualifier: None };
    assert_eq!(service.delete_function(grant(), input.clone()).await.unwrap().status_code, Some(204));
    let failure = service.delete_function(grant(), input).await.unwrap_err();
    assert_eq!(failure.message, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f");
    while code.exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.retired.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_runtime_that_is_not_here_makes_the_function_fail_saying_what_to_install() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let key = FunctionKey { account: grant().account(), region: grant().region().clone(), name: "f".into() };
    service
        .inner
        .registry
        .update(&key, |function| {
            function.latest.settings.runtime = "python0.1".into();
            function.latest.state = State::Pending;
            Ok(())
        })
        .await
        .unwrap();
    deploy::start(&service.inner, key);
    let found = settled(&service, "f").await;
    assert_eq!(found.state, Some(api::State::Failed));
    assert_eq!(found.state_reason_code, api::StateReasonCode::parse("InvalidRuntime"));
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let arn = Some("arn:aws:lambda:us-east-1:000000000000:function:f".to_owned());
    let tags = |pairs: &[(&str, &str)]| {
        Some(
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        )
    };
    for pairs in [&[("a", "1"), ("b", "2")][..], &[("a", "3")]] {
        let input = api::TagResourceRequest { resource: arn.clone(), tags: tags(pairs) };
        service.tag_resource(grant(), input).await.unwrap();
    }
    let input =
        api::UntagResourceRequest { resource: arn.clone(), tag_keys: Some(vec!["b".into(), "c".into()]) };
    service.untag_resource(grant(), input).await.unwrap();
    let listed = service.list_tags(grant(), api::ListTagsRequest { resource: arn.clone() }).await.unwrap();
    assert_eq!(listed.tags, tags(&[("a", "3")]));
    let qualified = api::ListTagsRequest { resource: arn.map(|arn| format!("{arn}:1")) };
    assert!(service.list_tags(grant(), qualified).await.is_err());
}
