//! Which columns are used of what, and what it may cost to find out.
//!
//! A column without a qualifier is one of every relation in sight, so that a short text can name
//! very many: the work for one text is counted, and a text that takes too much isn't read.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use querycop_policy::facts::{Columns, Effect};

use super::Reader;

/// Steps that the reading of one text may take: some tenths of a second. 300 columns without a
/// qualifier over 30 tables take some 300,000.
const MAX_STEPS: usize = 16_000_000;

/// What a column costs that wasn't named before, in steps: it stays in memory. Half a million fit.
const NEW_COLUMN: usize = 32;

/// What an effect, or a possible call, costs.
pub(super) const FACT: usize = 32;

/// Few columns are compared one by one, which is faster than hashing them.
const SMALL: usize = 8;

/// What may still be done for one text.
pub(crate) struct Budget {
    steps: usize,
    is_exhausted: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            steps: MAX_STEPS,
            is_exhausted: false,
        }
    }
}

impl Budget {
    /// Whether so many steps may be taken; if not, none may any more.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        match self.steps.checked_sub(steps) {
            Some(left) if !self.is_exhausted => self.steps = left,
            _ => self.is_exhausted = true,
        }
        !self.is_exhausted
    }

    /// Whether something was left out, so that what is known isn't all.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }
}

/// Where in an effect's list a column stands, for the lists that are long.
#[derive(Default)]
pub(super) struct ColumnIndex {
    of_effects: HashMap<usize, HashTable<usize>>,
    hasher: RandomState,
}

impl ColumnIndex {
    /// Adds a column to those of an effect; false if it is there.
    fn add(&mut self, effect: usize, columns: &mut Columns, column: &str) -> bool {
        let named = &mut columns.named;
        if named.len() <= SMALL {
            let is_new = named.iter().all(|known| **known != *column);
            if is_new {
                named.push(column.into());
            }
            return is_new;
        }
        let hash_of = |column: &str| self.hasher.hash_one(column);
        let index = self.of_effects.entry(effect).or_default();
        for place in index.len()..named.len() {
            let hash = |place: &usize| named.get(*place).map_or(0, |known| hash_of(known));
            index.insert_unique(hash(&place), place, hash);
        }
        let hash = hash_of(column);
        let same = |place: &usize| named.get(*place).is_some_and(|known| **known == *column);
        if index.find(hash, same).is_some() {
            return false;
        }
        named.push(column.into());
        let place = named.len() - 1;
        index.insert_unique(hash, place, |place| {
            named.get(*place).map_or(0, |known| hash_of(known))
        });
        true
    }
}

impl Reader<'_> {
    /// Adds an effect, or its columns to the same one; the answer is where it stands, unless there are
    /// too many.
    pub(super) fn add_effect(&mut self, mut effect: Effect) -> Option<usize> {
        let columns = std::mem::take(&mut effect.columns);
        let place = self.effects.insert(effect)?;
        let known = self.effects.get_mut(place)?;
        known.columns.all |= columns.all;
        if known.columns.named.is_empty() {
            self.budget.spend(columns.named.len() * NEW_COLUMN);
            known.columns.named = columns.named;
        } else {
            for column in &columns.named {
                self.use_column(place, column);
            }
        }
        Some(place)
    }

    /// Adds a column to those of an effect.
    pub(super) fn use_column(&mut self, place: usize, column: &str) {
        if !self.budget.spend(1) {
            return;
        }
        let Some(effect) = self.effects.get_mut(place) else {
            return;
        };
        if self.columns.add(place, &mut effect.columns, column) {
            self.budget.spend(NEW_COLUMN);
        }
    }
}
