//! Layers on the in-memory engine: their life, who may use them, and what a function sees in `/opt`.

use super::*;
use crate::layer::LayerVersion;
use crate::layer::naming::LayerVersionKey;
use hearth_iam::ResourcePolicies as _;
use hearth_wire::Failure;
use std::path::PathBuf;

const RUNTIMES: &[&str] = &["python3.12", "python3.13"];

/// A zip of these files.
fn zip_of(files: &[(&str, &str)]) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

fn publish_request(name: &str, zip: Bytes) -> api::PublishLayerVersionRequest {
    api::PublishLayerVersionRequest {
        layer_name: Some(name.to_owned()),
        content: Some(api::LayerVersionContentInput { zip_file: Some(zip), ..Default::default() }),
        ..Default::default()
    }
}

async fn published(service: &Service, name: &str, files: &[(&str, &str)]) -> String {
    let answer = service.publish_layer_version(grant(), publish_request(name, zip_of(files))).await.unwrap();
    answer.layer_version_arn.unwrap()
}

fn version_request(name: &str, number: i64) -> api::GetLayerVersionRequest {
    api::GetLayerVersionRequest { layer_name: Some(name.to_owned()), version_number: Some(number) }
}

async fn delete(service: &Service, name: &str, number: i64) -> Result<(), Failure> {
    let input =
        api::DeleteLayerVersionRequest { layer_name: Some(name.to_owned()), version_number: Some(number) };
    service.delete_layer_version(grant(), input).await
}

fn with_layers(name: &str, arns: &[&str]) -> api::CreateFunctionRequest {
    let layers = Some(arns.iter().map(|arn| (*arn).to_owned()).collect());
    api::CreateFunctionRequest { layers, ..request(name) }
}

fn update_layers(name: &str, arns: &[&str]) -> api::UpdateFunctionConfigurationRequest {
    api::UpdateFunctionConfigurationRequest {
        function_name: Some(name.to_owned()),
        layers: Some(arns.iter().map(|arn| (*arn).to_owned()).collect()),
        ..Default::default()
    }
}

/// What the function sees as `/opt`.
fn opt(service: &Service, name: &str) -> PathBuf {
    service.functions().invocable(&target(name)).unwrap().definition.layers.clone().unwrap()
}

fn read(directory: &std::path::Path, path: &str) -> String {
    std::fs::read_to_string(directory.join(path)).unwrap_or_else(|error| format!("{path}: {error}"))
}

