//! Endpoints that answer in every way, on this machine.

use super::*;
use hearth_api::delivery::is_worth_another_try;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// An endpoint that gives each connection the next of these answers; afterwards, what it was sent.
async fn endpoint(answers: &[&'static str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = answers.to_vec();
    let told = tokio::spawn(async move {
        let mut told = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"body") {
                assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
            }
            told.push(String::from_utf8(asked).unwrap());
            // Who has had its answer may hang up.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        told
    });
    (format!("name:word@{address}"), told)
}

async fn post(url: String) -> Result<(), Failure> {
    let headers = vec![("content-type", "text/plain".to_owned())];
    Poster::new(Reach::Any).post(Posting { url, headers, body: Bytes::from_static(b"body") }).await
}

#[tokio::test]
async fn answers_mean_what_they_mean_to_aws() {
    for (answer, taken, again) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true, false),
        ("HTTP/1.1 204 No Content\r\n\r\n", true, false),
        ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false, false),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", false, false),
        ("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", false, true),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", false, true),
        ("nonsense\r\n\r\n", false, true),
        ("", false, true),
    ] {
        let (place, told) = endpoint(&[answer]).await;
        let outcome = post(format!("http://{place}/in?a=b")).await;
        assert_eq!(outcome.is_ok(), taken, "{answer}: {outcome:?}");
        assert_eq!(outcome.is_err_and(|failure| is_worth_another_try(&failure)), again, "{answer}");
        let told = told.await.unwrap();
        assert!(told[0].starts_with("POST /in?a=b HTTP/1.1\r\nhost: 127.0.0.1:"), "{told:?}");
        assert!(!told[0].contains("authorization"), "nobody has asked for it");
    }
}

#[tokio::test]
async fn a_password_is_given_to_who_asks_for_it_and_never_digested() {
    let basic =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"r\"\r\ncontent-length: 0\r\n\r\n";
    let (place, told) = endpoint(&[basic, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]).await;
    post(format!("http://{place}/")).await.unwrap();
    assert!(told.await.unwrap()[1].contains("authorization: Basic bmFtZTp3b3Jk\r\n"));
    let digest =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Digest realm=\"r\"\r\ncontent-length: 0\r\n\r\n";
    let (place, _told) = endpoint(&[digest]).await;
    let failure = post(format!("http://{place}/")).await.unwrap_err();
    assert!(failure.message.contains("digest authentication"), "{failure}");
}

#[tokio::test]
async fn nobody_is_sent_where_users_may_not_go() {
    let poster = Poster::new(Reach::Public);
    assert_eq!(poster.admit("http://127.0.0.1/"), Err(PostRefusal::Internal));
    assert_eq!(poster.admit("http://localhost/"), Ok(()), "where a name leads is looked at later");
    let posting = Posting { url: "http://localhost:1/".to_owned(), headers: Vec::new(), body: Bytes::new() };
    let failure = poster.post(posting).await.unwrap_err();
    assert!(failure.message.contains("users may not send this server to"), "{failure}");
    assert_eq!(Poster::new(Reach::Any).admit("http://[fe80::1]/"), Err(PostRefusal::Internal));
}
