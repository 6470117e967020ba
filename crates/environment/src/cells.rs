//! Stem cells: cages in which a language's interpreter has started and waits, with no function in it. A cold start claims one
//! and needs not wait for the interpreter; another takes its place when nobody waits for anything, and also that of one that died.
//! When there is none, a function whose interpreter can be copied has a copy of its zygote instead (`nests.rs`).
//!
//! It refuses to keep more than the budget of memory allows, to make cells while environments start, to hand out one twice, and to
//! hold up the end of the server for one that still starts. Only a zygote is made while environments start, when so many of its
//! function's do that they are sooner ready with it.

mod maker;
mod nests;
mod patience;
mod shape;

pub(crate) use shape::{Shape, assignment};

use crate::Key;
use crate::living::{Life, Living};
use crate::turns::Turns;
use hearth_sandbox::{Error, Exit, Nursery, Sandbox, Spawner};
use maker::{Haste, Made, Maker};
use nests::{Nests, Owner, Zygote};
use patience::Patience;
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
/// When the machine has no room for a cage, another is tried after this long.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// How long the copy of a zygote may take to wait, which it does from its first moment.
const COPY_MAX: Duration = Duration::from_secs(5);

/// The cells of one server.
pub(crate) struct Cells {
    maker: Maker,
    budget_bytes: u64,
    state: Mutex<State>,
    /// Told when a cell may be missing.
    missing: Arc<Notify>,
    /// True when no more are wanted: what still starts is given up at once.
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// The one that was used last comes first, but those of which one function alone has cells come after all others.
    stocks: VecDeque<Stock>,
    nests: Nests,
}

struct Stock {
    shape: Shape,
    ready: Vec<Cell>,
    patience: Patience,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// A cell of this shape, the one that was used last first.
    Make(Box<Shape>),
    /// A zygote for this function: when there are cells enough.
    Hatch(Box<(Shape, Owner)>),
    /// Nothing, until then: a shape rests.
    Rest(Instant),
    Nothing,
}

/// A cell that waits. Dropping it ends it, and a drain waits until it has.
struct Cell {
    sandbox: Option<Sandbox>,
    life: Option<Life>,
    tasks: Handle,
}

/// The end of a cell.
type End = Pin<Box<dyn Future<Output = Exit> + Send>>;

impl Cells {
    /// None yet: they are made once it is known which are wanted, and only while nothing else starts.
    pub(crate) fn new(
        spawner: &Spawner,
        budget_bytes: u64,
        living: &Living,
        turns: &Arc<Turns>,
    ) -> Arc<Self> {
        let budget_bytes = if spawner.makes_stem_cells() { budget_bytes } else { 0 };
        let closed = watch::Sender::new(false);
        let cells = Arc::new(Self {
            maker: Maker::new(spawner, living, &closed),
            budget_bytes,
            state: Mutex::default(),
            missing: Arc::default(),
            closed,
        });
        if budget_bytes > 0 {
            tokio::spawn(refill(Arc::downgrade(&cells), Arc::clone(turns)));
        }
        cells
    }

    /// Cells of this shape will be wanted, by this function.
    pub(crate) fn expect(&self, shape: &Shape, key: &Key) {
        if self.budget_bytes > 0 {
            let mut state = self.lock();
            state.stock(shape);
            let dropped = (state.trim(self.budget_bytes), self.wish(&mut state, shape, key));
            drop(state);
            drop(dropped);
            self.missing.notify_one();
        }
    }

    /// A cell of this shape that waits, if there is one.
    pub(crate) fn claim(&self, shape: &Shape, key: &Key) -> Option<Sandbox> {
        if self.budget_bytes == 0 {
            return None;
        }
        let mut state = self.lock();
        let stock = state.stock(shape);
        let ended = stock.take_ended(Instant::now());
        let claimed = stock.ready.pop();
        if claimed.is_some() {
            stock.patience.succeed();
        }
        let dropped = self.wish(&mut state, shape, key);
        drop(state);
        drop((ended, dropped));
        self.missing.notify_one();
        claimed.and_then(Cell::take)
    }

