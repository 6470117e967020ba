//! The AWS SDKs: fetched from the package registries, so only when asked for by name (`--ignored`).

use crate::fixture::{Server, newest, returned, runtimes};
use hearth_environment::Language;
use hearth_environment::sdk::{self, Installation};
use std::sync::Arc;

#[tokio::test]
#[ignore = "fetches packages"]
async fn functions_import_the_installed_sdk() {
    let server = Server::start();
    let runtimes = runtimes();
    for language in [Language::Python, Language::Node] {
        let Some(interpreter) = newest(language) else { continue };
        let what = Installation { sdk_dir: &server.sdk_dir(), runtimes: &runtimes, language, packages: &[] };
        let begin = std::time::Instant::now();
        let installed = sdk::install(&what, &mut |line| eprintln!("  {line}")).unwrap();
        eprintln!("{installed} in {:?}", begin.elapsed());
        assert_eq!(sdk::describe(&server.sdk_dir(), language), Some(installed));
        let (function, expected) = match language {
            Language::Python => (server.python(
                "import boto3\ndef handler(event, context):\n    return boto3.client('lambda').meta.endpoint_url\n",
            ), "\"http://127.0.0.1:4566\""),
            _ => (server.function(
                &format!("nodejs{}.x", interpreter.version.0),
                "index.handler",
                &[(
                    "index.mjs",
                    "import { LambdaClient } from '@aws-sdk/client-lambda';\nimport { createRequire } from 'node:module';\nconst { S3Client } = createRequire(import.meta.url)('@aws-sdk/client-s3');\nexport const handler = async () => `${new LambdaClient({}).constructor.name} ${new S3Client({}).constructor.name}`;",
                )],
            ), "\"LambdaClient S3Client\""),
        };
        let completion = server.invoke(&Arc::new(function), "{}").await;
        assert_eq!(returned(&completion), expected);
        eprintln!("{:?}", completion.report);
    }
    server.stop().await;
}
