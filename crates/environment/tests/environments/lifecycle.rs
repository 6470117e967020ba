//! How environments start, serve, fail and end.

use crate::fixture::{Server, returned, tail};
use std::sync::Arc;

#[tokio::test]
async fn a_python_function_returns() {
    let server = Server::start();
    let function = Arc::new(server.python(
        "print('loading')\ndef handler(event, context):\n    print('hello from', context.function_name)\n    return {'got': event}\n",
    ));
    let completion = server.invoke(&function, r#"{"a": 1}"#).await;
    assert_eq!(returned(&completion), r#"{"got": {"a": 1}}"#);
    eprintln!("{}{:?}", tail(&completion), completion.report);
    server.stop().await;
}
