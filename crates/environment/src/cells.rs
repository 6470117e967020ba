//! Stem cells: cages in which a language's interpreter has started and waits, with no function in it. A cold start claims one
//! and needs not wait for the interpreter; another takes its place when nobody waits for anything.
//!
//! It refuses to keep more than the budget of memory allows, to make cells while environments start, and to hand out one twice.

mod shape;

pub(crate) use shape::{Shape, assignment};

use crate::living::{Life, Living};
use crate::turns::Turns;
use hearth_sandbox::{Sandbox, Spawner};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How many cells of each shape are kept.
const CELLS_PER_SHAPE: usize = 2;
/// How many shapes are remembered; the one that was used longest ago goes first.
const SHAPES_MAX: usize = 32;
/// How long after a claim, and after each cell, another is made: what was claimed needs the processors first.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a cell may take to be ready. It gets only what processor time nobody else wants.
const BOOT_MAX: Duration = Duration::from_secs(30);
/// So many cells of a shape in a row that never became ready, and no more are made for a while.
const FAILURES_MAX: u32 = 3;
const FAILURES_REST: Duration = Duration::from_secs(300);
/// When the machine has no room for a cage, another is tried after this long.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// The cells of one server.
pub(crate) struct Cells {
    spawner: Spawner,
    budget_bytes: u64,
    state: Mutex<State>,
    /// Told when a cell may be missing.
    missing: Notify,
    living: Living,
    tasks: Handle,
}

#[derive(Default)]
struct State {
    /// The one that was used last comes first.
    stocks: VecDeque<Stock>,
    closed: bool,
}

struct Stock {
    shape: Shape,
    ready: Vec<Cell>,
    failures: u32,
    /// Until when none is made.
    rests: Option<Instant>,
}

/// What came of making a cell.
enum Made {
    Ready(Cell),
    /// Its interpreter ended, or did not come to wait.
    Unready,
    /// There was no room for a cage: nothing is known of the shape.
    Refused,
}

/// A cell that waits. Dropping it ends it, and a drain waits until it has.
struct Cell {
    sandbox: Option<Sandbox>,
    life: Option<Life>,
    tasks: Handle,
}

impl Cells {
    /// None yet: they are made once it is known which are wanted, and only while nothing else starts.
    pub(crate) fn new(
        spawner: &Spawner,
        budget_bytes: u64,
        living: &Living,
        turns: &Arc<Turns>,
    ) -> Arc<Self> {
        let budget_bytes = if spawner.makes_stem_cells() { budget_bytes } else { 0 };
        let cells = Arc::new(Self {
            spawner: spawner.clone(),
            budget_bytes,
            state: Mutex::default(),
            missing: Notify::new(),
            living: living.clone(),
            tasks: Handle::current(),
        });
        if budget_bytes > 0 {
            tokio::spawn(refill(Arc::downgrade(&cells), Arc::clone(turns)));
        }
        cells
    }

    /// Cells of this shape will be wanted.
    pub(crate) fn expect(&self, shape: &Shape) {
        if self.budget_bytes > 0 {
            let mut state = self.lock();
            state.stock(shape);
            let dropped = state.trim(self.budget_bytes);
            drop(state);
            drop(dropped);
            self.missing.notify_one();
        }
    }

    /// A cell of this shape that waits, if there is one.
    pub(crate) fn claim(&self, shape: &Shape) -> Option<Sandbox> {
        if self.budget_bytes == 0 {
            return None;
        }
        let mut ended = Vec::new();
        let mut state = self.lock();
        let stock = state.stock(shape);
        let mut claimed = None;
        while let Some(cell) = stock.ready.pop() {
            if cell.sandbox.as_ref().is_some_and(Sandbox::is_waiting) {
                claimed = Some(cell);
                break;
            }
            ended.push(cell);
        }
        drop(state);
        drop(ended);
        self.missing.notify_one();
        claimed.and_then(Cell::take)
    }

