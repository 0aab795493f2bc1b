//! Which records are asked for.

use jiff::Timestamp;

use crate::entry::Entry;

/// Which records are asked for: those to which everything applies that is given.
///
/// Several values of one field are alternatives. Names are compared as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// The event's word.
    pub events: Vec<String>,
    /// The role, or the principal.
    pub users: Vec<String>,
    /// The database.
    pub databases: Vec<String>,
    /// The rule that decided, or that left its mark.
    pub rules: Vec<String>,
    /// `allow` or `deny`.
    pub verdicts: Vec<String>,
    /// The statement's kind.
    pub kinds: Vec<String>,
    /// A table: with its schema as the text names it, or the last part of the name alone.
    pub tables: Vec<String>,
    /// The statement's fingerprint.
    pub fingerprints: Vec<String>,
    /// Texts that all stand somewhere in the statement's text, or in those of the statements that it
    /// runs, upper or lower case.
    pub texts: Vec<String>,
    /// The SQLSTATE, or the class that it begins with (two characters).
    pub sqlstates: Vec<String>,
    /// The outcome's word.
    pub outcomes: Vec<String>,
    /// The risk's word.
    pub risks: Vec<String>,
    /// The session.
    pub sessions: Vec<String>,
    /// The client's address, without its port.
    pub client_addrs: Vec<String>,
}

impl Filter {
    /// Whether a record is asked for.
    pub fn matches(&self, entry: &Entry<'_>) -> bool {
        self.is_in_time(entry)
            && one_of(&self.events, |event| *event == entry.event)
            && one_of(&self.users, |user| {
                *user == entry.user || *user == entry.principal
            })
            && one_of(&self.databases, |database| *database == entry.database)
            && one_of(&self.rules, |rule| {
                *rule == entry.rule || entry.marks.iter().any(|mark| mark == rule)
            })
            && one_of(&self.verdicts, |verdict| *verdict == entry.verdict)
            && one_of(&self.kinds, |kind| *kind == entry.kind)
            && one_of(&self.tables, |table| {
                let mut tables = entry.tables.iter();
                tables.any(|name| *name == *table || last_part(name) == table)
            })
            && one_of(&self.fingerprints, |one| *one == entry.fingerprint)
            && self.has_texts(entry)
            && one_of(&self.sqlstates, |state| is_sqlstate(state, &entry.sqlstate))
            && one_of(&self.outcomes, |outcome| *outcome == entry.outcome)
            && one_of(&self.risks, |risk| *risk == entry.risk)
            && one_of(&self.sessions, |session| *session == entry.session)
            && one_of(&self.client_addrs, |addr| *addr == entry.client_addr)
    }

    /// Whether every record is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn is_in_time(&self, entry: &Entry<'_>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(micros) = entry.micros() else {
            return false;
        };
        self.since
            .is_none_or(|since| since.as_microsecond() <= micros)
            && self
                .until
                .is_none_or(|until| micros < until.as_microsecond())
    }

    fn has_texts(&self, entry: &Entry<'_>) -> bool {
        if self.texts.is_empty() {
            return true;
        }
        let text = entry.all_texts().to_lowercase();
        self.texts
            .iter()
            .all(|part| text.contains(&part.to_lowercase()))
    }
}

/// Whether one of them applies, or none is given.
fn one_of(wanted: &[String], applies: impl Fn(&String) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(applies)
}

fn is_sqlstate(wanted: &str, sqlstate: &str) -> bool {
    wanted == sqlstate || (wanted.len() == 2 && sqlstate.starts_with(wanted))
}

/// A name without its schema.
pub(crate) fn last_part(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}
