//! Connections: accepting them, serving HTTP/1.1 and HTTP/2 on each, and draining them at the end.

use crate::Gateway;
use hearth_base::Settling;
use hearth_iam::Origin;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// How long to wait when the machine is out of file descriptors: some connection must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Gateway {
    /// Serves what `listener` accepts until `shutdown` resolves. Then it accepts nothing more and lets the requests
    /// under way finish, those on other connections too, for [`crate::Limits::grace`] at most.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let places = Arc::new(Semaphore::new(self.limits.connections_max));
        let (drain, draining) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(&listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, peer, place)) => {
                    let (gateway, draining) = (Arc::clone(&self), draining.clone());
                    connections.spawn(async move {
                        let whence = (Origin::of(peer.ip()), Some(peer.ip()));
                        gateway.connection(stream, whence, Some(draining)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        // There is a receiver: `draining` itself.
        let _ = drain.send(true);
        let requests_max = u32::try_from(self.limits.requests_max).unwrap_or(u32::MAX);
        let finished = async {
            while connections.join_next().await.is_some() {}
            // Handlers whose clients have gone hold permits still.
            drop(self.requests.acquire_many(requests_max).await);
        };
        if tokio::time::timeout(self.limits.grace, finished).await.is_err() {
            tracing::warn!("requests were still under way when the grace period ended");
        }
    }

    /// Serves one connection that did not come through the listener, from inside an execution environment for one,
    /// until it closes. Dropping the future closes it.
    pub async fn serve_connection<S>(self: Arc<Self>, stream: S, origin: Origin)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.connection(stream, (origin, None), None).await;
    }

    async fn connection<S>(
        self: Arc<Self>,
        stream: S,
        whence: (Origin, Option<IpAddr>),
        draining: Option<watch::Receiver<bool>>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let builder = self.builder();
        let heard = Arc::new(AtomicBool::new(false));
        let silence = tokio::time::sleep(self.limits.head_timeout);
        let service = service_fn(|request| {
            heard.store(true, Ordering::Relaxed);
            let gateway = Arc::clone(&self);
            async move { Ok::<_, Infallible>(gateway.exchange(request, whence).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let settling = Settling::default();
        let (mut silence, mut draining) = (pin!(silence), pin!(drained(draining)));
        let (mut listened, mut told) = (false, false);
        loop {
            tokio::select! {
                served = poll_fn(|context| settling.poll(connection.as_mut(), context)) => {
                    if let Err(error) = served {
                        tracing::debug!(error, origin = ?whence.0, "a connection ended early");
                    }
                    return;
                }
                // hyper's own timeout begins only when it knows which version of HTTP is spoken.
                () = &mut silence, if !listened => {
                    listened = true;
                    if !heard.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = &mut draining, if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let limits = &self.limits;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_headers(limits.headers_max)
            .max_buf_size(limits.head_bytes_max);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.head_timeout)
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX));
        builder
    }
}

/// Waits for a place, then for a connection.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are small and written whole: waiting to fill a segment would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

/// Resolves when the shutdown begins; never for a connection that is not part of it.
async fn drained(draining: Option<watch::Receiver<bool>>) {
    match draining {
        Some(mut draining) => {
            // An error means that the server is gone, which is the shutdown's end.
            let _ = draining.wait_for(|drain| *drain).await;
        }
        None => std::future::pending().await,
    }
}
