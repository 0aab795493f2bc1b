//! A record as it is read back.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

/// A record as it is read back: what filters, tables and other programs ask for.
///
/// A field that the record doesn't have is empty, or `None`. Fields that this version doesn't know
/// are passed over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are those of a line; the schema describes them"
)]
pub struct Entry<'l> {
    pub sequence: u64,
    #[serde(borrow)]
    pub time: Cow<'l, str>,
    #[serde(borrow)]
    pub event: Cow<'l, str>,
    #[serde(borrow)]
    pub session: Cow<'l, str>,
    pub number: u64,
    #[serde(borrow)]
    pub user: Cow<'l, str>,
    #[serde(borrow)]
    pub database: Cow<'l, str>,
    #[serde(borrow)]
    pub principal: Cow<'l, str>,
    #[serde(borrow)]
    pub client_addr: Cow<'l, str>,
    pub client_port: Option<u16>,
    #[serde(borrow)]
    pub tls: Cow<'l, str>,
    #[serde(borrow)]
    pub application_name: Cow<'l, str>,
    #[serde(borrow)]
    pub backend: Cow<'l, str>,
    #[serde(borrow)]
    pub backend_role: Cow<'l, str>,
    #[serde(borrow)]
    pub via: Cow<'l, str>,
    #[serde(borrow)]
    pub kind: Cow<'l, str>,
    #[serde(borrow)]
    pub inner_kinds: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub actions: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub tables: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub functions: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub features: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub effects: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub fingerprint: Cow<'l, str>,
    #[serde(borrow)]
    pub text: Cow<'l, str>,
    #[serde(borrow)]
    pub runs: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub raw_text: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub verdict: Cow<'l, str>,
    #[serde(borrow)]
    pub rule: Cow<'l, str>,
    #[serde(borrow)]
    pub marks: Vec<Cow<'l, str>>,
    #[serde(borrow)]
    pub risk: Cow<'l, str>,
    #[serde(borrow)]
    pub policy: Cow<'l, str>,
    #[serde(borrow)]
    pub outcome: Cow<'l, str>,
    #[serde(borrow)]
    pub tag: Cow<'l, str>,
    pub rows: Option<u64>,
    #[serde(borrow)]
    pub sqlstate: Cow<'l, str>,
    #[serde(borrow)]
    pub reason: Cow<'l, str>,
    pub bytes: Option<u64>,
    pub duration_us: Option<u64>,
}

impl<'l> Entry<'l> {
    /// Reads a line; `None` if it is no record.
    pub fn read(line: &'l [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The statement's text, and the texts of those that it runs, each on lines of its own.
    pub fn all_texts(&self) -> Cow<'_, str> {
        if self.runs.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut texts = self.text.to_string();
        for text in &self.runs {
            texts.push('\n');
            texts.push_str(text);
        }
        Cow::Owned(texts)
    }

    /// Its time, in microseconds since 1970.
    pub fn micros(&self) -> Option<i64> {
        let time: Timestamp = self.time.parse().ok()?;
        Some(time.as_microsecond())
    }
}
