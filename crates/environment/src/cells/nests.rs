//! Zygotes: interpreters that wait to be copied when a function needs more environments than there are cells.
//!
//! All copies of a zygote share what it drew at random as it started: the layout of its memory, the guards of its stack, the
//! seed of its hashes. So each is one function's alone, and is given up after a few copies: who crashes a function
//! to learn where its memory lies has no more tries than that. It refuses to keep more than a few, and those of functions
//! that nobody asks for.

use super::Cell;
use super::patience::Patience;
use super::shape::Shape;
use crate::Key;
use hearth_sandbox::Nursery;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Of how many functions, those that were used last.
const NESTS_MAX: usize = 8;
/// How often one is copied.
const COPIES_MAX: u32 = 40;

/// Whose environments may share a zygote: one function's, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    account: hearth_base::AccountId,
    region: hearth_base::Region,
    name: String,
}

/// The zygotes of one server.
#[derive(Default)]
pub(super) struct Nests(VecDeque<Nest>);

/// One function's.
struct Nest {
    shape: Shape,
    owner: Owner,
    zygote: Option<Zygote>,
    /// Those that were copied often enough, while the last copies come to be.
    spent: Vec<Zygote>,
    patience: Patience,
    /// Whoever makes a zygote for starts that wait holds it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A zygote that waits.
pub(super) struct Zygote {
    pub(super) cell: Cell,
    pub(super) nursery: Nursery,
    copies: u32,
}

impl Owner {
    pub(super) fn of(key: &Key) -> Self {
        Self { account: key.account, region: key.region.clone(), name: key.name.clone() }
    }
}

impl Zygote {
    pub(super) fn new(cell: Cell, nursery: Nursery) -> Self {
        Self { cell, nursery, copies: 0 }
    }
}

impl Nests {
    /// A function of this shape is used: gives up the one that was used longest ago when there are too many.
    #[must_use]
    pub(super) fn wish(&mut self, shape: &Shape, owner: &Owner) -> Vec<Zygote> {
        let known = self.position(shape, owner);
        let nest = known.and_then(|at| self.0.remove(at));
        let new = || Nest {
            shape: shape.clone(),
            owner: owner.clone(),
            zygote: None,
            spent: Vec::new(),
            patience: Patience::default(),
            turn: Arc::default(),
        };
        self.0.push_front(nest.unwrap_or_else(new));
        let forgotten = self.0.drain(self.0.len().min(NESTS_MAX)..);
        forgotten.flat_map(|nest| nest.zygote.into_iter().chain(nest.spent)).collect()
    }

    /// Where a copy for this function can be had.
    pub(super) fn copied(&mut self, shape: &Shape, owner: &Owner) -> Option<Nursery> {
        let at = self.position(shape, owner)?;
        let zygote = self.0[at].zygote.as_mut().filter(|zygote| zygote.copies < COPIES_MAX)?;
        zygote.copies += 1;
        Some(zygote.nursery.clone())
    }

    /// A copy has come to be, or has not, and then the zygote is of no more use.
    #[must_use]
    pub(super) fn told(
        &mut self,
        (shape, owner): (&Shape, &Owner),
        (nursery, well): (&Nursery, bool),
        now: Instant,
    ) -> Option<Zygote> {
        let at = self.position(shape, owner)?;
        let nest = &mut self.0[at];
        if well {
            nest.patience.succeed();
            return None;
        }
        let is_it = |zygote: &mut Zygote| zygote.nursery.is_same(nursery);
        // Of one that is given up many may tell, and it has failed once.
        let given_up = nest.zygote.take_if(is_it).or_else(|| nest.spent.extract_if(.., is_it).next());
        if given_up.is_some() {
            nest.patience.fail(now);
        }
        given_up
    }

    /// Those that make a zygote for this function, while others wait for it, do so in turn.
    pub(super) fn turn(&self, shape: &Shape, owner: &Owner) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.position(shape, owner).map(|at| Arc::clone(&self.0[at].turn))
    }

    /// Whether one may be made for this function.
    pub(super) fn can_hatch(&self, (shape, owner): (&Shape, &Owner), room: u64, now: Instant) -> bool {
        let Some(at) = self.position(shape, owner) else { return false };
        let bytes: u64 = self.0.range(..=at).map(|nest| nest.shape.memory_bytes()).sum();
        bytes <= room && self.0[at].patience.rests(now).is_none()
    }