fn share(name: &str, id: &str, principal: &str) -> api::AddLayerVersionPermissionRequest {
    api::AddLayerVersionPermissionRequest {
        layer_name: Some(name.to_owned()),
        version_number: Some(1),
        statement_id: Some(id.to_owned()),
        action: Some("lambda:GetLayerVersion".to_owned()),
        principal: Some(principal.to_owned()),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_authoriser_finds_the_policy_of_a_layer_version() {
    let house = House::new();
    let service = house.open().await;
    let arn = published(&service, "l", &[("a", "1")]).await;
    assert!(service.functions().policy(&arn).is_none());
    service.add_layer_version_permission(grant(), share("l", "s", "111122223333")).await.unwrap();
    let document = service.functions().policy(&arn).unwrap();
    assert_eq!(document.statements()[0].sid(), Some("s"));
    assert!(service.functions().policy(&format!("{arn}0")).is_none());
}

#[tokio::test]
async fn a_published_version_is_shown_as_aws_shows_it() {
    let house = House::new();
    let service = house.open().await;
    let zip = zip_of(&[("python/one.py", "1")]);
    let input = api::PublishLayerVersionRequest {
        description: Some("mine".into()),
        license_info: Some("MIT".into()),
        compatible_runtimes: Some(RUNTIMES.iter().filter_map(|name| api::Runtime::parse(name)).collect()),
        compatible_architectures: Some(vec![api::Architecture::X86_64]),
        ..publish_request("my-layer", zip.clone())
    };
    let answer = service.publish_layer_version(grant(), input).await.unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:my-layer";
    assert_eq!((answer.version, answer.layer_arn.as_deref()), (Some(1), Some(arn)));
    assert_eq!(answer.layer_version_arn, Some(format!("{arn}:1")));
    assert_eq!(answer.created_date.as_deref(), Some("2015-03-31T12:00:00.000+0000"));
    assert_eq!(answer.compatible_runtimes.as_ref().map(Vec::len), Some(2));
    let content = answer.content.clone().unwrap();
    assert_eq!(content.code_size, i64::try_from(zip.len()).ok());
    let url = content.location.unwrap();
    let (path, query) = url.strip_prefix("http://127.0.0.1:4566").unwrap().split_once('?').unwrap();
    let package = service.download(path, query).unwrap().await;
    assert_eq!(package.status, http::StatusCode::OK);
    assert!(matches!(package.body, Body::Bytes(body) if body == zip));

    for name in ["my-layer", arn] {
        let shown = service.get_layer_version(grant(), version_request(name, 1)).await.unwrap();
        assert_eq!(shown.license_info.as_deref(), Some("MIT"));
        assert_eq!(shown.layer_version_arn, answer.layer_version_arn);
    }
    let input = api::GetLayerVersionByArnRequest { arn: answer.layer_version_arn };
    let shown = service.get_layer_version_by_arn(grant(), input).await.unwrap();
    assert_eq!(shown.description.as_deref(), Some("mine"));

    let plain =
        service.publish_layer_version(grant(), publish_request("my-layer", package_of("2"))).await.unwrap();
    assert_eq!((plain.version, plain.description.as_deref()), (Some(2), Some("")));
    assert_eq!((plain.compatible_runtimes, plain.license_info), (None, None));
}

fn package_of(content: &str) -> Bytes {
    zip_of(&[("file", content)])
}

#[tokio::test]
async fn bad_requests_about_layers_get_awss_words() {
    let house = House::new();
    let service = house.open().await;
    published(&service, "l", &[("a", "1")]).await;
    let content = |input: api::LayerVersionContentInput| api::PublishLayerVersionRequest {
        content: Some(input),
        ..publish_request("l", Bytes::new())
    };
    let s3 = api::LayerVersionContentInput { s3_bucket: Some("b".into()), ..Default::default() };
    for (input, words) in [
        (publish_request("a b", package_of("1")), "at 'layerName' failed to satisfy constraint"),
        (publish_request("l:1", package_of("1")), "at 'layerName' failed to satisfy constraint"),
        (publish_request("l", "no zip".into()), "Could not unzip uploaded file"),
        (content(api::LayerVersionContentInput::default()), "provide a source"),
        (content(s3), "Content.S3Bucket: Hearth does not support packages in S3"),
    ] {
        let failure = service.publish_layer_version(grant(), input).await.unwrap_err();
        assert_eq!(failure.status, 400, "{failure}");
        assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
    }
    let elsewhere = "arn:aws:lambda:us-east-1:111111111111:layer:l";
    for (name, number, status, words) in [
        ("l", 0, 400, "Layer Version Cannot be less than 1."),
        ("l", 2, 404, "The resource you requested does not exist."),
        ("m", 1, 404, "The resource you requested does not exist."),
        ("arn:aws:lambda:eu-west-1:000000000000:layer:l", 1, 404, "The resource you requested"),
        (elsewhere, 1, 403, "is not authorized to perform: lambda:GetLayerVersion on resource: "),
    ] {
        let failure = service.get_layer_version(grant(), version_request(name, number)).await.unwrap_err();
        assert_eq!(failure.status, status, "{failure}");
        assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
    }
    let failure = service
        .publish_layer_version(grant(), publish_request(elsewhere, package_of("1")))
        .await
        .unwrap_err();
    assert_eq!((failure.status, failure.code.as_ref()), (403, "AccessDeniedException"));
}

#[tokio::test]
async fn numbers_are_never_used_twice_and_survive_a_restart() {
    let house = House::new();
    {
        let service = house.open().await;
        for content in ["1", "2"] {
            published(&service, "l", &[("a", content)]).await;
        }
        for number in [2, 1, 1, 7] {
            delete(&service, "l", number).await.unwrap();
        }
        assert!(delete(&service, "l", 0).await.is_err());
        delete(&service, "never-was", 1).await.unwrap();
    }
    let service = house.open().await;
    let listed = service.list_layers(grant(), api::ListLayersRequest::default()).await.unwrap();
    assert_eq!(listed.layers, Some(vec![]), "a layer without versions is not listed");
    assert!(published(&service, "l", &[("a", "3")]).await.ends_with(":layer:l:3"));
    drop(service);
    let service = house.open().await;
    assert_eq!(service.get_layer_version(grant(), version_request("l", 3)).await.unwrap().version, Some(3));
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages_newest_first() {
    let house = House::new();
    let service = house.open().await;
    for name in ["a", "b", "c"] {
        for (number, runtime) in RUNTIMES.iter().enumerate() {
            let input = api::PublishLayerVersionRequest {
                compatible_runtimes: Some(vec![api::Runtime::parse(runtime).unwrap()]),
                compatible_architectures: (number == 0).then(|| vec![api::Architecture::Arm64]),
                ..publish_request(name, package_of(name))
            };
            service.publish_layer_version(grant(), input).await.unwrap();
        }
    }
    let other = grant_of("111111111111", "us-east-1");
    service.publish_layer_version(other, publish_request("d", package_of("d"))).await.unwrap();
    let runtime = |name: &str| api::Runtime::parse(name);
    for (compatible_runtime, compatible_architecture, expected) in [
        (None, None, vec!["a2", "b2", "c2"]),
        (runtime("python3.12"), None, vec!["a1", "b1", "c1"]),
        (None, Some(api::Architecture::Arm64), vec!["a1", "b1", "c1"]),
        (runtime("python3.13"), Some(api::Architecture::Arm64), vec![]),
        (runtime("nodejs22.x"), None, vec![]),
    ] {
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let input = api::ListLayersRequest {
                compatible_runtime,
                compatible_architecture,
                marker,
                max_items: Some(2),
            };
            let page = service.list_layers(grant(), input).await.unwrap();
            let layers = page.layers.unwrap();
            assert!(layers.len() <= 2);
            seen.extend(layers.into_iter().map(|layer| {
                let newest = layer.latest_matching_version.unwrap();
                format!("{}{}", layer.layer_name.unwrap(), newest.version.unwrap())
            }));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected);
    }
    let list = |marker, compatible_runtime, max_items| api::ListLayerVersionsRequest {
        layer_name: Some("a".into()),
        marker,
        compatible_runtime,
        max_items,
        ..Default::default()
    };
    let numbers = |page: &api::ListLayerVersionsResponse| -> Vec<i64> {
        page.layer_versions.iter().flatten().filter_map(|version| version.version).collect()
    };
    let first = service.list_layer_versions(grant(), list(None, None, Some(1))).await.unwrap();
    assert_eq!(numbers(&first), [2]);
    let second = service.list_layer_versions(grant(), list(first.next_marker, None, Some(1))).await.unwrap();
    assert_eq!((numbers(&second), second.next_marker), (vec![1], None));
    let fitting =
        service.list_layer_versions(grant(), list(None, runtime("python3.12"), None)).await.unwrap();
    assert_eq!(numbers(&fitting), [1]);
    assert!(service.list_layer_versions(grant(), list(Some("?".into()), None, None)).await.is_err());
    let none = api::ListLayerVersionsRequest { layer_name: Some("never-was".into()), ..Default::default() };
    let page = service.list_layer_versions(grant(), none).await.unwrap();
    assert_eq!(page.layer_versions, Some(vec![]));
}

#[tokio::test]
async fn permissions_are_added_printed_and_removed_as_on_aws() {
    let house = House::new();
    let service = house.open().await;
    published(&service, "l", &[("a", "1")]).await;
    let policy = || {
        let input =
            api::GetLayerVersionPolicyRequest { layer_name: Some("l".into()), version_number: Some(1) };
        service.get_layer_version_policy(grant(), input)
    };
    let failure = policy().await.unwrap_err();
    assert_eq!(
        (failure.status, failure.message.as_str()),
        (404, "No policy is associated with the given resource.")
    );

    let first =
        service.add_layer_version_permission(grant(), share("l", "one", "111111111111")).await.unwrap();
    let arn = "arn:aws:lambda:us-east-1:000000000000:layer:l:1";
    let one = format!(
        r#"{{"Sid":"one","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111111111111:root"}},"Action":"lambda:GetLayerVersion","Resource":"{arn}"}}"#
    );
    assert_eq!(first.statement.as_deref(), Some(one.as_str()));
    let organization = api::AddLayerVersionPermissionRequest {
        organization_id: Some("o-t194hfs8cz".into()),
        revision_id: first.revision_id.clone(),
        ..share("l", "two", "*")
    };
    let second = service.add_layer_version_permission(grant(), organization.clone()).await.unwrap();
    let two = format!(
        r#"{{"Sid":"two","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"{arn}","Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"o-t194hfs8cz"}}}}}}"#
    );
    assert_eq!(second.statement.as_deref(), Some(two.as_str()));
    let shown = policy().await.unwrap();
    assert_eq!(
        shown.policy,
        Some(format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{one},{two}]}}"#))
    );
    assert_eq!(shown.revision_id, second.revision_id);

    for (input, status, words) in [
        (share("l", "one", "*"), 409, "The statement id (one) provided already exists."),
        (organization, 412, "does not match the latest Revision Id"),
        (
            share("m", "one", "*"),
            404,
            "Layer version arn:aws:lambda:us-east-1:000000000000:layer:m:1 does not exist.",
        ),
        (
            api::AddLayerVersionPermissionRequest {
                organization_id: Some("o-t194hfs8cz".into()),
                ..share("l", "three", "111111111111")
            },
            400,
            "OrganizationId",
        ),
    ] {
        let failure = service.add_layer_version_permission(grant(), input).await.unwrap_err();
        assert_eq!(failure.status, status, "{failure}");
        assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
    }
    let remove = |id: &str, revision_id: Option<String>| {
        let input = api::RemoveLayerVersionPermissionRequest {
            layer_name: Some("l".into()),
            version_number: Some(1),
            statement_id: Some(id.to_owned()),
            revision_id,
        };
        service.remove_layer_version_permission(grant(), input)
    };
    assert_eq!(remove("one", first.revision_id).await.unwrap_err().status, 412);
    assert_eq!(remove("three", None).await.unwrap_err().status, 404);
    remove("one", second.revision_id).await.unwrap();
    remove("two", None).await.unwrap();
    assert_eq!(policy().await.unwrap_err().status, 404);
}

