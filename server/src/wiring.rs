//! Where everything is put together: the only place that knows which service stands behind which trait.

use crate::configuration::{ClockKind, Configuration, PostTo};
use crate::credentials::Root;
use crate::secret::Secret;
use hearth_api::{
    Dispatch, events as events_api, iam as iam_api, lambda as lambda_api, logs as logs_api,
    scheduler as scheduler_api, sns as sns_api, sqs as sqs_api, sts as sts_api,
};
use hearth_base::{AdvancingClock, BoxFuture, Clock, Rng, SystemClock, SystemRng};
use hearth_environment::{
    CredentialSource, Credentials, Definition, Endpoint, Environments, Key, Runtimes, RuntimesOptions,
};
use hearth_gateway::Gateway;
use hearth_iam::{
    Authority, Directory, Extras, Iam, IamOptions, Identities, Origin, Session, Sources, Sts, StsOptions,
};
use hearth_sandbox::Spawner;
use hearth_store::{Blobs, Store};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long credentials of execution roles last. An environment takes no invocation that might outlive them.
const SESSION: Duration = Duration::from_secs(12 * 3_600);

/// What every assembly of one server shares.
pub struct Foundation {
    /// The settings.
    pub configuration: Configuration,
    /// Makes cages.
    pub spawner: Spawner,
    /// The interpreters of this machine.
    pub runtimes: Arc<Runtimes>,
    /// Derives keys.
    pub secret: Secret,
    /// Where the AWS SDKs for functions are installed.
    pub sdk_dir: PathBuf,
    /// The AWS endpoint that code in environments reaches.
    pub endpoint: Arc<InnerEndpoint>,
    /// Who callers are.
    pub authority: Arc<Authority>,
    /// The users and roles, of whichever store was opened last.
    pub directory: Arc<Directory>,
    /// What is counted, since the server started.
    pub metrics: hearth_invoke::Metrics,
    /// The clock of the services, when it can be put forward.
    pub advancing: Option<AdvancingClock>,
}

/// The services of a server, running.
pub struct Assembly {
    /// What the gateway dispatches to.
    pub services: Vec<Arc<dyn Dispatch>>,
    /// The control plane, for package downloads.
    pub lambda: hearth_lambda::Service,
    /// The data plane, for function URLs among others.
    pub invoke: hearth_invoke::Service,
    /// Topics, for the certificates of what they send.
    pub sns: Arc<hearth_sns::Service>,
    /// What goes by the clock, for who moves it.
    pub scheduled: Scheduled,
    environments: Environments,
    logs_work: hearth_logs::Handle,
    sqs_work: hearth_sqs::Handle,
    sns_work: hearth_base::Running,
    events_work: hearth_base::Running,
    scheduler_work: hearth_base::Running,
}

/// The services that do something by themselves when its time has come.
#[derive(Clone)]
pub struct Scheduled {
    events: Arc<hearth_eventbridge::Service>,
    scheduler: hearth_scheduler::Service,
    sns: Arc<hearth_sns::Service>,
}

impl Scheduled {
    /// Returns when nothing is due, and all that was due has been delivered.
    pub async fn quiet(&self) {
        self.scheduler.quiet().await;
        self.events.quiet().await;
        self.sns.quiet().await;
    }
}

impl Foundation {
    /// What stands before any service: keys and the endpoint for environments.
    pub fn new(
        configuration: Configuration,
        spawner: Spawner,
        places: Places,
    ) -> Result<Self, Box<dyn Error>> {
        let runtimes = Arc::new(runtimes(&configuration)?);
        let directory = Arc::new(Directory::default());
        let credentials = hearth_iam::Credentials::new(hearth_iam::credentials::Options {
            account: places.root.account.unwrap_or(configuration.account),
            root: places.root.key,
            sealing_key: places.secret.key("session tokens"),
            clock: clock(),
            rng: rng(),
        })
        .over(Arc::clone(&directory));
        let authority = Arc::new(Authority::new(Arc::new(credentials), clock()));
        let endpoint = Arc::new(InnerEndpoint::default());
        let Places { secret, sdk_dir, .. } = places;
        let advancing = (configuration.clock == ClockKind::Virtual).then(AdvancingClock::new);
        let metrics = hearth_invoke::Metrics::default();
        Ok(Self {
            configuration,
            spawner,
            runtimes,
            secret,
            sdk_dir,
            endpoint,
            authority,
            directory,
            metrics,
            advancing,
        })
    }

