//! Analyses of texts that have been seen, within a bound of bytes.
//!
//! Eviction is by CLOCK: a hand goes round and drops what nobody has asked for since it last came
//! by. The hash is keyed by chance, so that nobody can aim at one shard; the whole text decides.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use crate::analysis::Analysis;
use crate::settings::LexerSettings;

/// So that sessions on different cores seldom wait for each other.
const SHARDS: usize = 16;

/// What a shard may give to one text, so that no text drives out all others.
const LARGEST_SHARE: usize = 4;

pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    shard_bytes: usize,
}

#[derive(Default)]
struct Shard {
    index: HashTable<usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    hand: usize,
    bytes: usize,
}

struct Slot {
    hash: u64,
    settings: LexerSettings,
    text: Box<[u8]>,
    analysis: Arc<Analysis>,
    bytes: usize,
    is_used: bool,
}

impl Cache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            shard_bytes: bytes / SHARDS,
        }
    }

    /// The analysis of a text, if it is known. Allocates nothing.
    pub(crate) fn get(&self, text: &[u8], settings: LexerSettings) -> Option<Arc<Analysis>> {
        let hash = self.hash(text, settings);
        let mut shard = self.shard(hash);
        let place = shard.find(hash, text, settings)?;
        let slot = shard.slots.get_mut(place)?.as_mut()?;
        slot.is_used = true;
        Some(Arc::clone(&slot.analysis))
    }

    /// Keeps an analysis, if it fits.
    pub(crate) fn insert(&self, text: &[u8], settings: LexerSettings, analysis: &Arc<Analysis>) {
        let bytes = text.len() + analysis.size() + size_of::<Slot>();
        if bytes > self.shard_bytes / LARGEST_SHARE {
            return;
        }
        let slot = Slot {
            hash: self.hash(text, settings),
            settings,
            text: text.into(),
            analysis: Arc::clone(analysis),
            bytes,
            is_used: false,
        };
        let mut shard = self.shard(slot.hash);
        if shard.find(slot.hash, text, settings).is_some() {
            return;
        }
        shard.make_room(bytes, self.shard_bytes);
        shard.insert(slot);
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).bytes).sum()
    }

    fn hash(&self, text: &[u8], settings: LexerSettings) -> u64 {
        self.hasher.hash_one((settings, text))
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The table uses the lowest and the highest bits.
        let [_, _, _, byte, ..] = hash.to_le_bytes();
        let place = usize::from(byte) % SHARDS;
        lock(self.shards.get(place).unwrap_or(&self.shards[0]))
    }
}

/// A shard is whole between any two calls, so a panic elsewhere doesn't spoil it.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, hash: u64, text: &[u8], settings: LexerSettings) -> Option<usize> {
        let same = |place: &usize| {
            self.slots.get(*place).is_some_and(|slot| {
                slot.as_ref().is_some_and(|slot| {
                    slot.hash == hash && slot.settings == settings && *slot.text == *text
                })
            })
        };
        self.index.find(hash, same).copied()
    }

    fn make_room(&mut self, bytes: usize, limit: usize) {
        while self.bytes + bytes > limit && !self.index.is_empty() {
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            match self.slots.get_mut(self.hand) {
                Some(Some(slot)) if slot.is_used => slot.is_used = false,
                Some(slot @ Some(_)) => {
                    if let Some(dropped) = slot.take() {
                        self.forget(&dropped);
                    }
                }
                Some(None) | None => {}
            }
        }
    }

    /// Takes the slot under the hand out of the books.
    fn forget(&mut self, dropped: &Slot) {
        let place = self.hand;
        self.bytes -= dropped.bytes;
        self.free.push(place);
        if let Ok(entry) = self.index.find_entry(dropped.hash, |other| *other == place) {
            entry.remove();
        }
    }

    fn insert(&mut self, slot: Slot) {
        let hash = slot.hash;
        self.bytes += slot.bytes;
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(empty) = self.slots.get_mut(place) {
            *empty = Some(slot);
        }
        let slots = &self.slots;
        self.index.insert_unique(hash, place, |place| {
            slots
                .get(*place)
                .and_then(Option::as_ref)
                .map_or(0, |slot| slot.hash)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::StandardConformingStrings;

    fn analysis() -> Arc<Analysis> {
        Arc::default()
    }

    #[test]
    fn text_is_found_under_its_own_settings_only() {
        let cache = Cache::new(1 << 20);
        let settings = LexerSettings::default();
        let kept = analysis();
        cache.insert(b"SELECT 1", settings, &kept);
        let found = cache.get(b"SELECT 1", settings).expect("it is there");
        assert!(Arc::ptr_eq(&found, &kept));
        assert!(cache.get(b"SELECT 2", settings).is_none());
        let off = LexerSettings {
            standard_conforming_strings: StandardConformingStrings::Off,
            ..settings
        };
        assert!(cache.get(b"SELECT 1", off).is_none());
    }

    #[test]
    fn bytes_stay_within_the_bound() {
        let cache = Cache::new(64 << 10);
        let settings = LexerSettings::default();
        for number in 0..10_000 {
            cache.insert(format!("SELECT {number}").as_bytes(), settings, &analysis());
            assert!(cache.bytes() <= 64 << 10);
        }
        assert!(cache.bytes() > 32 << 10);
        // A text that is too large for its share isn't kept.
        let large = vec![b' '; 60 << 10];
        cache.insert(&large, settings, &analysis());
        assert!(cache.get(&large, settings).is_none());
    }

    #[test]
    fn what_is_asked_for_stays() {
        let cache = Cache::new(64 << 10);
        let settings = LexerSettings::default();
        cache.insert(b"SELECT hot", settings, &analysis());
        for number in 0..10_000 {
            cache.insert(format!("SELECT {number}").as_bytes(), settings, &analysis());
            assert!(cache.get(b"SELECT hot", settings).is_some(), "{number}");
        }
    }
}