#[tokio::test]
async fn a_policy_has_a_bound() {
    let house = House::new();
    let service = house.open().await;
    published(&service, "l", &[("a", "1")]).await;
    let mut added = 0;
    let failure = loop {
        let input = share("l", &format!("{}{added}", "x".repeat(90)), "111111111111");
        match service.add_layer_version_permission(grant(), input).await {
            Ok(_) => added += 1,
            Err(failure) => break failure,
        }
    };
    assert_eq!((failure.status, failure.code.as_ref()), (400, "PolicyLengthExceededException"));
    assert!(failure.message.ends_with("is bigger than the limit (20480)."), "{}", failure.message);
    assert!(added > 50);
}

#[tokio::test]
async fn other_accounts_use_a_layer_only_when_its_policy_lets_them() {
    let house = House::new();
    let service = house.open().await;
    let arn = published(&service, "l", &[("a", "1")]).await;
    let friend = || grant_of("111111111111", "us-east-1");
    let layer = "arn:aws:lambda:us-east-1:000000000000:layer:l";
    let denied = |failure: Failure| {
        assert_eq!((failure.status, failure.code.as_ref()), (403, "AccessDeniedException"));
        assert!(failure.message.contains("because no resource-based policy allows"), "{}", failure.message);
    };
    denied(service.get_layer_version(friend(), version_request(layer, 1)).await.unwrap_err());
    denied(service.create_function(friend(), with_layers("f", &[&arn])).await.unwrap_err());
    // A permission for an organization lets nobody in as long as there are no organizations.
    let organization = api::AddLayerVersionPermissionRequest {
        organization_id: Some("o-t194hfs8cz".into()),
        ..share("l", "organization", "*")
    };
    service.add_layer_version_permission(grant(), organization).await.unwrap();
    denied(service.get_layer_version(friend(), version_request(layer, 1)).await.unwrap_err());

    service.add_layer_version_permission(grant(), share("l", "friend", "111111111111")).await.unwrap();
    service.get_layer_version(friend(), version_request(layer, 1)).await.unwrap();
    service.create_function(friend(), with_layers("f", &[&arn])).await.unwrap();
    let stranger = grant_of("222222222222", "us-east-1");
    denied(service.get_layer_version(stranger, version_request(layer, 1)).await.unwrap_err());
    let list = api::ListLayerVersionsRequest { layer_name: Some(layer.into()), ..Default::default() };
    denied(service.list_layer_versions(friend(), list).await.unwrap_err());
    denied(
        service
            .add_layer_version_permission(friend(), share(layer, "mine", "111111111111"))
            .await
            .unwrap_err(),
    );
}