    /// The time that services go by. Signatures and credentials go by the machine's clock, as those who made them do.
    fn service_clock(&self) -> Arc<dyn Clock> {
        match &self.advancing {
            Some(clock) => Arc::new(clock.clone()),
            None => clock(),
        }
    }

    /// Opens every service over a store, with their files below `directory`.
    pub async fn assemble(&self, store: Store, directory: &Path) -> Result<Assembly, Box<dyn Error>> {
        self.directory.open(store.clone()).await?;
        let logs = hearth_logs::Service::open(hearth_logs::Options {
            store: store.clone(),
            clock: self.service_clock(),
            rng: rng(),
        });
        logs.read_policies().await?;
        let logs_work = logs.start();
        let log_policies = Arc::new(logs.clone());
        let logs: Arc<dyn logs_api::Logs> = Arc::new(logs);
        let log_delivery = hearth_invoke::LogDelivery::new(hearth_invoke::Writers {
            logs: Arc::clone(&logs),
            authority: Arc::clone(&self.authority),
            rng: rng(),
        });
        let sqs = self.sqs(&store).await?;
        let sqs_work = sqs.start();
        let sqs = Arc::new(sqs);
        let delivery = hearth_delivery::Service::new(Arc::clone(&self.authority));
        let sns = Arc::new(self.sns(&store, &delivery).await?);
        let events = Arc::new(self.events(&store, &delivery).await?);
        let scheduler = self.scheduler(&store, &delivery).await?;
        let environments = self.environments(directory, log_delivery)?;
        let lambda = hearth_lambda::Service::open(hearth_lambda::Options {
            store: store.clone(),
            blobs: Blobs::open(&directory.join("packages"), clock())?,
            code_dir: directory.join("code"),
            runtimes: Arc::clone(&self.runtimes),
            data_plane: Arc::new(environments.clone()),
            authority: Arc::clone(&self.authority),
            clock: self.service_clock(),
            rng: rng(),
            concurrency: self.configuration.account_concurrency,
            download_secret: self.secret.key("package downloads"),
        })
        .await?;
        let sources = Sources::new()
            .with_identities(Arc::clone(&self.directory) as Arc<dyn Identities>)
            .with_resources("lambda", Arc::new(lambda.functions()))
            .with_resources("sqs", sqs.clone())
            .with_resources("sns", sns.clone())
            .with_resources("events", events.clone())
            .with_resources("scheduler", Arc::new(scheduler.clone()))
            .with_resources("logs", log_policies);
        self.authority.set_sources(sources);
        let invoke = hearth_invoke::Service::open(hearth_invoke::Options {
            functions: lambda.functions(),
            environments: environments.clone(),
            store,
            deliver: Arc::new(delivery.clone()),
            metrics: self.metrics.clone(),
            clock: self.service_clock(),
            rng: rng(),
            events_running_max: self.configuration.environments_max,
        })
        .await?;
        delivery.open(hearth_delivery::Targets {
            lambda: Arc::new(invoke.clone()),
            sqs: sqs.clone(),
            sns: sns.clone(),
            events: events.clone(),
            logs: Arc::clone(&logs),
            clock: self.service_clock(),
        });
        // Deliveries begin when there is somebody to deliver to.
        let sns_work = sns.start();
        let events_work = events.start();
        let scheduler_work = scheduler.start();
        let services: Vec<Arc<dyn Dispatch>> = vec![
            Arc::new(lambda_api::Dispatcher::new(Arc::new(lambda.clone()), Arc::new(invoke.clone()))),
            Arc::new(logs_api::Dispatcher::new(logs)),
            Arc::new(sqs_api::Dispatcher::new(sqs)),
            Arc::new(sns_api::Dispatcher::new(sns.clone())),
            Arc::new(events_api::Dispatcher::new(events.clone())),
            Arc::new(scheduler_api::Dispatcher::new(Arc::new(scheduler.clone()))),
            Arc::new(iam_api::Dispatcher::new(Arc::new(self.iam()))),
            Arc::new(sts_api::Dispatcher::new(Arc::new(self.sts()))),
        ];
        Ok(Assembly {
            services,
            lambda,
            invoke,
            scheduled: Scheduled { events, scheduler, sns: Arc::clone(&sns) },
            sns,
            environments,
            logs_work,
            sqs_work,
            sns_work,
            events_work,
            scheduler_work,
        })
    }

