//! The way of events to their subscribers: one task a subscriber, which connects into the cage's network when there is
//! something to say.
//!
//! The other end is hostile. Whoever does not listen, hangs or talks nonsense is tried again, more and more rarely, and
//! holds up nobody but itself. It refuses to talk to a frozen cage, which could not answer.

use super::queue::{Batch, Queue};
use super::subscription::Destination;
use super::{Subscriber, Telemetry};
use crate::platform::Event;
use crate::platform::record::{self, Audience};
use crate::rest::Rest;
use bytes::Bytes;
use hearth_sandbox::Sandbox;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How long one try may take. Time in which the cage is frozen does not count.
const TRY: Duration = Duration::from_secs(5);
/// The pause before the second try; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest pause once the cage is about to end.
const PAUSE_LAST: Duration = Duration::from_millis(100);
/// Bytes of an answer that are read so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How subscribers are reached.
pub(crate) struct Reach {
    // A delivery must not keep a cage alive.
    sandbox: Weak<Sandbox>,
    rest: Arc<Rest>,
}

/// A connection that was made for an earlier batch.
enum Connection {
    Http { sender: SendRequest<Full<Bytes>>, port: u16, driver: Driver },
    Tcp { stream: TcpStream, port: u16 },
}

/// The task that moves the bytes of an HTTP connection; it ends with it.
struct Driver(JoinHandle<()>);

/// Why a try failed: for the server's own log.
type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Telemetry {
    /// Serves all subscribers for as long as it is polled.
    pub(crate) async fn deliver(self: &Arc<Self>, sandbox: &Arc<Sandbox>, rest: &Arc<Rest>) {
        let reach = Arc::new(Reach { sandbox: Arc::downgrade(sandbox), rest: Arc::clone(rest) });
        let mut deliveries = JoinSet::new();
        loop {
            let (telemetry, reach) = (Arc::clone(self), Arc::clone(&reach));
            let subscriber = self.newcomer().await;
            deliveries.spawn(async move { telemetry.serve(&subscriber, &reach).await });
        }
    }

    async fn serve(&self, subscriber: &Subscriber, reach: &Reach) {
        let mut connection = None;
        loop {
            subscriber.queue.due().await;
            reach.rest.awake().await;
            let mut batch = subscriber.queue.take();
            self.tell_dropped(&mut batch);
            let body = batch.body();
            let mut pause = PAUSE_MIN;
            while let Err(error) = reach.attempt(&mut connection, &batch, &body).await {
                tracing::debug!(%error, extension = subscriber.name, "telemetry was not delivered");
                connection = None;
                pause = subscriber.queue.pause(pause).await;
                reach.rest.awake().await;
            }
        }
    }

    fn tell_dropped(&self, batch: &mut Batch) {
        let (records, bytes) = (batch.dropped.records, batch.dropped.bytes);
        if records > 0 {
            let audience = Audience::Subscriber(batch.subscription.schema);
            let event = Event::LogsDropped { records, bytes };
            batch.lines.extend(record::event(&self.definition, self.clock.now(), (&event, audience)));
        }
    }
}

impl Queue {
    /// Waits before another try, for less once the cage is about to end; gives the next pause.
    async fn pause(&self, pause: Duration) -> Duration {
        let (mut left, step) = (pause, PAUSE_LAST);
        while !left.is_zero() && !self.is_flushing() {
            tokio::time::sleep(left.min(step)).await;
            left = left.saturating_sub(step);
        }
        if self.is_flushing() {
            tokio::time::sleep(pause.min(PAUSE_LAST)).await;
        }
        (pause * 2).min(PAUSE_MAX)
    }
}

impl Batch {
    /// An array for HTTP, lines for TCP.
    fn body(&self) -> Bytes {
        let bytes: usize = self.lines.iter().map(|line| line.len() + 1).sum();
        let mut body = String::with_capacity(bytes + 2);
        match &self.subscription.destination {
            Destination::Http { .. } => {
                body.push('[');
                for (number, line) in self.lines.iter().enumerate() {
                    body.push_str(if number == 0 { "" } else { "," });
                    body.push_str(line);
                }
                body.push(']');
            }
            Destination::Tcp { .. } => {
                for line in &self.lines {
                    body.push_str(line);
                    body.push('\n');
                }
            }
        }
        Bytes::from(body)
    }
}

impl Reach {
    /// One try to send a batch, within its time.
    async fn attempt(
        &self,
        connection: &mut Option<Connection>,
        batch: &Batch,
        body: &Bytes,
    ) -> Result<(), Failed> {
        let mut thaws = self.rest.thaws();
        let attempt = self.send(connection, batch, body);
        tokio::pin!(attempt);
        loop {
            match tokio::time::timeout(TRY, &mut attempt).await {
                Ok(result) => return result,
                Err(late) => {
                    // What was frozen meanwhile has had less time than that.
                    if !self.rest.was_frozen_since(&mut thaws) {
                        return Err(late.into());
                    }
                    self.rest.awake().await;
                }
            }
        }
    }

    async fn send(
        &self,
        connection: &mut Option<Connection>,
        batch: &Batch,
        body: &Bytes,
    ) -> Result<(), Failed> {
        match &batch.subscription.destination {
            Destination::Http { method, uri, port } => {
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::CONTENT_LENGTH, body.len())
                    .body(Full::new(body.clone()))?;
                let mut sender = match connection.take() {
                    Some(Connection::Http { sender, port: known, driver })
                        if known == *port && !sender.is_closed() =>
                    {
                        (sender, driver)
                    }
                    _ => self.open_http(*port).await?,
                };
                sender.0.ready().await?;
                let answer = sender.0.send_request(request).await?;
                let status = answer.status();
                // An answer that is longer than anybody reads takes its connection with it.
                if Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.is_ok() {
                    let (sender, driver) = sender;
                    *connection = Some(Connection::Http { sender, port: *port, driver });
                }
                if status.is_success() { Ok(()) } else { Err(format!("it answered {status}").into()) }
            }
            Destination::Tcp { port } => {
                let mut stream = match connection.take() {
                    Some(Connection::Tcp { stream, port: known }) if known == *port && is_open(&stream) => {
                        stream
                    }
                    _ => self.connect(*port).await?,
                };
                stream.write_all(body).await?;
                *connection = Some(Connection::Tcp { stream, port: *port });
                Ok(())
            }
        }
    }

    async fn open_http(&self, port: u16) -> Result<(SendRequest<Full<Bytes>>, Driver), Failed> {
        let stream = self.connect(port).await?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async move {
            // How it ended is told to the request.
            let _ = driver.await;
        });
        Ok((sender, Driver(driver)))
    }

    async fn connect(&self, port: u16) -> Result<TcpStream, Failed> {
        let dialled = self.sandbox.upgrade().ok_or("the cage is gone")?.dial();
        let socket = dialled.await?;
        let stream =
            TcpSocket::from_std_stream(socket.into()).connect((Ipv4Addr::LOCALHOST, port).into()).await?;
        // Batches are large: nothing is gained by waiting for more. A socket without the option only is slower.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// Whether the other end has not closed it. What it may say is thrown away.
fn is_open(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0; 1024]);
    read.map_or_else(|error| error.kind() == std::io::ErrorKind::WouldBlock, |count| count > 0)
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