#[tokio::test]
async fn a_function_sees_its_layers_over_each_other_in_their_order() {
    let house = House::new();
    let service = house.open().await;
    let one = published(&service, "one", &[("python/both.py", "1"), ("python/one.py", "1")]).await;
    let two = published(&service, "two", &[("python/both.py", "2"), ("python/two.py", "2")]).await;
    service.create_function(grant(), with_layers("f", &[&one, &two])).await.unwrap();
    let found = settled(&service, "f").await;
    assert_eq!(found.state, Some(api::State::Active));
    let layers = found.layers.unwrap();
    assert_eq!(layers.iter().filter_map(|layer| layer.arn.as_deref()).collect::<Vec<_>>(), [&one, &two]);
    assert!(layers.iter().all(|layer| layer.code_size > Some(0)));
    let before = opt(&service, "f");
    assert_eq!(read(&before, "python/both.py"), "2");
    assert_eq!((read(&before, "python/one.py"), read(&before, "python/two.py")), ("1".into(), "2".into()));

    service.update_function_configuration(grant(), update_layers("f", &[&two, &one])).await.unwrap();
    settled(&service, "f").await;
    assert_eq!(read(&opt(&service, "f"), "python/both.py"), "1");
    // What does not name layers keeps them, and one layer alone needs no directory of its own.
    service.update_function_code(grant(), code_update("f", "two")).await.unwrap();
    assert_eq!(settled(&service, "f").await.layers.map(|layers| layers.len()), Some(2));
    service.update_function_configuration(grant(), update_layers("f", &[&one])).await.unwrap();
    settled(&service, "f").await;
    assert_eq!(read(&opt(&service, "f"), "python/both.py"), "1");
    assert!(!opt(&service, "f").to_string_lossy().ends_with(".layers"));
    service.inner.garbage.notify_one();
    while before.exists() {
        tokio::task::yield_now().await;
    }
    service.update_function_configuration(grant(), update_layers("f", &[])).await.unwrap();
    assert_eq!(settled(&service, "f").await.layers, None);
    assert_eq!(service.functions().invocable(&target("f")).unwrap().definition.layers, None);
}

