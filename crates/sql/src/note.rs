//! What others derive from an analysis, kept as long as the analysis is.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A place beside an analysis for one thing that somebody else derives from it.
///
/// It goes when the analysis goes, so that nobody needs a second cache beside the first.
#[derive(Clone, Default)]
pub struct Note(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Note {
    /// What was derived, or what `derive` makes now. Of another type than the first caller's it is
    /// made anew each time.
    pub fn get_or_derive<T: Any + Send + Sync>(&self, derive: impl Fn() -> T) -> Arc<T> {
        let kept = self.0.get_or_init(|| Arc::new(derive()));
        Arc::clone(kept)
            .downcast()
            .unwrap_or_else(|_| Arc::new(derive()))
    }
}

/// Analyses are the same whatever was derived from them.
impl PartialEq for Note {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Note")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_derived_once_is_kept() {
        let note = Note::default();
        let first = note.get_or_derive(|| 1_u32);
        let again = note.get_or_derive(|| 2_u32);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*note.get_or_derive(|| "other"), "other");
    }
}
