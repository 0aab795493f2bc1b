//! Analyzes texts: from the cache, at once, or on a thread of its own.

use std::cell::RefCell;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use querycop_policy::facts::{Kind, Unreadable};

use crate::analysis::{Analysis, Limits, check, defect, refused};
use crate::cache::Cache;
use crate::pool::Pool;
use crate::settings::LexerSettings;
use crate::shape::{literal_was_read, shape};

/// Bounds of an [`Analyzer`].
#[derive(Clone, Copy, Debug)]
pub struct AnalyzerConfig {
    /// Bytes that a text may have; longer ones are `unparsed`. Default: 4 MiB, which takes a thread
    /// about half a second and some hundred megabytes for a moment.
    pub max_text_bytes: usize,
    /// Bytes of a statement's redacted text that are kept. Default: 16 KiB.
    pub max_redacted_bytes: usize,
    /// Bytes that the cache may hold, texts and facts. Default: 32 MiB.
    pub cache_bytes: usize,
    /// Threads for deep and large texts. Default: 2.
    pub threads: NonZeroUsize,
}

/// Texts beyond this are not even measured on a session's own time.
const MAX_INLINE_BYTES: usize = 8 << 10;

thread_local! {
    /// Where a thread writes the shapes of texts, again and again.
    static SHAPE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Analyzes texts. One for the process, shared by all sessions.
pub struct Analyzer {
    cache: Cache,
    /// Analyses that hold for all texts of a shape, by the shape.
    shapes: Cache,
    pool: Pool,
    limits: Limits,
}

impl Default for AnalyzerConfig {
    fn default() -> Self {
        Self {
            max_text_bytes: 4 << 20,
            max_redacted_bytes: 16 << 10,
            cache_bytes: 32 << 20,
            threads: NonZeroUsize::MIN.saturating_add(1),
        }
    }
}

impl Analyzer {
    /// Starts an analyzer and its threads; fails if the system has no more threads to give.
    pub fn new(config: AnalyzerConfig) -> io::Result<Self> {
        Ok(Self {
            cache: Cache::new(config.cache_bytes / 2),
            shapes: Cache::new(config.cache_bytes / 2),
            pool: Pool::start(config.threads)?,
            limits: Limits {
                text_bytes: config.max_text_bytes,
                redacted_bytes: config.max_redacted_bytes,
            },
        })
    }

    /// The analysis of a text that has been seen under the same settings, be it with other literals
    /// that make no difference; then places in the text are those of the text that was seen first.
    pub fn cached(&self, text: &[u8], settings: LexerSettings) -> Option<Arc<Analysis>> {
        SHAPE.with_borrow_mut(|key| self.look_up(text, settings, key).0)
    }

    /// The analysis of a text that is [cached](Self::cached), or that is short and flat enough to be
    /// analyzed at once, in some ten microseconds. `None` leaves it to [`Analyzer::analyze`].
    pub fn analyze_at_once(&self, text: &[u8], settings: LexerSettings) -> Option<Arc<Analysis>> {
        SHAPE.with_borrow_mut(|key| {
            let (known, has_shape) = self.look_up(text, settings, key);
            if known.is_some() {
                return known;
            }
            let (analysis, read) = literal_was_read(|| self.analyze_inline(text, settings));
            let analysis = analysis?;
            if has_shape && !read && may_share(&analysis) {
                let analysis = Arc::new(analysis);
                self.shapes.insert(key, settings, &analysis);
                return Some(analysis);
            }
            Some(self.keep(text, settings, analysis))
        })
    }

    /// Analyzes a text: the bytes of a Query or Parse message, without the NUL that ends them.
    ///
    /// Never fails: what can't be read says so in its facts. Short and flat texts are analyzed at
    /// once, in some ten microseconds; others wait for a thread. Cancel safe.
    pub async fn analyze(&self, text: &[u8], settings: LexerSettings) -> Arc<Analysis> {
        if let Some(analysis) = self.analyze_at_once(text, settings) {
            return analysis;
        }
        let analysis = self.analyze_elsewhere(text, settings).await;
        self.keep(text, settings, analysis)
    }

    /// The analysis of a text that can't be read for a reason that the caller knows; its beginning is
    /// enough.
    pub fn refuse(
        &self,
        reason: Unreadable,
        beginning: &[u8],
        settings: LexerSettings,
    ) -> Arc<Analysis> {
        Arc::new(refused(reason, beginning, settings, self.limits))
    }

    /// The longest text that is read, in bytes.
    pub fn max_text_bytes(&self) -> usize {
        self.limits.text_bytes
    }

    /// What is known of a text, and whether it has a shape, which then is in `key`.
    fn look_up(
        &self,
        text: &[u8],
        settings: LexerSettings,
        key: &mut Vec<u8>,
    ) -> (Option<Arc<Analysis>>, bool) {
        key.clear();
        let has_shape = shape(text, key);
        let of_shape = has_shape.then(|| self.shapes.get(key, settings)).flatten();
        let known = of_shape.or_else(|| self.cache.get(text, settings));
        (known, has_shape)
    }

    fn keep(&self, text: &[u8], settings: LexerSettings, analysis: Analysis) -> Arc<Analysis> {
        let analysis = Arc::new(analysis);
        if analysis.facts.unreadable != Some(Unreadable::Defect) {
            self.cache.insert(text, settings, &analysis);
        }
        analysis
    }

    /// About how many bytes the cache holds.
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes() + self.shapes.bytes()
    }

    fn analyze_inline(&self, text: &[u8], settings: LexerSettings) -> Option<Analysis> {
        if text.len() > MAX_INLINE_BYTES {
            return None;
        }
        match check(text, settings, self.limits) {
            Ok(measured) if measured.is_small() => Some(measured.analyze()),
            Ok(_) => None,
            Err(refused) => Some(*refused),
        }
    }

    async fn analyze_elsewhere(&self, text: &[u8], settings: LexerSettings) -> Analysis {
        if text.len() > self.limits.text_bytes {
            // Not worth a copy.
            return crate::pool::analyze(text, settings, self.limits);
        }
        match self.pool.analyze(text, settings, self.limits).await {
            Some(analysis) => analysis,
            None => defect(text, settings, self.limits),
        }
    }
}

/// Whether an analysis may stand for other texts of its shape, if no literal was read for it.
///
/// Only in queries and changes of rows is every literal a constant of an expression. Elsewhere one
/// can be a file, a password or a body of code.
fn may_share(analysis: &Analysis) -> bool {
    let facts = &analysis.facts;
    let [statement] = facts.statements.as_slice() else {
        return false;
    };
    facts.unreadable.is_none()
        && statement.kinds.iter().all(|kind| {
            matches!(
                kind,
                Kind::Select | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge
            )
        })
}
