//! Whose turn it is: a lane for each function that has events waiting, and a ring in which lanes take turns.
//!
//! A lane knows the keys of its next events and no more, so that a hundred thousand waiting events cost disk and not
//! memory. It refuses to read and to run anything: it says what is to be done ([`Step`]) and is told what came of it.

use super::event;
use hearth_base::Timestamp;
use hearth_lambda::FunctionKey;
use hearth_store::Key;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Keys that a lane knows of at most.
const WINDOW: usize = 256;
/// With fewer than these a lane reads on.
const WINDOW_LOW: usize = WINDOW / 4;
/// Invocations of one function at once when its events begin to come.
const START: usize = 10;
/// What every second of waiting for a place adds to that, as long as the machine is not at work on starting environments: more
/// of them would only make each start later.
const GROWTH: usize = 10;
const GROWTH_INTERVAL: Duration = Duration::from_secs(1);
/// Throttles and faults of the system are waited out for this long at first, then twice as long each time.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Run the event of this key.
    Run(FunctionKey, Key),
    /// Read the keys of the function's events that follow this one; from the first on when there is none.
    Read(FunctionKey, Option<Key>),
}

/// How the turn of an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is gone, or has gone to the end of the lane under another key.
    Over,
    /// It stays, since there was no place to run it or something failed that is not the function's fault. It is to be
    /// looked at again by `latest` even so.
    Deferred {
        /// When its age is up.
        latest: Timestamp,
    },
}

/// The lanes of all functions.
#[derive(Debug)]
pub struct Lanes {
    lanes: HashMap<FunctionKey, Lane>,
    /// Lanes with something to do now, in the order of their turns.
    ready: VecDeque<FunctionKey>,
    /// Lanes with something to do later.
    later: BTreeSet<(Timestamp, FunctionKey)>,
    running: usize,
    running_max: usize,
    may_grow: bool,
}

#[derive(Debug)]
struct Lane {
    /// The next keys, without those that run.
    window: BTreeSet<Key>,
    /// Whether there are, or may be, keys behind `frontier` that are not known.
    more: bool,
    /// All keys up to this one are known; none is when there is none.
    frontier: Option<Key>,
    reading: bool,
    running: HashSet<Key>,
    /// How many may run at once.
    limit: usize,
    /// Since when `limit` has kept events waiting.
    held_since: Option<Timestamp>,
    paused_until: Option<Timestamp>,
    backoff: Duration,
    place: Place,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It waits for one of its own to end, or for what it reads.
    Nowhere,
    Ready,
    Later(Timestamp),
}