    async fn sqs(&self, store: &Store) -> Result<hearth_sqs::Service, Box<dyn Error>> {
        let options = hearth_sqs::Options { store: store.clone(), clock: self.service_clock(), rng: rng() };
        Ok(hearth_sqs::Service::open(options).await?)
    }

    fn environments(
        &self,
        directory: &Path,
        logs: hearth_invoke::LogDelivery,
    ) -> Result<Environments, Box<dyn Error>> {
        Ok(Environments::new(hearth_environment::Options {
            spawner: self.spawner.clone(),
            data_dir: directory.to_owned(),
            sdk_dir: self.sdk_dir.clone(),
            runtimes: Arc::clone(&self.runtimes),
            endpoint: self.endpoint.clone(),
            credentials: Arc::new(RoleCredentials { authority: Arc::clone(&self.authority) }),
            logs: Arc::new(logs),
            clock: self.service_clock(),
            rng: rng(),
            stem_cell_bytes: u64::from(self.configuration.stem_cell_memory_mb) << 20,
            environments_max: self.configuration.environments_max,
            idle_timeout: self.configuration.idle_timeout,
        })?)
    }

    async fn sns(
        &self,
        store: &Store,
        delivery: &hearth_delivery::Service,
    ) -> Result<hearth_sns::Service, Box<dyn Error>> {
        let options = hearth_sns::Options {
            store: store.clone(),
            deliver: Arc::new(delivery.clone()),
            post: Arc::new(hearth_delivery::Poster::new(match self.configuration.post_to {
                PostTo::Any => hearth_delivery::Reach::Any,
                PostTo::Public => hearth_delivery::Reach::Public,
            })),
            public_url: self.configuration.public_url.clone(),
            own_url: format!("http://{}", self.configuration.listen),
            clock: self.service_clock(),
            rng: rng(),
        };
        Ok(hearth_sns::Service::open(options).await?)
    }

    async fn events(
        &self,
        store: &Store,
        delivery: &hearth_delivery::Service,
    ) -> Result<hearth_eventbridge::Service, Box<dyn Error>> {
        let options = hearth_eventbridge::Options {
            store: store.clone(),
            deliver: Arc::new(delivery.clone()),
            clock: self.service_clock(),
            rng: rng(),
        };
        Ok(hearth_eventbridge::Service::open(options).await?)
    }

    async fn scheduler(
        &self,
        store: &Store,
        delivery: &hearth_delivery::Service,
    ) -> Result<hearth_scheduler::Service, Box<dyn Error>> {
        let options = hearth_scheduler::Options {
            store: store.clone(),
            deliver: Arc::new(delivery.clone()),
            authority: Arc::clone(&self.authority),
            clock: self.service_clock(),
            rng: rng(),
        };
        Ok(hearth_scheduler::Service::open(options).await?)
    }

