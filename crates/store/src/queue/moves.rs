//! Moving entries from one queue to another in one batch: nothing is lost on the way, and nothing is there twice.
//!
//! It refuses to wait for another owner, so that queues may point at each other.

use super::owner::Owner;
use super::plan::Plan;
use super::row::{self, EntryId, State};
use super::window::Known;
use super::{Moved, QueueError, Route, Transferred};
use std::sync::Arc;

/// What another owner is told once the move is durable.
pub struct Note {
    to: Arc<Owner>,
    id: EntryId,
    known: Known,
}

impl Note {
    pub fn tell(self) {
        self.to.note(self.id, self.known);
    }
}

impl Owner {
    /// Moves an entry. Says whether it went: a queue that is closed, or this one, takes nothing.
    pub(super) async fn move_entry(
        &self,
        id: EntryId,
        moved: Moved,
        plan: &mut Plan,
    ) -> Result<bool, QueueError> {
        let Moved { to, value, group, keeps_id } = moved;
        let to = to.owner;
        if std::ptr::eq(&*to, self) || to.is_closed() {
            return Ok(false);
        }
        // What is in memory there must not count the entry before it is told of it.
        to.load().await?;
        let Some(known) = self.with(|memory| memory.window.get(id).cloned()) else { return Ok(false) };
        let there = if keeps_id { id } else { self.shared.ids.next(self.now()) };
        self.discard(id, &known, plan);
        plan.put(to.keys.entry(0, there), row::encode_entry(group.as_ref(), &value));
        let state = State { due: self.now_millis(), ..State::default() };
        plan.notes.push(Note { to, id: there, known: Known { state, group, value: Some(value) } });
        Ok(true)
    }

    /// Moves entries that are available, as many as fit into a batch.
    pub(super) async fn transfer(
        &self,
        max: usize,
        route: &Route,
        plan: &mut Plan,
    ) -> Result<Transferred, QueueError> {
        let now = self.now_millis();
        self.tick(now, plan);
        self.supply(max).await?;
        let mut moved = 0;
        for id in self.with(|memory| memory.window.next(max)) {
            if plan.is_full() {
                return Ok(Transferred { moved, stuck: false, more: true });
            }
            let Some(known) = self.with(|memory| memory.window.get(id).cloned()) else { continue };
            let Some(value) = self.value(id, &known, plan).await? else {
                self.discard(id, &known, plan);
                continue;
            };
            let went = match route(&value) {
                Some(there) => self.move_entry(id, there, plan).await?,
                None => false,
            };
            if !went {
                return Ok(Transferred { moved, stuck: true, more: true });
            }
            moved += 1;
        }
        Ok(Transferred { moved, stuck: false, more: moved == max })
    }
}
