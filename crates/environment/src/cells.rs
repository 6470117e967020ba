//! Stem cells: cages in which a language's interpreter has started and waits, with no function in it. A cold start claims one
//! and needs not wait for the interpreter; another takes its place when nobody waits for anything, and also that of one that died.
//!
//! It refuses to keep more than the budget of memory allows, to make cells while environments start, to hand out one twice, and to
//! hold up the end of the server for one that still starts.

mod shape;

pub(crate) use shape::{Shape, assignment};

use crate::living::{Life, Living};
use crate::turns::Turns;
use hearth_sandbox::{Exit, Sandbox, Spawner};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

/// How many cells of each shape are kept.
const CELLS_PER_SHAPE: usize = 2;
/// How many shapes are remembered; the one that was used longest ago goes first.
const SHAPES_MAX: usize = 32;
/// How long after a claim, and after each cell, another is made: what was claimed needs the processors first.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a cell may take to be ready. It gets only what processor time nobody else wants.
const BOOT_MAX: Duration = Duration::from_secs(30);
/// So many cells of a shape that were of no use, with none claimed between, and no more are made for a while.
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
    missing: Arc<Notify>,
    /// True when no more are wanted: what still starts is given up at once.
    closed: watch::Sender<bool>,
    living: Living,
    tasks: Handle,
}

#[derive(Default)]
struct State {
    /// The one that was used last comes first.
    stocks: VecDeque<Stock>,
}

struct Stock {
    shape: Shape,
    ready: Vec<Cell>,
    /// Cells that never became ready, or died while they waited, since one was claimed.
    failures: u32,
    /// Until when none is made.
    rests: Option<Instant>,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// A cell of this shape, the one that was used last first.
    Make(Box<Shape>),
    /// Nothing, until then: a shape rests.
    Rest(Instant),
    Nothing,
}

/// What came of making a cell.
enum Made {
    Ready(Cell),
    /// Its interpreter ended, or did not come to wait.
    Unready,
    /// There was no room for a cage: nothing is known of the shape.
    Refused,
    /// It was given up: no more are wanted.
    Unwanted,
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
            missing: Arc::default(),
            closed: watch::Sender::new(false),
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
        let mut state = self.lock();
        let stock = state.stock(shape);
        let ended = stock.take_ended();
        let claimed = stock.ready.pop();
        if claimed.is_some() {
            stock.failures = 0;
        }
        drop(state);
        drop(ended);
        self.missing.notify_one();
        claimed.and_then(Cell::take)
    }

    /// Ends all cells, and makes no more.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        let stocks = std::mem::take(&mut self.lock().stocks);
        drop(stocks);
    }

    /// Looks through the stocks: what there is to do, and whose end is to be waited for when that is nothing.
    fn look(&self, now: Instant) -> (Next, Vec<End>) {
        let mut state = self.lock();
        let dropped = state.trim(self.budget_bytes);
        let ended: Vec<Cell> = state.stocks.iter_mut().flat_map(Stock::take_ended).collect();
        let next = state.next(self.budget_bytes, now);
        let waiting = state.stocks.iter().flat_map(|stock| &stock.ready);
        let ends =
            if let Next::Make(_) = next { Vec::new() } else { waiting.filter_map(Cell::end).collect() };
        drop(state);
        drop((dropped, ended));
        (next, ends)
    }

    /// Takes in what was made of a shape.
    fn keep(&self, shape: &Shape, made: Made) {
        let mut state = self.lock();
        // Whoever closed the stocks, or gave this one up, wants no more cells of it.
        let Some(stock) = state.stocks.iter_mut().find(|stock| stock.shape == *shape) else { return };
        match made {
            Made::Ready(cell) => stock.ready.push(cell),
            Made::Unready => stock.fail(Instant::now()),
            Made::Refused => stock.rests = Some(Instant::now() + REFUSED_PAUSE),
            Made::Unwanted => {}
        }
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
        let stock = stock.unwrap_or_else(|| Stock::new(shape.clone(), Vec::new()));
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
                dropped.push(Stock::new(stock.shape.clone(), ready));
            }
            bytes += each * CELLS_PER_SHAPE as u64;
        }
        dropped
    }

    fn next(&self, budget_bytes: u64, now: Instant) -> Next {
        let mut bytes = 0;
        let mut rest: Option<Instant> = None;
        for stock in &self.stocks {
            let each = stock.shape.memory_bytes();
            let room = usize::try_from(budget_bytes.saturating_sub(bytes) / each).unwrap_or(usize::MAX);
            if stock.ready.len() < CELLS_PER_SHAPE.min(room) {
                match stock.rests {
                    Some(until) if now < until => rest = Some(rest.map_or(until, |rest| rest.min(until))),
                    _ => return Next::Make(Box::new(stock.shape.clone())),
                }
            }
            bytes += each * CELLS_PER_SHAPE as u64;
        }
        rest.map_or(Next::Nothing, Next::Rest)
    }
}

impl Stock {
    fn new(shape: Shape, ready: Vec<Cell>) -> Self {
        Self { shape, ready, failures: 0, rests: None }
    }