    /// A cell of this shape whose interpreter is copied from the function's zygote, if there is one, or if there is a burst of
    /// starts that one is worth being made for.
    pub(crate) async fn copy(
        &self,
        (shape, key): (&Shape, &Key),
        cpu_weight: u32,
        is_burst: bool,
    ) -> Option<Sandbox> {
        let owner = Owner::of(key);
        let nursery = self.lock().nests.copied(shape, &owner);
        let nursery = match nursery {
            None if is_burst => self.hatched(shape, &owner).await?,
            nursery => nursery?,
        };
        let copy = async {
            let copy = self.maker.spawner.spawn_copy(shape.spec_of_copy(cpu_weight), &nursery).await?;
            // It waits from its first moment, but that is still to be heard.
            Ok(copy.waiting().await.then_some(copy))
        };
        let copy = match tokio::time::timeout(COPY_MAX, copy).await {
            Ok(Ok(copy)) => copy,
            Ok(Err(Error::Cage(fault))) => {
                tracing::warn!(%fault, "a zygote could not be copied: its function starts plainly");
                None
            }
            Err(_) => None,
            // The zygote had no part in it.
            Ok(Err(_)) => return None,
        };
        let useless = self.lock().nests.told((shape, &owner), (&nursery, copy.is_some()), Instant::now());
        drop((useless, nursery));
        self.missing.notify_one();
        copy
    }

    /// Where a copy can be had of a zygote that is made now: by the first who asks, while the others wait.
    async fn hatched(&self, shape: &Shape, owner: &Owner) -> Option<Nursery> {
        let turn = self.lock().nests.turn(shape, owner)?;
        let turn = turn.lock().await;
        {
            let mut state = self.lock();
            if let Some(nursery) = state.nests.copied(shape, owner) {
                return Some(nursery);
            }
            let room = state.room(self.budget_bytes);
            if !state.nests.can_hatch((shape, owner), room, Instant::now()) {
                return None;
            }
        }
        let made = self.maker.zygote(shape, Haste::Awaited).await;
        let failed = !matches!(made, Made::Ready(_));
        self.keep_zygote((shape, owner), made);
        let mut state = self.lock();
        if failed && let Some(patience) = state.nests.patience(shape, owner) {
            // Those that wait are not to try the same, one after another.
            patience.pause_at_least(Instant::now() + REFUSED_PAUSE);
        }
        let nursery = state.nests.copied(shape, owner);
        drop((state, turn));
        nursery
    }