impl Lanes {
    /// No lanes; at most `running_max` events of all will run at once.
    pub fn new(running_max: usize) -> Self {
        let running_max = running_max.max(1);
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            later: BTreeSet::new(),
            running: 0,
            running_max,
            may_grow: true,
        }
    }

    /// Whether the machine has room for more environments at this time.
    pub fn allow_growth(&mut self, allow: bool) {
        self.may_grow = allow;
    }

    /// A function has stored events that have not been looked at.
    pub fn discover(&mut self, function: FunctionKey, now: Timestamp) {
        self.lanes.entry(function.clone()).or_insert_with(Lane::new).more = true;
        self.place(&function, now);
    }

    /// An event has been stored.
    pub fn arrive(&mut self, function: &FunctionKey, key: Key, now: Timestamp) {
        let lane = self.lanes.entry(function.clone()).or_insert_with(Lane::new);
        lane.add(key);
        self.place(function, now);
    }

    /// What to do now; nothing when all there is must wait.
    pub fn next(&mut self, now: Timestamp) -> Option<Step> {
        while let Some((due, function)) = self.later.first().cloned() {
            if due > now {
                break;
            }
            self.place(&function, now);
            if self.later.first().is_some_and(|first| *first == (due, function)) {
                break;
            }
        }
        if self.running >= self.running_max {
            return None;
        }
        let function = self.ready.pop_front()?;
        let share = self.share();
        let lane = self.lanes.get_mut(&function).expect("a lane stays while it is in the ring");
        lane.place = Place::Nowhere;
        let step = lane.step(&function, now, share);
        if let Some(Step::Run(..)) = step {
            self.running += 1;
        }
        self.place(&function, now);
        step
    }

    /// The turn of an event has ended.
    pub fn finish(&mut self, function: &FunctionKey, key: Key, (turn, now): (Turn, Timestamp)) {
        self.running -= 1;
        if let Some(lane) = self.lanes.get_mut(function) {
            lane.finish(key, turn, now);
        }
        self.place(function, now);
    }

    /// Keys have been read; `more` says whether others follow them.
    pub fn read(&mut self, function: &FunctionKey, (keys, more): (Vec<Key>, bool), now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(function) {
            lane.take_in(keys, more);
        }
        self.place(function, now);
    }

    /// Keys could not be read: the lane tries again later.
    pub fn unread(&mut self, function: &FunctionKey, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(function) {
            lane.reading = false;
            lane.pause(now);
        }
        self.place(function, now);
    }

    /// When the next thing is due that is not due now.
    pub fn next_time(&self) -> Option<Timestamp> {
        self.later.first().map(|(time, _)| *time)
    }

    /// Whether nothing runs and nothing is due.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.running == 0
            && self.ready.is_empty()
            && self.next_time().is_none_or(|time| time > now)
            && self.lanes.values().all(|lane| !lane.reading)
    }

    /// An equal part of all places, with one part left for a function that has no events yet.
    fn share(&self) -> usize {
        (self.running_max / (self.lanes.len() + 1)).max(1)
    }

    /// Puts a lane where it belongs now, and forgets it when it is empty.
    fn place(&mut self, function: &FunctionKey, now: Timestamp) {
        let (share, may_grow) = (self.share(), self.may_grow);
        let Some(lane) = self.lanes.get_mut(function) else { return };
        let former = lane.place;
        let place = lane.place((now, share), may_grow);
        if former == place {
            if place == Place::Nowhere && lane.is_empty() {
                self.lanes.remove(function);
            }
            return;
        }
        lane.place = place;
        match former {
            Place::Later(time) => {
                self.later.remove(&(time, function.clone()));
            }
            Place::Ready => self.ready.retain(|other| other != function),
            Place::Nowhere => {}
        }
        match place {
            Place::Later(time) => {
                self.later.insert((time, function.clone()));
            }
            Place::Ready => self.ready.push_back(function.clone()),
            Place::Nowhere => {}
        }
        if place == Place::Nowhere && self.lanes.get(function).is_some_and(Lane::is_empty) {
            self.lanes.remove(function);
        }
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            window: BTreeSet::new(),
            more: false,
            frontier: None,
            reading: false,
            running: HashSet::new(),
            limit: START,
            held_since: None,
            paused_until: None,
            backoff: Duration::ZERO,
            place: Place::Nowhere,
        }
    }

    fn is_empty(&self) -> bool {
        self.window.is_empty() && self.running.is_empty() && !self.more && !self.reading
    }

    fn add(&mut self, key: Key) {
        if self.running.contains(&key) {
            return;
        }
        // What lies behind the frontier is found when that is read. While it is being read, nobody knows where it will be.
        let found_later =
            self.more && !self.reading && self.frontier.as_ref().is_none_or(|frontier| key > *frontier);
        if !found_later {
            self.window.insert(key);
            self.trim();
        }
    }

    /// Takes in what was read behind the frontier.
    fn take_in(&mut self, keys: Vec<Key>, more: bool) {
        self.reading = false;
        self.more = more;
        self.frontier = keys.last().cloned().or(self.frontier.take());
        let running = &self.running;
        self.window.extend(keys.into_iter().filter(|key| !running.contains(key)));
        self.trim();
    }

    /// Forgets what is more than a lane may know; it is read again in time.
    fn trim(&mut self) {
        if self.reading || self.window.len() <= WINDOW {
            return;
        }
        while self.window.len() > WINDOW {
            self.window.pop_last();
        }
        self.more = true;
        self.frontier = self.window.last().cloned();
    }

    fn wants_to_read(&self) -> bool {
        self.more && !self.reading && self.window.len() < WINDOW_LOW
    }

    fn place(&mut self, (now, share): (Timestamp, usize), may_grow: bool) -> Place {
        let paused_until = self.paused_until.filter(|until| *until > now);
        let not_before = |time: Timestamp| paused_until.map_or(time, |until| until.max(time));
        if self.wants_to_read() {
            return at(not_before(now), now);
        }
        let Some(due) = self.window.first().and_then(|key| Some(event::read_key(key)?.1)) else {
            self.held_since = None;
            return Place::Nowhere;
        };
        let due = not_before(due);
        if self.running.len() < self.limit.min(share) {
            self.held_since = None;
            return at(due, now);
        }
        // Full: an end of one of its own makes a place, and so does time.
        if due > now || self.limit >= share {
            return Place::Nowhere;
        }
        let mut since = *self.held_since.get_or_insert(now);
        if now.since(since) >= GROWTH_INTERVAL {
            since = now;
            self.held_since = Some(now);
            if may_grow {
                self.limit += GROWTH;
                return Place::Ready;
            }
        }
        Place::Later(since.after(GROWTH_INTERVAL))
    }

    fn step(&mut self, function: &FunctionKey, now: Timestamp, share: usize) -> Option<Step> {
        if self.wants_to_read() {
            self.reading = true;
            return Some(Step::Read(function.clone(), self.frontier.clone()));
        }
        let first = self.window.first()?;
        let due = event::read_key(first)?.1;
        if due > now || self.running.len() >= self.limit.min(share) {
            return None;
        }
        let key = self.window.pop_first()?;
        self.running.insert(key.clone());
        Some(Step::Run(function.clone(), key))
    }

    fn finish(&mut self, key: Key, turn: Turn, now: Timestamp) {
        self.running.remove(&key);
        match turn {
            Turn::Over => {
                self.backoff = Duration::ZERO;
                self.paused_until = None;
            }
            Turn::Deferred { latest } => {
                // It comes first again: nothing before it is known.
                self.window.insert(key);
                // Others that were started too many do not lengthen the pause. An end of one that runs breaks it off.
                if self.paused_until.is_none_or(|until| until <= now) {
                    self.limit = self.running.len().max(1);
                    self.pause(now);
                    let latest = latest.max(now.after(MOMENT));
                    self.paused_until = self.paused_until.map(|until| until.min(latest));
                }
            }
        }
    }

    fn pause(&mut self, now: Timestamp) {
        self.backoff = (self.backoff * 2).clamp(BACKOFF_FIRST, BACKOFF_MAX);
        self.paused_until = Some(now.after(self.backoff));
    }
}

/// What is deferred although its time is up waits this long, so that it does not go round and round.
const MOMENT: Duration = Duration::from_millis(100);

fn at(time: Timestamp, now: Timestamp) -> Place {
    if time <= now { Place::Ready } else { Place::Later(time) }
}

#[cfg(test)]
mod tests;
