//! Versions: published, listed, told apart and deleted; and what serves after an update that failed.

use super::*;
use hearth_wire::Failure;

fn publish_request(name: &str) -> api::PublishVersionRequest {
    api::PublishVersionRequest { function_name: Some(name.to_owned()), ..Default::default() }
}

pub(super) async fn publish(service: &Service, name: &str) -> api::FunctionConfiguration {
    service.publish_version(grant(), publish_request(name)).await.unwrap()
}

/// New code, deployed and published.
pub(super) async fn release(service: &Service, name: &str, body: &str) -> String {
    service.update_function_code(grant(), code_update(name, body)).await.unwrap();
    settled(service, name).await;
    publish(service, name).await.version.unwrap()
}

async fn delete(service: &Service, name: &str, qualifier: &str) -> Result<(), Failure> {
    let input = api::DeleteFunctionRequest {
        function_name: Some(name.to_owned()),
        qualifier: Some(qualifier.to_owned()),
    };
    service.delete_function(grant(), input).await.map(drop)
}

pub(super) fn bootstrap(service: &Service, name: &str) -> String {
    let definition = service.functions().invocable(&target(name)).unwrap().definition;
    std::fs::read_to_string(definition.code.join("bootstrap")).unwrap()
}

async fn change_description(service: &Service, description: &str) {
    let input = api::UpdateFunctionConfigurationRequest {
        function_name: Some("f".to_owned()),
        description: Some(description.to_owned()),
        ..Default::default()
    };
    service.update_function_configuration(grant(), input).await.unwrap();
    settled(service, "f").await;
}

#[tokio::test]
async fn a_version_is_published_once_for_each_change() {
    let house = House::new();
    let service = house.open().await;
    let latest = created(&service, "f").await;
    let described =
        api::PublishVersionRequest { description: Some("first".to_owned()), ..publish_request("f") };
    let first = service.publish_version(grant(), described.clone()).await.unwrap();
    assert_eq!((first.version.as_deref(), first.description.as_deref()), (Some("1"), Some("first")));
    assert_eq!(first.state, Some(api::State::Active));
    assert_eq!(first.function_arn.as_deref(), Some("arn:aws:lambda:us-east-1:000000000000:function:f:1"));
    assert_ne!(first.revision_id, latest.revision_id);
    // The same again, under whatever description, is the same version.
    for again in [publish_request("f"), described] {
        assert_eq!(service.publish_version(grant(), again).await.unwrap(), first);
    }
    change_description(&service, "new").await;
    assert_eq!(publish(&service, "f").await.version.as_deref(), Some("2"));
    assert_eq!(release(&service, "f", "two").await, "3");
    // Numbers are never used twice.
    delete(&service, "f", "3").await.unwrap();
    assert_eq!(publish(&service, "f").await.version.as_deref(), Some("4"));
    assert_eq!((bootstrap(&service, "f:1").as_str(), bootstrap(&service, "f:4").as_str()), ("one", "two"));
}

#[tokio::test]
async fn publishing_is_refused_in_awss_words() {
    let house = House::new();
    let service = house.open().await;
    service.create_function(grant(), request("f")).await.unwrap();
    let failure = service.publish_version(grant(), publish_request("f")).await.unwrap_err();
    assert_eq!((failure.status, failure.code.as_ref()), (409, "ResourceConflictException"));
    assert!(failure.message.ends_with("following state: Pending"), "{failure}");
    let latest = settled(&service, "f").await;
    let with = |change: fn(&mut api::PublishVersionRequest)| {
        let mut input = publish_request("f");
        change(&mut input);
        input
    };
    let sha256 = latest.code_sha256.unwrap();
    for (input, status, words) in [
        (
            with(|input| input.code_sha256 = Some("x".to_owned())),
            400,
            format!(
                "CodeSHA256 (x) is different from current CodeSHA256 in $LATEST ({sha256}). Please try again with the CodeSHA256 in $LATEST."
            ),
        ),
        (with(|input| input.revision_id = Some("x".to_owned())), 412, "The Revision Id provided".to_owned()),
        (
            publish_request("g"),
            404,
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g".to_owned(),
        ),
    ] {
        let failure = service.publish_version(grant(), input).await.unwrap_err();
        assert_eq!(failure.status, status);
        assert!(failure.message.starts_with(&words), "{failure}");
    }
    let input = api::PublishVersionRequest {
        code_sha256: Some(sha256),
        revision_id: latest.revision_id,
        ..publish_request("f")
    };
    assert_eq!(service.publish_version(grant(), input).await.unwrap().version.as_deref(), Some("1"));
}

#[tokio::test]
async fn versions_are_listed_latest_first_in_pages() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    for body in ["two", "three", "four"] {
        release(&service, "f", body).await;
    }
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let input = api::ListVersionsByFunctionRequest {
            function_name: Some("f".to_owned()),
            max_items: Some(3),
            marker,
        };
        let page = service.list_versions_by_function(grant(), input).await.unwrap();
        let versions = page.versions.unwrap();
        assert!(versions.len() <= 3);
        for version in versions {
            let number = version.version.unwrap();
            assert!(version.function_arn.unwrap().ends_with(&format!(":function:f:{number}")));
            seen.push(number);
        }
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["$LATEST", "1", "2", "3"]);
}