#[tokio::test]
async fn layers_that_cannot_be_attached_are_refused_in_awss_words() {
    let house = House::new();
    let service = house.open().await;
    let mut arns = Vec::new();
    for number in 0..6 {
        arns.push(published(&service, &format!("l{number}"), &[("a", "1")]).await);
    }
    let newer = published(&service, "l0", &[("a", "2")]).await;
    let all: Vec<&str> = arns.iter().map(String::as_str).collect();
    created(&service, "f").await;
    for (layers, words) in [
        (all.clone(), "Cannot reference more than 5 layers.".to_owned()),
        (vec!["arn:aws:lambda:us-east-1:000000000000:layer:none:1"], "Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist.".to_owned()),
        (vec!["arn:aws:lambda:eu-west-1:000000000000:layer:l0:1"], "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.".to_owned()),
        (vec![all[0], &newer], format!("{} and {newer} are versions of the same layer.", all[0])),
        (vec![all[0], all[0]], "Two different versions of the same layer are not allowed".to_owned()),
        (vec!["arn:aws:lambda:us-east-1:000000000000:layer:l0"], "at 'layers' failed to satisfy constraint".to_owned()),
    ] {
        for failure in [
            service.create_function(grant(), with_layers("g", &layers)).await.unwrap_err(),
            service.update_function_configuration(grant(), update_layers("f", &layers)).await.unwrap_err(),
        ] {
            assert_eq!(failure.status, 400, "{failure}");
            assert!(failure.message.contains(&words), "{} does not say {words}", failure.message);
        }
    }
    service.create_function(grant(), with_layers("g", &all[..5])).await.unwrap();
    assert_eq!(settled(&service, "g").await.layers.map(|layers| layers.len()), Some(5));
    assert_eq!(settled(&service, "f").await.layers, None);
}

