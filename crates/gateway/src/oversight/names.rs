//! Prepared statements and portals: what a name may stand for when the server comes to it.
//!
//! The client can send on before the server has answered, so there are two truths. What the server
//! has confirmed is exact, and what is recorded follows it. What was sent and not answered yet may or
//! may not come about, so a decision is taken over everything that a name may stand for.

use std::sync::Arc;

use hashbrown::HashMap;

use super::cut::Amount;

/// `NAMEDATALEN - 1`: the server tells names apart by so many bytes and ignores the others.
const SIGNIFICANT: usize = 63;

/// Things that may be waiting under one name; a client that sends more without reading the answers
/// has to wait for them.
const MAX_CANDIDATES: usize = 64;

/// Names of one kind.
#[derive(Debug)]
pub(super) struct Names<T> {
    /// What has no name is used most, and stays where it is.
    unnamed: Named<T>,
    by_name: HashMap<Box<[u8]>, Named<T>>,
}

/// What one name may stand for.
#[derive(Debug)]
struct Named<T> {
    /// What it stands for after all that the server has answered.
    confirmed: Option<Arc<T>>,
    /// What it may come to stand for.
    sent: Vec<Arc<T>>,
    /// How many of those are not answered.
    unanswered: usize,
    /// The last one sent.
    latest: Option<Latest<T>>,
    /// What the client was sent of what it stands for, where that is a portal that gives more.
    amount: Amount,
}

/// What a name was given for last.
#[derive(Debug)]
struct Latest<T> {
    batch: u64,
    thing: Arc<T>,
    fate: Fate,
}

/// What will become of a name that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server decides.
    Open,
    /// The server refuses it, and skips the rest of the batch.
    Doomed,
}

/// How much is known of what a name stands for.
pub(super) enum Sole<T> {
    /// Nobody saw it given.
    None,
    /// It stands for this.
    One(Arc<T>),
    /// It may stand for more than one thing.
    Many,
}

impl<T> Names<T> {
    pub(super) fn new() -> Self {
        Self {
            unnamed: Named::default(),
            by_name: HashMap::new(),
        }
    }

    /// Notes that the server was asked to let `name` stand for `thing`.
    ///
    /// A batch ends with a Sync. Within one, a name that was given in it stands for what it was given
    /// for: if that failed, the server skips the rest of the batch.
    pub(super) fn sent(&mut self, name: &[u8], thing: &Arc<T>, batch: Option<u64>) {
        let named = self.entry(name);
        named.unanswered += 1;
        if !named.sent.iter().any(|sent| Arc::ptr_eq(sent, thing)) {
            named.sent.push(Arc::clone(thing));
        }
        named.latest = batch.map(|batch| Latest {
            batch,
            thing: Arc::clone(thing),
            fate: Fate::Open,
        });
    }

    /// Notes that the server was asked to let `name` stand for `thing`, and will certainly not do so:
    /// it stands for that in the rest of the batch, of which nothing is run, and never afterwards.
    pub(super) fn doomed(&mut self, name: &[u8], thing: &Arc<T>, batch: u64) {
        let named = self.entry(name);
        named.unanswered += 1;
        named.latest = Some(Latest {
            batch,
            thing: Arc::clone(thing),
            fate: Fate::Doomed,
        });
    }

    /// What will become of the name as it was given in this batch.
    pub(super) fn fate(&self, name: &[u8], batch: u64) -> Fate {
        let named = self.get(name);
        let latest = named.and_then(|named| named.latest.as_ref());
        latest
            .filter(|latest| latest.batch == batch)
            .map_or(Fate::Open, |latest| latest.fate)
    }

    /// Whether a client may give this name again before the server has answered.
    pub(super) fn has_room(&self, name: &[u8]) -> bool {
        self.get(name)
            .is_none_or(|named| named.sent.len() < MAX_CANDIDATES)
    }

    /// Notes that the server has done so.
    pub(super) fn confirmed(&mut self, name: &[u8], thing: &Arc<T>) {
        let named = self.entry(name);
        named.confirmed = Some(Arc::clone(thing));
        named.amount = Amount::default();
        self.answered(name);
    }

    /// Notes that the server has not done so, and won't.
    pub(super) fn failed(&mut self, name: &[u8]) {
        self.answered(name);
    }

    /// Notes that the server has forgotten a name.
    pub(super) fn closed(&mut self, name: &[u8]) {
        let Some(named) = self.get_mut(name) else {
            return;
        };
        named.confirmed = None;
        if named.unanswered == 0 {
            self.by_name.remove(significant(name));
        }
    }

    /// Notes that the server has forgotten all names but those of some things.
    pub(super) fn all_closed(&mut self, but: impl Fn(&T) -> bool) {
        let close = |named: &mut Named<T>| named.confirmed.take_if(|thing| !but(thing));
        close(&mut self.unnamed);
        self.by_name.retain(|_, named| {
            close(named);
            named.confirmed.is_some() || named.unanswered > 0
        });
    }

    /// All things of a kind that any name may stand for.
    pub(super) fn all(&self, of: impl Fn(&T) -> bool) -> impl Iterator<Item = &Arc<T>> {
        std::iter::once(&self.unnamed)
            .chain(self.by_name.values())
            .flat_map(|named| named.confirmed.iter().chain(&named.sent))
            .filter(move |thing| of(thing))
    }

    /// What the client was sent of what the name stands for by now.
    pub(super) fn sent_of(&self, name: &[u8]) -> Amount {
        self.get(name)
            .map_or(Amount::default(), |named| named.amount)
    }

    /// Notes that the client was sent more of it.
    pub(super) fn count(&mut self, name: &[u8], amount: Amount) {
        let named = self.entry(name);
        named.amount = named.amount.plus(amount);
    }

