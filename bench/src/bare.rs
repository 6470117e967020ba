//! The floor under a warm invocation: the same HTTP server, handing the body of a request to one plain process over a
//! socket and answering with what comes back. No API, no signature, no log, no sandbox.
//!
//! It runs as a process of its own, as Hearth does. Like Hearth it has a process for each request under way and takes the
//! one used last. `POST /store` is the floor under a deployment: the body is written to a file and forced to disk.

use crate::failure::Failure;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};

/// Above the largest package in base64, with its JSON around it.
const BODY_BYTES_MAX: usize = 80 << 20;

/// What the bare server hands its requests to.
#[derive(clap::Args)]
pub struct Options {
    /// Where `POST /store` writes
    #[arg(long)]
    store: PathBuf,
    /// The program and its arguments; its standard input is the socket
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

struct Bare {
    options: Options,
    idle: Mutex<Vec<Handler>>,
}

/// One plain process and the socket to it. It ends with its socket.
struct Handler {
    socket: UnixStream,
    _child: Child,
}

/// Serves until its process is killed.
pub async fn serve(options: Options) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(Failure::machine("listen on a port of 127.0.0.1"))?;
    let address = listener.local_addr().map_err(Failure::machine("tell the port"))?;
    println!("bare server listens on {address}");
    let bare = Arc::new(Bare { options, idle: Mutex::default() });
    loop {
        let (stream, _) = listener.accept().await.map_err(Failure::machine("accept a connection"))?;
        stream.set_nodelay(true).map_err(Failure::machine("set up a connection"))?;
        let bare = Arc::clone(&bare);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let bare = Arc::clone(&bare);
                async move { Ok::<_, Infallible>(bare.answer(request).await) }
            });
            // A client that leaves is how every connection ends.
            drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl Bare {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let store = request.uri().path() == "/store";
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
        let done = match body {
            Ok(body) if store => self.store(body.to_bytes()).await,
            Ok(body) => self.hand_over(&body.to_bytes()).await,
            Err(error) => Err(io::Error::other(error)),
        };
        match done {
            Ok(body) => Response::new(Full::new(body)),
            Err(error) => {
                let mut response = Response::new(Full::new(Bytes::from(error.to_string())));
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }

    async fn hand_over(&self, body: &[u8]) -> io::Result<Bytes> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut handler = match idle {
            Some(handler) => handler,
            None => Handler::start(&self.options.command)?,
        };
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        handler.socket.write_all(&[&length.to_be_bytes(), body].concat()).await?;
        let length = handler.socket.read_u32().await?;
        let mut answer = vec![0; length as usize];
        handler.socket.read_exact(&mut answer).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(handler);
        Ok(answer.into())
    }

    async fn store(&self, body: Bytes) -> io::Result<Bytes> {
        let mut file = tokio::fs::File::create(&self.options.store).await?;
        file.write_all(&body).await?;
        file.sync_all().await?;
        Ok(Bytes::new())
    }
}

impl Handler {
    fn start(command: &[String]) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let output: OwnedFd = theirs.try_clone()?.into();
        let input: OwnedFd = theirs.into();
        let child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { socket: UnixStream::from_std(ours)?, _child: child })
    }
}