    fn iam(&self) -> Iam {
        Iam::new(IamOptions {
            directory: Arc::clone(&self.directory),
            credentials: Arc::clone(self.authority.credentials()),
            clock: self.service_clock(),
            rng: rng(),
        })
    }

    fn sts(&self) -> Sts {
        Sts::new(StsOptions {
            directory: Arc::clone(&self.directory),
            credentials: Arc::clone(self.authority.credentials()),
        })
    }
}

impl Assembly {
    /// Lets invocations in flight finish within `grace`, ends every environment and all background work.
    pub async fn close(self, grace: Duration) {
        self.invoke.close();
        self.scheduler_work.stop().await;
        self.environments.drain(grace).await;
        self.logs_work.stop().await;
        self.events_work.stop().await;
        self.sns_work.stop().await;
        self.sqs_work.stop().await;
    }
}

/// What lies on disk and is shared by every assembly.
pub struct Places {
    /// The data directory's secret.
    pub secret: Secret,
    /// The root key.
    pub root: Root,
    /// Where the AWS SDKs for functions are installed.
    pub sdk_dir: PathBuf,
}

/// The AWS endpoint inside environments: it becomes the gateway once there is one.
#[derive(Default)]
pub struct InnerEndpoint {
    gateway: OnceLock<Weak<Gateway>>,
}

impl InnerEndpoint {
    /// From now on connections of environments are served by this gateway.
    pub fn open(&self, gateway: &Arc<Gateway>) {
        // A second gateway would be a second server: there is one for each process.
        let _ = self.gateway.set(Arc::downgrade(gateway));
    }
}

impl Endpoint for InnerEndpoint {
    fn serve(&self, connection: TcpStream, _definition: Arc<Definition>) -> BoxFuture<'static, ()> {
        match self.gateway.get().and_then(Weak::upgrade) {
            Some(gateway) => Box::pin(gateway.serve_connection(connection, Origin::Environment)),
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// Sessions of execution roles, as Lambda assumes them for environments.
struct RoleCredentials {
    authority: Arc<Authority>,
}

impl CredentialSource for RoleCredentials {
    fn issue(&self, definition: &Definition) -> Option<Credentials> {
        let Key { account, region, name, .. } = &definition.key;
        let key =
            hearth_lambda::FunctionKey { account: *account, region: region.clone(), name: name.clone() };
        if !hearth_lambda::may_assume_role(&self.authority, &key, &definition.role_arn) {
            return None;
        }
        let session = Session {
            account: definition.key.account,
            role: definition.role_arn.rsplit('/').next().unwrap_or_default(),
            name: &definition.key.name,
            duration: SESSION,
        };
        let extras = Extras { source_function: Some(key.arn()), ..Extras::default() };
        let issued = self
            .authority
            .credentials()
            .issue_role_session(&session, extras)
            .expect("the names of roles and functions were checked when the function was made");
        Some(Credentials {
            access_key_id: issued.access_key_id,
            secret_access_key: issued.secret_access_key,
            session_token: issued.session_token,
            expiration: issued.expiration,
        })
    }
}

/// Looks for the interpreters of this machine.
pub fn runtimes(configuration: &Configuration) -> Result<Runtimes, Box<dyn Error>> {
    let mut overrides = Vec::new();
    for (name, program) in &configuration.runtimes {
        let runtime = name
            .parse()
            .map_err(|error: hearth_environment::UnknownRuntime| format!("--runtime {name}: {error}"))?;
        overrides.push((runtime, program.clone()));
    }
    Ok(Runtimes::discover(&RuntimesOptions {
        overrides,
        strict: configuration.strict_runtimes,
        cache: configuration.data_dir.as_ref().map(|directory| directory.join("runtimes/found.json")),
    }))
}

/// The machine's clock.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The kernel's randomness.
pub fn rng() -> Arc<dyn Rng> {
    Arc::new(SystemRng)
}