    /// Takes out those that wait no more, have been copied often enough, or have no room.
    #[must_use]
    pub(super) fn take_useless(&mut self, room: u64, now: Instant) -> Vec<Zygote> {
        let mut bytes = 0;
        let mut useless = Vec::new();
        for nest in &mut self.0 {
            bytes += nest.shape.memory_bytes();
            useless.extend(nest.spent.extract_if(.., |zygote| !zygote.nursery.is_shared()));
            let Some(zygote) = &nest.zygote else { continue };
            let ended = !zygote.cell.waits();
            if ended {
                nest.patience.fail(now);
            }
            let is_spent = zygote.copies >= COPIES_MAX && !zygote.nursery.is_shared();
            if ended || is_spent || bytes > room {
                useless.extend(nest.zygote.take());
            }
        }
        useless
    }

    /// The next to make; or until when there is none.
    pub(super) fn missing(&self, room: u64, now: Instant) -> Result<(Shape, Owner), Option<Instant>> {
        let (mut bytes, mut rest) = (0, None::<Instant>);
        for nest in &self.0 {
            bytes += nest.shape.memory_bytes();
            if nest.zygote.is_some() || bytes > room {
                continue;
            }
            match nest.patience.rests(now) {
                Some(until) => rest = Some(rest.map_or(until, |rest| rest.min(until))),
                None => return Ok((nest.shape.clone(), nest.owner.clone())),
            }
        }
        Err(rest)
    }

    /// Takes in what was made; what nobody wants any more comes back.
    pub(super) fn keep(&mut self, shape: &Shape, owner: &Owner, zygote: Zygote) -> Option<Zygote> {
        let Some(at) = self.position(shape, owner) else { return Some(zygote) };
        let nest = &mut self.0[at];
        nest.spent.extend(nest.zygote.replace(zygote));
        None
    }

    /// Nothing could be made.
    pub(super) fn patience(&mut self, shape: &Shape, owner: &Owner) -> Option<&mut Patience> {
        self.position(shape, owner).map(|at| &mut self.0[at].patience)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.0.iter().filter_map(|nest| nest.zygote.as_ref()).map(|zygote| &zygote.cell)
    }

    fn position(&self, shape: &Shape, owner: &Owner) -> Option<usize> {
        self.0.iter().position(|nest| nest.owner == *owner && nest.shape == *shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zygotes_are_for_the_functions_that_were_used_last_and_within_their_room() {
        let (shape, now) = (Shape::sample(), Instant::now());
        let key = crate::Definition::sample().key;
        let owner = |name: &str| Owner::of(&Key { name: name.to_owned(), ..key.clone() });
        let room = shape.memory_bytes() * NESTS_MAX as u64;
        let mut nests = Nests::default();
        for number in 0..=NESTS_MAX {
            assert!(nests.wish(&shape, &owner(&number.to_string())).is_empty());
        }
        assert_eq!(nests.0.len(), NESTS_MAX, "the first is forgotten");
        assert!(nests.patience(&shape, &owner("0")).is_none());
        assert_eq!(nests.missing(room, now), Ok((shape.clone(), owner(&NESTS_MAX.to_string()))));
        assert!(nests.wish(&shape, &owner("1")).is_empty());
        assert_eq!(nests.missing(room, now), Ok((shape.clone(), owner("1"))));
        nests.patience(&shape, &owner("1")).unwrap().pause(now + std::time::Duration::from_secs(1));
        assert_eq!(nests.missing(room, now), Ok((shape.clone(), owner(&NESTS_MAX.to_string()))));
        assert_eq!(
            nests.missing(shape.memory_bytes(), now),
            Err(Some(now + std::time::Duration::from_secs(1)))
        );
        assert_eq!(nests.missing(shape.memory_bytes() - 1, now), Err(None));
        assert!(nests.copied(&shape, &owner("1")).is_none(), "there is none yet");
    }

    #[test]
    fn versions_of_a_function_share_a_zygote_and_functions_do_not() {
        let key = crate::Definition::sample().key;
        let version = Key { version: "7".into(), revision: "other".into(), ..key.clone() };
        assert_eq!(Owner::of(&key), Owner::of(&version));
        let region = Key { region: "eu-west-1".parse().unwrap(), ..key.clone() };
        for other in [Key { name: "other".into(), ..key.clone() }, region] {
            assert_ne!(Owner::of(&key), Owner::of(&other));
        }
    }
}