    /// Takes out the cells that wait no more.
    fn take_ended(&mut self) -> Vec<Cell> {
        let ended: Vec<Cell> = self.ready.extract_if(.., |cell| !cell.waits()).collect();
        ended.iter().for_each(|_| self.fail(Instant::now()));
        ended
    }

    /// A cell was of no use.
    fn fail(&mut self, now: Instant) {
        self.failures += 1;
        let rests = self.failures >= FAILURES_MAX;
        self.rests = rests.then(|| now + FAILURES_REST);
    }
}

impl Cell {
    fn take(mut self) -> Option<Sandbox> {
        self.sandbox.take()
    }

    fn waits(&self) -> bool {
        self.sandbox.as_ref().is_some_and(Sandbox::is_waiting)
    }

    /// Resolves when its program has ended. Keeps nothing of it alive.
    fn end(&self) -> Option<End> {
        Some(Box::pin(self.sandbox.as_ref()?.ended()))
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

/// The end of a cell.
type End = Pin<Box<dyn Future<Output = Exit> + Send>>;

/// Resolves when one of them does; never when there is none.
async fn first(mut ends: Vec<End>) {
    std::future::poll_fn(|context| {
        let ended = ends.iter_mut().any(|end| end.as_mut().poll(context).is_ready());
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Makes the cells that are missing, one after another. What it waits for is never waited for with the cells in hand, so that
/// they can be dropped meanwhile.
async fn refill(cells: Weak<Cells>, turns: Arc<Turns>) {
    let Some(strong) = cells.upgrade() else { return };
    let (missing, mut closed) = (Arc::clone(&strong.missing), strong.closed.subscribe());
    let maker = Maker {
        spawner: strong.spawner.clone(),
        living: strong.living.clone(),
        tasks: strong.tasks.clone(),
        closed: strong.closed.subscribe(),
    };
    drop(strong);
    while !*closed.borrow() {
        let Some((next, ends)) = cells.upgrade().map(|cells| cells.look(Instant::now())) else { return };
        let rested = async {
            match &next {
                Next::Make(_) => tokio::time::sleep(PAUSE).await,
                Next::Rest(until) => tokio::time::sleep_until((*until).into()).await,
                Next::Nothing => std::future::pending().await,
            }
        };
        tokio::select! {
            // Its sender goes with the cells.
            _ = closed.wait_for(|closed| *closed) => return,
            () = rested => {}
            () = missing.notified(), if !matches!(next, Next::Make(_)) => {}
            () = first(ends), if !matches!(next, Next::Make(_)) => {}
        }
        if let Next::Make(shape) = next
            && turns.are_free()
        {
            let made = maker.make(&shape).await;
            let Some(cells) = cells.upgrade() else { return };
            cells.keep(&shape, made);
        }
    }
}

/// What it takes to make a cell.
struct Maker {
    spawner: Spawner,
    living: Living,
    tasks: Handle,
    closed: watch::Receiver<bool>,
}

impl Maker {
    /// A cell that waits; when there is none, the next plain start of such a function will explain why.
    async fn make(&self, shape: &Shape) -> Made {
        let life = self.living.begin();
        let sandbox = match self.spawner.spawn(shape.spec()).await {
            Ok(sandbox) => sandbox,
            Err(error) => {
                tracing::debug!(%error, "no stem cell could be made");
                return Made::Refused;
            }
        };
        let mut closed = self.closed.clone();
        let is_ready = tokio::select! {
            is_ready = tokio::time::timeout(BOOT_MAX, sandbox.waiting()) => Some(is_ready == Ok(true)),
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

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: u64 = 1 << 30;

    fn state() -> State {
        let mut state = State::default();
        state.stock(&Shape::sample());
        state
    }

    #[test]
    fn a_shape_whose_cells_fail_rests_and_is_tried_again() {
        let (mut state, start) = (state(), Instant::now());
        let make = Next::Make(Box::new(Shape::sample()));
        for _ in 1..FAILURES_MAX {
            state.stocks[0].fail(start);
            assert_eq!(state.next(BUDGET, start), make);
        }
        state.stocks[0].fail(start);
        let rested = start + FAILURES_REST;
        assert_eq!(state.next(BUDGET, start), Next::Rest(rested));
        assert_eq!(state.next(BUDGET, rested), make);
        // One more is enough from then on, until one has been of use.
        state.stocks[0].fail(rested);
        assert_eq!(state.next(BUDGET, rested), Next::Rest(rested + FAILURES_REST));
        state.stocks[0].failures = 0;
        let later = rested + FAILURES_REST;
        state.stocks[0].fail(later);
        assert_eq!(state.next(BUDGET, later), make);
    }

    #[test]
    fn nothing_is_made_beyond_the_budget_or_of_no_shape() {
        let now = Instant::now();
        assert_eq!(State::default().next(BUDGET, now), Next::Nothing);
        assert_eq!(state().next(Shape::sample().memory_bytes() - 1, now), Next::Nothing);
        assert_eq!(state().next(Shape::sample().memory_bytes(), now), Next::Make(Box::new(Shape::sample())));
    }
}