#[tokio::test]
async fn a_version_is_deleted_alone_and_only_once() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    publish(&service, "f").await;
    let key = service.functions().invocable(&target("f:1")).unwrap().definition.key.clone();
    for _ in 0..2 {
        delete(&service, "f", "1").await.unwrap();
    }
    assert!(house.retired.0.lock().unwrap().contains(&key));
    assert_eq!(service.functions().invocable(&target("f:1")).unwrap_err().status, 404);
    assert_eq!(bootstrap(&service, "f"), "one");
    assert_eq!(delete(&service, "g", "1").await.unwrap_err().status, 404);
}

#[tokio::test]
async fn after_a_failed_update_the_old_code_serves_also_after_a_restart() {
    let house = House::new();
    let served = {
        let service = house.open().await;
        created(&service, "f").await;
        let served = service.functions().invocable(&target("f")).unwrap().definition;
        let key = Target::read(&grant(), Some("f"), None).unwrap().key;
        let code = deploy::store_package(&service.inner, package("two")).await.unwrap();
        let change = |function: &mut crate::model::Function| {
            function.latest.begin_update(Timestamp::from_seconds(1), "r".to_owned());
            function.latest.settings.runtime = "python0.1".to_owned();
            function.latest.code = code.clone();
            Ok(())
        };
        service.inner.registry.update(&key, change).await.unwrap();
        deploy::start(&service.inner, key);
        let failed = settled(&service, "f").await;
        assert_eq!(failed.last_update_status, Some(api::LastUpdateStatus::Failed));
        assert_eq!(failed.state, Some(api::State::Active));
        let now = service.functions().invocable(&target("f")).unwrap().definition;
        assert!(Arc::ptr_eq(&served, &now), "its environments stay warm");
        (*served).clone()
    };
    std::fs::remove_dir_all(house.directory.path().join("code")).unwrap();
    let service = house.open().await;
    assert_eq!(*service.functions().invocable(&target("f")).unwrap().definition, served);
    assert_eq!(bootstrap(&service, "f"), "one");
    // Garbage is collected around it, and the next update takes its place.
    sweep_now(&service).await;
    assert_eq!(bootstrap(&service, "f"), "one");
    let mend = api::UpdateFunctionConfigurationRequest {
        function_name: Some("f".to_owned()),
        runtime: api::Runtime::parse("provided.al2"),
        ..Default::default()
    };
    service.update_function_configuration(grant(), mend).await.unwrap();
    assert_eq!(settled(&service, "f").await.last_update_status, Some(api::LastUpdateStatus::Successful));
    assert_eq!(bootstrap(&service, "f"), "two");
}

/// Lets garbage be collected, and waits until it has been.
async fn sweep_now(service: &Service) {
    let marker = service.inner.code_dir.join("garbage");
    std::fs::create_dir(&marker).unwrap();
    service.inner.garbage.notify_one();
    while marker.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn records_of_before_versions_could_be_named_still_read() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let key = Target::read(&grant(), Some("f"), None).unwrap().key;
    let function = service.inner.registry.find(&key, None).unwrap().function().clone();
    let mut json = serde_json::to_value(&function).unwrap();
    for field in ["aliases", "policies", "event_invoke", "recursive_loop"] {
        json.as_object_mut().unwrap().remove(field).unwrap();
    }
    for field in ["deployment", "former", "published_from"] {
        json["latest"].as_object_mut().unwrap().remove(field).unwrap();
    }
    json["latest"]["settings"].as_object_mut().unwrap().remove("dead_letter").unwrap();
    assert_eq!(serde_json::from_value::<crate::model::Function>(json).unwrap(), function);
}

#[tokio::test]
async fn a_function_has_a_bound_and_says_so() {
    let house = House::new();
    let service = house.open().await;
    created(&service, "f").await;
    let key = Target::read(&grant(), Some("f"), None).unwrap().key;
    let mut answers = Vec::new();
    // A megabyte and a half each, where a record holds four: the second version is one too many.
    for letter in ["a", "b"] {
        let grow = |function: &mut crate::model::Function| {
            function.latest.settings.description = letter.repeat(3 << 19);
            Ok(())
        };
        service.inner.registry.update(&key, grow).await.unwrap();
        answers.push(service.publish_version(grant(), publish_request("f")).await);
    }
    let refused = answers.pop().unwrap().unwrap_err();
    assert_eq!((refused.status, refused.code.as_ref()), (400, "CodeStorageExceededException"));
    assert!(refused.message.ends_with("Delete versions that are no longer needed."), "{refused}");
    assert_eq!(answers.pop().unwrap().unwrap().version.as_deref(), Some("1"));
    delete(&service, "f", "1").await.unwrap();
    assert_eq!(publish(&service, "f").await.version.as_deref(), Some("2"));
}
