//! Makes cells and zygotes, one at a time, and tells what has come of it. It refuses to go on with one when no more are wanted.

use super::nests::Zygote;
use super::patience::Patience;
use super::{Cell, REFUSED_PAUSE, Shape};
use crate::living::{Life, Living};
use hearth_sandbox::{Error, Limits, Sandbox, Spawner};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How long a cell may take to be ready. It gets only what processor time nobody else wants.
const BOOT_MAX: Duration = Duration::from_secs(30);
/// The same while starts wait for it, which have ten seconds.
const AWAITED_MAX: Duration = Duration::from_secs(5);
/// What a zygote has of a busy machine's processors once it waits: while it is copied, somebody waits for it.
const ZYGOTE_WEIGHT: u32 = 1000;

/// What it takes to make a cell.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) spawner: Spawner,
    living: Living,
    tasks: Handle,
    closed: watch::Receiver<bool>,
}

/// Whether anybody waits for what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    Spare,
    Awaited,
}

/// What came of making one.
pub(super) enum Made<T> {
    Ready(T),
    /// Its interpreter ended, or did not come to wait.
    Unready,
    /// There was no room for a cage: nothing is known of the shape.
    Refused,
    /// It was given up: no more are wanted.
    Unwanted,
}

impl<T> Made<T> {
    /// Remembers what failed.
    pub(super) fn tell(self, patience: &mut Patience) {
        match self {
            Self::Ready(_) | Self::Unwanted => {}
            Self::Unready => patience.fail(Instant::now()),
            Self::Refused => patience.pause(Instant::now() + REFUSED_PAUSE),
        }
    }
}

impl Maker {
    pub(super) fn new(spawner: &Spawner, living: &Living, closed: &watch::Sender<bool>) -> Self {
        Self {
            spawner: spawner.clone(),
            living: living.clone(),
            tasks: Handle::current(),
            closed: closed.subscribe(),
        }
    }

    /// A cell that waits; when there is none, the next plain start of such a function will explain why.
    pub(super) async fn cell(&self, shape: &Shape) -> Made<Cell> {
        let life = self.living.begin();
        let spawned = self.spawner.spawn(shape.spec()).await;
        self.until_ready(spawned, life, Haste::Spare).await
    }

    /// A zygote that waits.
    pub(super) async fn zygote(&self, shape: &Shape, haste: Haste) -> Made<Zygote> {
        let life = self.living.begin();
        let mut spec = shape.spec();
        let limits = Limits { cpu_weight: ZYGOTE_WEIGHT, ..spec.limits };
        if haste == Haste::Awaited {
            spec.limits = limits;
        }
        let (spawned, nursery) = self
            .spawner
            .spawn_zygote(spec)
            .await
            .map_or_else(|error| (Err(error), None), |(sandbox, nursery)| (Ok(sandbox), Some(nursery)));
        match (self.until_ready(spawned, life, haste).await, nursery) {
            (Made::Ready(cell), Some(nursery)) => {
                let weighted = cell.sandbox.as_ref().map(|sandbox| sandbox.set_limits(&limits));
                if let Some(Err(error)) = weighted {
                    tracing::debug!(%error, "a zygote keeps the processors of its start");
                }
                Made::Ready(Zygote::new(cell, nursery))
            }
            (Made::Unready, _) => Made::Unready,
            (Made::Unwanted, _) => Made::Unwanted,
            (Made::Refused | Made::Ready(_), _) => Made::Refused,
        }
    }

    async fn until_ready(&self, spawned: Result<Sandbox, Error>, life: Life, haste: Haste) -> Made<Cell> {
        let sandbox = match spawned {
            Ok(sandbox) => sandbox,
            Err(error) => {
                tracing::debug!(%error, "no stem cell could be made");
                return Made::Refused;
            }
        };
        let mut closed = self.closed.clone();
        let within = if haste == Haste::Awaited { AWAITED_MAX } else { BOOT_MAX };
        let is_ready = tokio::select! {
            is_ready = tokio::time::timeout(within, sandbox.waiting()) => Some(is_ready == Ok(true)),
            _ = closed.wait_for(|closed| *closed) => None,
        };
        let cell = Cell { sandbox: Some(sandbox), life: Some(life), tasks: self.tasks.clone() };
        match is_ready {
            Some(true) => Made::Ready(cell),
            Some(false) => {
                tracing::warn!(
                    "an interpreter that was to wait for a function did not: its functions start plainly"
                );
                Made::Unready
            }
            None => Made::Unwanted,
        }
    }
}