#[tokio::test]
async fn code_and_layers_together_have_a_bound() {
    let house = House::new();
    let service = house.open().await;
    let (one, two) =
        (published(&service, "one", &[("a", "1")]).await, published(&service, "two", &[("b", "2")]).await);
    // As if 4 bytes less than the bound were in it, of which the package of a function takes some.
    let key = LayerVersionKey::parse(&one).unwrap();
    let grow = |version: &mut LayerVersion| {
        version.code.unzipped_bytes = 262_144_000 - 4;
        Ok(())
    };
    service.inner.layers.change(&key, grow, || unreachable!()).await.unwrap();
    service.create_function(grant(), with_layers("f", &[&one])).await.unwrap();
    settled(&service, "f").await;

    let words = "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 262144001 bytes.";
    for dry_run in [Some(true), None] {
        let input = api::UpdateFunctionCodeRequest { dry_run, ..code_update("f", "seven") };
        let failure = service.update_function_code(grant(), input).await.unwrap_err();
        assert_eq!((failure.status, failure.message.as_str()), (400, words));
    }
    let code = api::FunctionCode { zip_file: Some(package("seven")), ..Default::default() };
    let input = api::CreateFunctionRequest { code: Some(code), ..with_layers("g", &[&one]) };
    assert_eq!(service.create_function(grant(), input).await.unwrap_err().message, words);
    // 3 bytes of code, 1 of the other layer: just what fits.
    service.update_function_configuration(grant(), update_layers("f", &[&one, &two])).await.unwrap();
    settled(&service, "f").await;
    let three = published(&service, "three", &[("c", "34567")]).await;
    let failure = service
        .update_function_configuration(grant(), update_layers("f", &[&one, &three]))
        .await
        .unwrap_err();
    assert_eq!(failure.message, "Layers consume more than the available size of 262144000 bytes");
    assert_eq!(settled(&service, "f").await.layers.map(|layers| layers.len()), Some(2));
}

#[tokio::test]
async fn a_deleted_version_goes_on_serving_the_functions_that_have_it() {
    let house = House::new();
    let (one, two) = {
        let service = house.open().await;
        let one = published(&service, "one", &[("a", "1")]).await;
        let two = published(&service, "two", &[("a", "2"), ("b", "2")]).await;
        let input = api::CreateFunctionRequest { publish: Some(true), ..with_layers("f", &[&one, &two]) };
        service.create_function(grant(), input).await.unwrap();
        settled(&service, "f").await;
        for name in ["one", "two"] {
            delete(&service, name, 1).await.unwrap();
        }
        let failure = service.create_function(grant(), with_layers("g", &[&one])).await.unwrap_err();
        assert_eq!(failure.message, format!("Layer version {one} does not exist."));
        // Once collected, garbage is gone; what is in use is not.
        service.update_function_configuration(grant(), update_layers("f", &[])).await.unwrap();
        settled(&service, "f").await;
        let unused = published(&service, "unused", &[("c", "3")]).await;
        delete(&service, "unused", 1).await.unwrap();
        let code = house.directory.path().join("code");
        while std::fs::read_dir(&code).unwrap().count() > 4 {
            service.inner.garbage.notify_one();
            tokio::task::yield_now().await;
        }
        assert!(unused.ends_with(":1"));
        (one, two)
    };
    // The unpacked trees are a cache of the stored packages.
    std::fs::remove_dir_all(house.directory.path().join("code")).unwrap();
    let service = house.open().await;
    let input =
        api::GetFunctionConfigurationRequest { function_name: Some("f".into()), qualifier: Some("1".into()) };
    let shown = service.get_function_configuration(grant(), input).await.unwrap();
    let arns: Vec<_> = shown.layers.unwrap().into_iter().filter_map(|layer| layer.arn).collect();
    assert_eq!(arns, [one, two]);
    let directory = opt(&service, "f:1");
    while !directory.exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!((read(&directory, "a"), read(&directory, "b")), ("2".into(), "2".into()));
}

#[tokio::test]
async fn an_update_whose_layers_cannot_be_put_in_place_fails_and_lets_the_next_one_come() {
    let house = House::new();
    let service = house.open().await;
    let one = published(&service, "one", &[("a", "1")]).await;
    let two = published(&service, "two", &[("b", "2")]).await;
    service.create_function(grant(), with_layers("f", &[&one, &two])).await.unwrap();
    settled(&service, "f").await;
    let directory = opt(&service, "f");
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::write(&directory, "in the way").unwrap();
    created(&service, "g").await;
    service.update_function_configuration(grant(), update_layers("g", &[&one, &two])).await.unwrap();
    let failed = settled(&service, "g").await;
    assert_eq!(failed.last_update_status, Some(api::LastUpdateStatus::Failed));
    assert_eq!(
        failed.last_update_status_reason_code,
        api::LastUpdateStatusReasonCode::parse("InternalError")
    );
    assert_eq!(failed.state, Some(api::State::Active), "what was there before still serves");
    std::fs::remove_file(&directory).unwrap();
    service.update_function_configuration(grant(), update_layers("g", &[&one, &two])).await.unwrap();
    assert_eq!(settled(&service, "g").await.last_update_status, Some(api::LastUpdateStatus::Successful));
    assert_eq!(read(&directory, "b"), "2");
}