    /// Ends all cells, and makes no more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let stocks = std::mem::take(&mut state.stocks);
        drop(state);
        drop(stocks);
        self.missing.notify_one();
    }

    async fn make(&self, shape: &Shape) {
        let made = match self.boot(shape).await {
            Made::Ready(cell) => Some(cell),
            Made::Unready => None,
            Made::Refused => return tokio::time::sleep(REFUSED_PAUSE).await,
        };
        let mut state = self.lock();
        // Whoever closed the stocks, or gave this one up, wants no more cells of it.
        let Some(stock) = state.stocks.iter_mut().find(|stock| stock.shape == *shape) else { return };
        if let Some(cell) = made {
            stock.failures = 0;
            stock.ready.push(cell);
        } else {
            stock.failures += 1;
            let rests = stock.failures >= FAILURES_MAX;
            stock.rests = rests.then(|| Instant::now() + FAILURES_REST);
        }
    }

    /// A cell that waits; when there is none, the next plain start of such a function will explain why.
    async fn boot(&self, shape: &Shape) -> Made {
        let life = self.living.begin();
        let sandbox = match self.spawner.spawn(shape.spec()).await {
            Ok(sandbox) => sandbox,
            Err(error) => {
                tracing::debug!(%error, "no stem cell could be made");
                return Made::Refused;
            }
        };
        let is_ready = tokio::time::timeout(BOOT_MAX, sandbox.waiting()).await == Ok(true);
        let cell = Cell { sandbox: Some(sandbox), life: Some(life), tasks: self.tasks.clone() };
        if is_ready {
            return Made::Ready(cell);
        }
        tracing::warn!("an interpreter that was to wait for a function did not: its functions start plainly");
        Made::Unready
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The stock of a shape, now the one that was used last.
    fn stock(&mut self, shape: &Shape) -> &mut Stock {
        let known = self.stocks.iter().position(|stock| stock.shape == *shape);
        let stock = known.and_then(|at| self.stocks.remove(at));
        let stock = stock.unwrap_or_else(|| Stock {
            shape: shape.clone(),
            ready: Vec::new(),
            failures: 0,
            rests: None,
        });
        self.stocks.push_front(stock);
        &mut self.stocks[0]
    }

    /// Gives up what the budget no longer has room for.
    fn trim(&mut self, budget_bytes: u64) -> Vec<Stock> {
        let mut bytes = 0;
        let mut dropped: Vec<Stock> = self.stocks.drain(self.stocks.len().min(SHAPES_MAX)..).collect();
        for stock in &mut self.stocks {
            let each = stock.shape.memory_bytes();
            let room = usize::try_from(budget_bytes.saturating_sub(bytes) / each).unwrap_or(usize::MAX);
            if stock.ready.len() > room {
                let ready = stock.ready.split_off(room);
                dropped.push(Stock { shape: stock.shape.clone(), ready, failures: 0, rests: None });
            }
            bytes += each * CELLS_PER_SHAPE as u64;
        }
        dropped
    }

    /// The shape of the next cell to make, the one that was used last first; None when none is missing.
    fn missing(&self, budget_bytes: u64) -> Option<Shape> {
        let mut bytes = 0;
        for stock in &self.stocks {
            let each = stock.shape.memory_bytes();
            let room = usize::try_from(budget_bytes.saturating_sub(bytes) / each).unwrap_or(usize::MAX);
            let rests = stock.rests.is_some_and(|until| Instant::now() < until);
            if stock.ready.len() < CELLS_PER_SHAPE.min(room) && !rests {
                return Some(stock.shape.clone());
            }
            bytes += each * CELLS_PER_SHAPE as u64;
        }
        None
    }
}

impl Cell {
    fn take(mut self) -> Option<Sandbox> {
        self.sandbox.take()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let life = self.life.take();
        if let Some(sandbox) = self.sandbox.take() {
            self.tasks.spawn(async move {
                sandbox.destroy().await;
                drop(life);
            });
        }
    }
}

/// Makes the cells that are missing, one after another.
async fn refill(cells: Weak<Cells>, turns: Arc<Turns>) {
    loop {
        let Some(strong) = cells.upgrade() else { return };
        let missing = {
            let mut state = strong.lock();
            if state.closed {
                return;
            }
            let dropped = state.trim(strong.budget_bytes);
            let missing = state.missing(strong.budget_bytes);
            drop(state);
            drop(dropped);
            missing
        };
        match missing {
            None => strong.missing.notified().await,
            Some(shape) => {
                tokio::time::sleep(PAUSE).await;
                if turns.are_free() {
                    strong.make(&shape).await;
                }
            }
        }
    }
}
