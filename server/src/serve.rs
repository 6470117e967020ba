//! `hearth serve`: from settings to a running server, and to nothing left of it.

use crate::configuration::{Configuration, Isolation};
use crate::credentials::Root;
use crate::home::{Home, sdk_dir};
use crate::local;
use crate::replaceable::Replaceable;
use crate::urls::Urls;
use crate::wiring::{Assembly, Foundation, Places, Scheduled, clock, rng};
use hearth_api::Dispatch;
use hearth_base::AdvancingClock;
use hearth_gateway::{Gateway, Limits};
use hearth_sandbox::{Finding, Spawner, SpawnerOptions, State};
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

/// After the grace period, what still runs is killed; this is how long that may take.
const CLOSING: Duration = Duration::from_secs(5);

/// A server and what it is made of.
pub struct Running {
    foundation: Foundation,
    home: Home,
    assembly: Mutex<Option<Assembly>>,
    lambda: RwLock<hearth_lambda::Service>,
    invoke: RwLock<hearth_invoke::Service>,
    sns: RwLock<Arc<hearth_sns::Service>>,
    scheduled: RwLock<Scheduled>,
    /// The services the gateway knows; with none replaceable, it has them directly.
    replaceable: Vec<Arc<Replaceable>>,
    service_names: Vec<&'static str>,
}

/// The server was not emptied.
pub enum ResetError {
    /// It keeps what it has.
    Durable,
    /// A new, empty store could not be made.
    Failed(Box<dyn Error + Send + Sync>),
}