    /// What the name stands for by now.
    pub(super) fn exact(&self, name: &[u8]) -> Option<&Arc<T>> {
        self.get(name).and_then(|named| named.confirmed.as_ref())
    }

    /// All that the name may stand for when the server comes to a message of this batch.
    pub(super) fn candidates(&self, name: &[u8], batch: u64) -> impl Iterator<Item = &Arc<T>> {
        let named = self.get(name);
        let only = named.and_then(|named| match &named.latest {
            Some(latest) if latest.batch == batch => Some(&latest.thing),
            _ => None,
        });
        let all = named.filter(|_| only.is_none());
        let confirmed = all.and_then(|named| named.confirmed.as_ref());
        let sent = all.map(|named| named.sent.as_slice()).unwrap_or_default();
        only.into_iter().chain(confirmed).chain(sent)
    }

    /// The one thing that the name may stand for, if there are no two.
    pub(super) fn sole(&self, name: &[u8], batch: u64) -> Sole<T> {
        let mut candidates = self.candidates(name, batch);
        match (candidates.next(), candidates.next()) {
            (None, _) => Sole::None,
            (Some(one), None) => Sole::One(Arc::clone(one)),
            (Some(_), Some(_)) => Sole::Many,
        }
    }

    /// How many names there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_name.len() + usize::from(self.unnamed.stands_for_something())
    }

    fn answered(&mut self, name: &[u8]) {
        let Some(named) = self.get_mut(name) else {
            return;
        };
        named.unanswered = named.unanswered.saturating_sub(1);
        if named.unanswered > 0 {
            return;
        }
        named.sent.clear();
        named.latest = None;
        if named.confirmed.is_none() {
            self.by_name.remove(significant(name));
        }
    }

    fn entry(&mut self, name: &[u8]) -> &mut Named<T> {
        if name.is_empty() {
            return &mut self.unnamed;
        }
        self.by_name.entry(significant(name).into()).or_default()
    }

    fn get(&self, name: &[u8]) -> Option<&Named<T>> {
        if name.is_empty() {
            return Some(&self.unnamed);
        }
        self.by_name.get(significant(name))
    }

    fn get_mut(&mut self, name: &[u8]) -> Option<&mut Named<T>> {
        if name.is_empty() {
            return Some(&mut self.unnamed);
        }
        self.by_name.get_mut(significant(name))
    }
}

#[cfg(test)]
impl<T> Named<T> {
    fn stands_for_something(&self) -> bool {
        self.confirmed.is_some() || self.unanswered > 0
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            confirmed: None,
            sent: Vec::new(),
            unanswered: 0,
            latest: None,
            amount: Amount::default(),
        }
    }
}

/// The part of a name that the server looks at.
fn significant(name: &[u8]) -> &[u8] {
    name.get(..SIGNIFICANT).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(names: &Names<u32>, name: &[u8], batch: u64) -> Vec<u32> {
        names.candidates(name, batch).map(|thing| **thing).collect()
    }

    #[test]
    fn within_a_batch_a_name_is_what_it_was_given_for() {
        let mut names = Names::new();
        names.sent(b"s", &Arc::new(1), Some(0));
        names.confirmed(b"s", &Arc::new(1));
        names.sent(b"s", &Arc::new(2), Some(1));
        assert_eq!(candidates(&names, b"s", 1), [2]);
        // After the Sync nobody knows whether it worked.
        assert_eq!(candidates(&names, b"s", 2), [1, 2]);
        names.failed(b"s");
        assert_eq!(candidates(&names, b"s", 2), [1]);
    }

    #[test]
    fn what_will_fail_is_meant_in_its_batch_and_never_afterwards() {
        let mut names = Names::new();
        names.sent(b"s", &Arc::new(1), Some(0));
        names.confirmed(b"s", &Arc::new(1));
        names.doomed(b"s", &Arc::new(2), 1);
        assert_eq!(candidates(&names, b"s", 1), [2]);
        assert_eq!(names.fate(b"s", 1), Fate::Doomed);
        assert_eq!(candidates(&names, b"s", 2), [1]);
        assert_eq!(names.fate(b"s", 2), Fate::Open);
        names.failed(b"s");
        assert_eq!(candidates(&names, b"s", 1), [1]);
    }

    #[test]
    fn what_is_unanswered_counts_until_all_of_it_is_answered() {
        let mut names = Names::new();
        let (a, b) = (Arc::new(1), Arc::new(2));
        names.sent(b"", &a, Some(0));
        names.sent(b"", &b, Some(1));
        names.confirmed(b"", &a);
        assert_eq!(candidates(&names, b"", 5), [1, 1, 2]);
        names.confirmed(b"", &b);
        assert_eq!(candidates(&names, b"", 5), [2]);
        assert_eq!(names.exact(b""), Some(&b));
    }

    #[test]
    fn names_that_the_server_can_t_tell_apart_are_one() {
        let mut names = Names::new();
        let long = [b'x'; 70];
        names.sent(&long, &Arc::new(1), Some(0));
        names.confirmed(&long, &Arc::new(1));
        assert_eq!(names.exact(&long[..63]), Some(&Arc::new(1)));
        names.closed(&long[..64]);
        assert_eq!(names.len(), 0);
    }

    #[test]
    fn a_name_that_came_to_nothing_is_forgotten() {
        let mut names = Names::new();
        names.sent(b"s", &Arc::new(1), None);
        names.all_closed(|_| false);
        assert_eq!(names.len(), 1);
        names.failed(b"s");
        assert_eq!(names.len(), 0);
    }
}
