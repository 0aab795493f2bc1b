//! A list without repetitions, which stays fast when text is made to be slow.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use querycop_policy::facts::{Action, Attributes, Effect, Name, Object, PossibleCall, Via};

use super::MAX_EFFECTS;

/// What makes two facts the same.
pub(super) trait Fact {
    type Key<'k>: std::hash::Hash + Eq
    where
        Self: 'k;

    fn key(&self) -> Self::Key<'_>;
}

impl Fact for Effect {
    type Key<'k> = (Action, &'k str, &'k Object, Attributes);

    fn key(&self) -> Self::Key<'_> {
        (self.action, self.subtype, &self.object, self.attributes)
    }
}

impl Fact for PossibleCall {
    type Key<'k> = (Via, &'k Name, Option<&'k Name>);

    fn key(&self) -> Self::Key<'_> {
        (self.via, &self.name, self.of.as_ref())
    }
}

/// Facts, each once, in the order of the text.
pub(super) struct Deduplicated<T> {
    facts: Vec<T>,
    index: HashTable<usize>,
    hasher: RandomState,
}

/// Few facts are compared one by one, which is faster than hashing them.
const SMALL: usize = 8;

impl<T> Default for Deduplicated<T> {
    fn default() -> Self {
        Self {
            facts: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: Fact> Deduplicated<T> {
    /// Adds a fact, if it isn't there; the answer is its place, or `None` when there are too many.
    pub(super) fn insert(&mut self, fact: T) -> Option<usize> {
        let found = if self.facts.len() <= SMALL {
            self.facts
                .iter()
                .position(|known| known.key() == fact.key())
        } else {
            self.find_by_hash(&fact)
        };
        if found.is_some() {
            return found;
        }
        if self.facts.len() >= MAX_EFFECTS {
            return None;
        }
        let place = self.facts.len();
        self.facts.push(fact);
        if self.facts.len() > SMALL {
            self.index_new();
        }
        Some(place)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.facts.get_mut(place)
    }

    /// Whether no more can be taken: then some may be missing.
    pub(super) fn is_full(&self) -> bool {
        self.facts.len() >= MAX_EFFECTS
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.facts
    }

    fn find_by_hash(&self, fact: &T) -> Option<usize> {
        let hash = self.hasher.hash_one(fact.key());
        let same = |place: &usize| {
            self.facts
                .get(*place)
                .is_some_and(|known| known.key() == fact.key())
        };
        self.index.find(hash, same).copied()
    }

    /// Brings those into the index that aren't in it.
    fn index_new(&mut self) {
        let Self {
            facts,
            index,
            hasher,
        } = self;
        let hash = |place: &usize| {
            facts
                .get(*place)
                .map_or(0, |fact| hasher.hash_one(fact.key()))
        };
        for place in index.len()..facts.len() {
            index.insert_unique(hash(&place), place, hash);
        }
    }
}