    /// Ends all cells, and makes no more.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        let state = std::mem::take(&mut *self.lock());
        drop(state);
    }

    #[must_use]
    fn wish(&self, state: &mut State, shape: &Shape, key: &Key) -> Vec<Zygote> {
        let has_zygote = shape.has_one_thread() && self.maker.spawner.makes_zygotes();
        if has_zygote { state.nests.wish(shape, &Owner::of(key)) } else { Vec::new() }
    }

    /// Looks through everything: what there is to do, and whose end is to be waited for when that is nothing.
    fn look(&self, now: Instant) -> (Next, Vec<End>) {
        let mut state = self.lock();
        let dropped = state.trim(self.budget_bytes);
        let ended: Vec<Cell> = state.stocks.iter_mut().flat_map(|stock| stock.take_ended(now)).collect();
        let room = state.room(self.budget_bytes);
        let useless = state.nests.take_useless(room, now);
        let next = state.next(self.budget_bytes, now);
        let ends = match next {
            Next::Make(_) | Next::Hatch(_) => Vec::new(),
            Next::Rest(_) | Next::Nothing => {
                let waiting = state.stocks.iter().flat_map(|stock| &stock.ready);
                waiting.chain(state.nests.cells()).filter_map(Cell::end).collect()
            }
        };
        drop(state);
        drop((dropped, ended, useless));
        (next, ends)
    }

    /// Takes in what was made of a shape.
    fn keep(&self, shape: &Shape, made: Made<Cell>) {
        let mut state = self.lock();
        // Whoever closed the stocks, or gave this one up, wants no more cells of it.
        let Some(stock) = state.stocks.iter_mut().find(|stock| stock.shape == *shape) else { return };
        match made {
            Made::Ready(cell) => stock.ready.push(cell),
            made => made.tell(&mut stock.patience),
        }
    }

    /// Takes in the zygote that was made for a function.
    fn keep_zygote(&self, (shape, owner): (&Shape, &Owner), made: Made<Zygote>) {
        let mut state = self.lock();
        let unwanted = match made {
            Made::Ready(zygote) => state.nests.keep(shape, owner, zygote),
            made => {
                if let Some(patience) = state.nests.patience(shape, owner) {
                    made.tell(patience);
                }
                None
            }
        };
        drop(state);
        drop(unwanted);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The stock of a shape, now the one of its kind that was used last.
    fn stock(&mut self, shape: &Shape) -> &mut Stock {
        let known = self.stocks.iter().position(|stock| stock.shape == *shape);
        let stock = known.and_then(|at| self.stocks.remove(at));
        let stock = stock.unwrap_or_else(|| Stock::new(shape.clone(), Vec::new()));
        let at = match shape.is_of_one_function() {
            true => self.stocks.partition_point(|stock| !stock.shape.is_of_one_function()),
            false => 0,
        };
        self.stocks.insert(at, stock);
        &mut self.stocks[at]
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

    /// What all stocks, when they are full, leave of the budget.
    fn room(&self, budget_bytes: u64) -> u64 {
        let full = self.stocks.iter().map(|stock| stock.shape.memory_bytes() * CELLS_PER_SHAPE as u64);
        budget_bytes.saturating_sub(full.sum())
    }

    fn next(&self, budget_bytes: u64, now: Instant) -> Next {
        let mut bytes = 0;
        let mut rest: Option<Instant> = None;
        for stock in &self.stocks {
            let each = stock.shape.memory_bytes();
            let room = usize::try_from(budget_bytes.saturating_sub(bytes) / each).unwrap_or(usize::MAX);
            if stock.ready.len() < CELLS_PER_SHAPE.min(room) {
                match stock.patience.rests(now) {
                    Some(until) => rest = Some(rest.map_or(until, |rest| rest.min(until))),
                    None => return Next::Make(Box::new(stock.shape.clone())),
                }
            }
            bytes += each * CELLS_PER_SHAPE as u64;
        }
        match self.nests.missing(self.room(budget_bytes), now) {
            Ok(wanted) => Next::Hatch(Box::new(wanted)),
            Err(until) => rest.into_iter().chain(until).min().map_or(Next::Nothing, Next::Rest),
        }
    }
}

impl Stock {
    fn new(shape: Shape, ready: Vec<Cell>) -> Self {
        Self { shape, ready, patience: Patience::default() }
    }

    /// Takes out the cells that wait no more.
    fn take_ended(&mut self, now: Instant) -> Vec<Cell> {
        let ended: Vec<Cell> = self.ready.extract_if(.., |cell| !cell.waits()).collect();
        ended.iter().for_each(|_| self.patience.fail(now));
        ended
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

/// Resolves when one of them does; never when there is none.
async fn first(mut ends: Vec<End>) {
    std::future::poll_fn(|context| {
        let ended = ends.iter_mut().any(|end| end.as_mut().poll(context).is_ready());
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Makes what is missing, one after another. What it waits for is never waited for with the cells in hand, so that they can be
/// dropped meanwhile.
async fn refill(cells: Weak<Cells>, turns: Arc<Turns>) {
    let Some(strong) = cells.upgrade() else { return };
    let (missing, mut closed) = (Arc::clone(&strong.missing), strong.closed.subscribe());
    let maker = strong.maker.clone();
    drop(strong);
    while !*closed.borrow() {
        let Some((next, ends)) = cells.upgrade().map(|cells| cells.look(Instant::now())) else { return };
        let is_idle = matches!(next, Next::Rest(_) | Next::Nothing);
        let rested = async {
            match &next {
                Next::Make(_) | Next::Hatch(_) => tokio::time::sleep(PAUSE).await,
                Next::Rest(until) => tokio::time::sleep_until((*until).into()).await,
                Next::Nothing => std::future::pending().await,
            }
        };
        tokio::select! {
            // Its sender goes with the cells.
            _ = closed.wait_for(|closed| *closed) => return,
            () = rested => {}
            () = missing.notified(), if is_idle => {}
            () = first(ends), if is_idle => {}
        }
        if !turns.are_free() {
            continue;
        }
        match next {
            Next::Make(shape) => {
                let made = maker.cell(&shape).await;
                let Some(cells) = cells.upgrade() else { return };
                cells.keep(&shape, made);
            }
            Next::Hatch(wanted) => {
                let (shape, owner) = &*wanted;
                let made = maker.zygote(shape, Haste::Spare).await;
                let Some(cells) = cells.upgrade() else { return };
                cells.keep_zygote((shape, owner), made);
            }
            Next::Rest(_) | Next::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::patience::{FAILURES_MAX, REST};
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
        for _ in 0..FAILURES_MAX {
            assert_eq!(state.next(BUDGET, start), make);
            state.stocks[0].patience.fail(start);
        }
        assert_eq!(state.next(BUDGET, start), Next::Rest(start + REST));
        assert_eq!(state.next(BUDGET, start + REST), make);
    }

    #[test]
    fn nothing_is_made_beyond_the_budget_or_of_no_shape() {
        let now = Instant::now();
        assert_eq!(State::default().next(BUDGET, now), Next::Nothing);
        assert_eq!(state().next(Shape::sample().memory_bytes() - 1, now), Next::Nothing);
        assert_eq!(state().next(Shape::sample().memory_bytes(), now), Next::Make(Box::new(Shape::sample())));
    }

    #[test]
    fn cells_for_one_function_have_what_those_for_many_leave() {
        let (now, shared, own) = (Instant::now(), Shape::sample(), Shape::sample_of_one_function());
        let mut state = State::default();
        state.stock(&own);
        assert_eq!(state.next(BUDGET, now), Next::Make(Box::new(own.clone())));
        state.stock(&shared);
        state.stock(&own);
        assert_eq!(state.next(BUDGET, now), Next::Make(Box::new(shared.clone())));
        assert_eq!(state.stocks.iter().map(|stock| &stock.shape).collect::<Vec<_>>(), [&shared, &own]);
    }

    #[test]
    fn zygotes_come_after_cells_and_within_the_budget() {
        let (start, shape) = (Instant::now(), Shape::sample());
        let owner = Owner::of(&crate::Definition::sample().key);
        let mut state = State::default();
        assert!(state.nests.wish(&shape, &owner).is_empty());
        let hatch = Next::Hatch(Box::new((shape.clone(), owner.clone())));
        assert_eq!(state.next(shape.memory_bytes(), start), hatch);
        assert_eq!(state.next(shape.memory_bytes() - 1, start), Next::Nothing);
        state.stock(&shape);
        assert_eq!(state.next(BUDGET, start), Next::Make(Box::new(shape.clone())));
        for _ in 0..FAILURES_MAX {
            state.stocks[0].patience.fail(start);
        }
        assert_eq!(state.next(BUDGET, start), hatch);
        assert_eq!(
            state.next(shape.memory_bytes() * 3 - 1, start),
            Next::Rest(start + REST),
            "cells have their room"
        );
        let patience = state.nests.patience(&shape, &owner).unwrap();
        patience.pause(start + REFUSED_PAUSE);
        assert_eq!(state.next(BUDGET, start), Next::Rest(start + REFUSED_PAUSE));
    }
}