/// Runs a server until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, in words for the operator.
pub fn serve(configuration: Configuration) -> Result<ExitCode, Box<dyn Error>> {
    let home = Home::open(configuration.data_dir.as_deref())?;
    // Before the async runtime and before the store's threads: the spawner is a copy of this process as it stands.
    let spawner = Spawner::start(SpawnerOptions {
        state_dir: home.path().join("sandbox"),
        isolation: match configuration.isolation {
            Isolation::Sandbox => hearth_sandbox::Isolation::Sandbox,
            Isolation::Process => hearth_sandbox::Isolation::Process,
        },
        cgroup_name: "hearth".to_owned(),
    })?;
    tell_isolation(&configuration, &spawner);
    if configuration.strict {
        insist_on_isolation(spawner.enforced())?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("hearth").build()?;
    let outcome = runtime.block_on(run(configuration, home, spawner));
    runtime.shutdown_timeout(CLOSING);
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn run(mut configuration: Configuration, home: Home, spawner: Spawner) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(configuration.listen).await.map_err(|error| {
        format!("cannot listen on {}: {error}; choose another with --listen", configuration.listen)
    })?;
    let address = listener.local_addr()?;
    // Whoever asked for port 0 has been given another.
    configuration.listen = address;
    let grace = configuration.grace;
    let running = Running::start(configuration, home, spawner.clone()).await?;
    let gateway = running.gateway().await;
    // Scripts wait for this line, and read the port from it when they asked for port 0.
    println!("hearth {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
    tracing::info!(%address, data = %running.home.path().display(), "ready");
    let serving = tokio::spawn(gateway.serve(listener, async move { signals.first().await }));
    serving.await?;
    tracing::info!("stopping");
    running.close(grace).await;
    spawner.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

impl Running {
    async fn start(
        configuration: Configuration,
        home: Home,
        spawner: Spawner,
    ) -> Result<Arc<Self>, Box<dyn Error>> {
        let secret = home.secret()?;
        let root = if home.is_ephemeral() { Root::development() } else { Root::of(home.path(), &secret)? };
        let places = Places {
            secret,
            root,
            sdk_dir: sdk_dir(configuration.sdk_dir.as_deref(), configuration.data_dir.as_deref()),
        };
        let foundation = Foundation::new(configuration, spawner, places)?;
        let (store, directory) = home.store()?;
        let assembly = foundation.assemble(store, &directory).await?;
        let replaceable = if home.is_ephemeral() {
            assembly.services.iter().map(|service| Arc::new(Replaceable::new(Arc::clone(service)))).collect()
        } else {
            Vec::new()
        };
        Ok(Arc::new(Self {
            lambda: RwLock::new(assembly.lambda.clone()),
            invoke: RwLock::new(assembly.invoke.clone()),
            sns: RwLock::new(Arc::clone(&assembly.sns)),
            scheduled: RwLock::new(assembly.scheduled.clone()),
            service_names: assembly.services.iter().map(|service| service.service().name).collect(),
            assembly: Mutex::new(Some(assembly)),
            foundation,
            home,
            replaceable,
        }))
    }

    async fn gateway(self: &Arc<Self>) -> Arc<Gateway> {
        let assembly = self.assembly.lock().await;
        let direct = assembly.iter().flat_map(|assembly| assembly.services.iter().cloned());
        let services = if self.replaceable.is_empty() {
            direct.collect()
        } else {
            self.replaceable.iter().map(|service| Arc::clone(service) as Arc<dyn Dispatch>).collect()
        };
        let gateway = Gateway::new(hearth_gateway::Options {
            services,
            authority: Arc::clone(&self.foundation.authority),
            clock: clock(),
            rng: rng(),
            local: local::routes(self),
            urls: Some(Arc::new(Urls(Arc::clone(self)))),
            hosts: self.foundation.configuration.hosts.clone(),
            limits: Limits { grace: self.foundation.configuration.grace, ..Limits::default() },
        });
        self.foundation.endpoint.open(&gateway);
        gateway
    }

    /// Whether everything here goes with the server.
    pub fn is_ephemeral(&self) -> bool {
        self.home.is_ephemeral()
    }

    /// The services, by AWS's short names.
    pub fn service_names(&self) -> &[&'static str] {
        &self.service_names
    }

    /// What is counted of invocations, in Prometheus' words.
    pub fn metrics(&self) -> String {
        self.foundation.metrics.prometheus()
    }

    /// The clock that can be put forward, when there is one.
    pub fn advancing_clock(&self) -> Option<&AdvancingClock> {
        self.foundation.advancing.as_ref()
    }

    /// Returns when schedules and the data plane have done all that is due.
    pub async fn quiet(&self) {
        let scheduled = self.scheduled.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Twice: what runs last may have sent something to what was asked first.
        for _ in 0..2 {
            scheduled.quiet().await;
            self.invoke().quiet().await;
        }
    }

    /// The data plane as it is now.
    pub fn invoke(&self) -> hearth_invoke::Service {
        self.invoke.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The topics as they are now.
    pub fn sns(&self) -> Arc<hearth_sns::Service> {
        self.sns.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The control plane as it is now.
    pub fn lambda(&self) -> hearth_lambda::Service {
        self.lambda.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces every service by an empty one, and ends what ran in the old ones.
    pub async fn reset(&self) -> Result<(), ResetError> {
        if !self.is_ephemeral() {
            return Err(ResetError::Durable);
        }
        let failed = |error: Box<dyn Error>| ResetError::Failed(error.to_string().into());
        let mut assembly = self.assembly.lock().await;
        let (store, directory) = self.home.store().map_err(failed)?;
        let next = self.foundation.assemble(store, &directory).await.map_err(failed)?;
        for (place, service) in self.replaceable.iter().zip(&next.services) {
            place.replace(Arc::clone(service));
        }
        *self.lambda.write().unwrap_or_else(PoisonError::into_inner) = next.lambda.clone();
        *self.invoke.write().unwrap_or_else(PoisonError::into_inner) = next.invoke.clone();
        *self.sns.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next.sns);
        *self.scheduled.write().unwrap_or_else(PoisonError::into_inner) = next.scheduled.clone();
        let former = assembly.replace(next);
        drop(assembly);
        if let Some(former) = former {
            former.close(Duration::ZERO).await;
        }
        self.home.remove_former(&directory);
        Ok(())
    }

    async fn close(&self, grace: Duration) {
        if let Some(assembly) = self.assembly.lock().await.take() {
            assembly.close(grace).await;
        }
    }
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the first. A second one is obeyed at once: the spawner then clears up what is left.
    async fn first(&mut self) {
        self.next().await;
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("stopping at once");
            std::process::exit(130);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// No isolation is lowered silently.
fn tell_isolation(configuration: &Configuration, spawner: &Spawner) {
    if configuration.isolation == Isolation::Process {
        tracing::warn!(
            "--isolation process: functions run as plain processes of this user and can read and change what it can; \
             run only code that you trust"
        );
        return;
    }
    for finding in spawner.enforced().iter().filter(|finding| finding.state != State::Enforced) {
        tracing::warn!(
            subject = %finding.subject,
            advice = finding.advice.as_deref().unwrap_or_default(),
            "not fully enforced on this machine: {}",
            finding.detail
        );
    }
}

/// Refuses a machine that enforces less than all: for those who would rather have no server than a weaker one.
fn insist_on_isolation(findings: &[Finding]) -> Result<(), String> {
    let amiss = findings.iter().filter(|finding| finding.state != State::Enforced);
    let amiss: Vec<String> =
        amiss.map(|finding| format!("{} ({})", finding.subject, finding.detail)).collect();
    if amiss.is_empty() {
        return Ok(());
    }
    Err(format!(
        "will not start: --strict asks for full isolation, and this is not enforced in full here: {}. `hearth doctor` \
         says what to do about it",
        amiss.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strictness_names_what_is_less_than_full() {
        let finding = |subject: &str, state| Finding {
            subject: subject.to_owned(),
            state,
            detail: "so".to_owned(),
            advice: None,
        };
        let full = finding("isolation", State::Enforced);
        assert_eq!(insist_on_isolation(std::slice::from_ref(&full)), Ok(()));
        let less = [full, finding("Landlock", State::Weaker), finding("memory limit", State::Missing)];
        let refusal = insist_on_isolation(&less).unwrap_err();
        assert!(refusal.contains(": Landlock (so); memory limit (so). "), "{refusal}");
    }
}
