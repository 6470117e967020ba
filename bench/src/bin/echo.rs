//! A compiled function that returns its event, as a package's own `bootstrap`; and, started by hand, the floor under it.
//!
//! With `AWS_LAMBDA_RUNTIME_API` it speaks the Runtime API. With the argument `socket` it hands back what it reads from
//! standard input, with its length before it. With `nothing` it prints a line and ends. It refuses to need more than the standard
//! library, so that it starts as fast as a program can.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    match (std::env::var("AWS_LAMBDA_RUNTIME_API"), std::env::args().nth(1).as_deref()) {
        (Ok(api), _) => serve(&api),
        (Err(_), Some("socket")) => hand_back(),
        (Err(_), Some("nothing")) => io::stdout().write_all(b"here\n"),
        (Err(_), _) => {
            Err(io::Error::other("give AWS_LAMBDA_RUNTIME_API, or the argument socket or nothing"))
        }
    }
}

fn hand_back() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut message = vec![0; 4 + u32::from_be_bytes(length) as usize];
        message[..4].copy_from_slice(&length);
        input.read_exact(&mut message[4..])?;
        output.write_all(&message)?;
        output.flush()?;
    }
    Ok(())
}

fn serve(api: &str) -> io::Result<()> {
    let mut output = TcpStream::connect(api)?;
    output.set_nodelay(true)?;
    let mut input = BufReader::new(output.try_clone()?);
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
    loop {
        output.write_all(next.as_bytes())?;
        let (id, event) = answer(&mut input)?;
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {api}\r\nContent-Length: {}\r\n\r\n",
            event.len()
        );
        // In one piece, or the second half would wait for the first to be acknowledged.
        output.write_all(&[head.as_bytes(), &event].concat())?;
        answer(&mut input)?;
    }
}

/// The request id, if there is one, and the body.
fn answer(input: &mut impl BufRead) -> io::Result<(String, Vec<u8>)> {
    let (mut id, mut length) = (String::new(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        } else if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
            value.trim().clone_into(&mut id);
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok((id, body))
}
