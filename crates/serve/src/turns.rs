//! Which direction of a connection is to be polled.
//!
//! One task polls both directions, and each waits with a waker of its own. So what wakes the one does
//! not have the other look in vain whether its socket has something, which would be every second look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// The turns of the two directions that one task polls.
#[derive(Debug, Default)]
pub struct Turns(Option<Sides>);

/// The turn of each direction.
#[derive(Debug)]
pub struct Sides {
    task: Waker,
    /// Of the first direction.
    pub up: Turn,
    /// Of the second.
    pub down: Turn,
}

/// When a direction is to be polled, and what wakes it.
#[derive(Debug)]
pub struct Turn {
    side: Arc<Side>,
    waker: Waker,
}

#[derive(Debug)]
struct Side {
    is_due: AtomicBool,
    task: Waker,
}

impl Turns {
    /// The turns in a poll of the task. In the first poll, and when the task has another waker than
    /// before, each direction is due.
    pub fn of(&mut self, task: &Waker) -> &Sides {
        if self
            .0
            .as_ref()
            .is_none_or(|sides| !sides.task.will_wake(task))
        {
            self.0 = None;
        }
        self.0.get_or_insert_with(|| Sides {
            task: task.clone(),
            up: Turn::new(task),
            down: Turn::new(task),
        })
    }
}

impl Turn {
    fn new(task: &Waker) -> Self {
        let side = Arc::new(Side {
            is_due: AtomicBool::new(true),
            task: task.clone(),
        });
        let waker = Waker::from(Arc::clone(&side));
        Self { side, waker }
    }

    /// Whether the direction was woken since it was asked last. Whoever asks has to poll it: it will
    /// not be due for the same reason again.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.side.is_due.swap(false, Ordering::AcqRel)
    }

    /// With what the direction is polled.
    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

impl Wake for Side {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the task was woken.
    #[derive(Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_direction_is_due_when_it_was_woken_itself() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut turns = Turns::default();
        let sides = turns.of(&waker);
        assert!(sides.up.is_due() && sides.down.is_due());
        assert!(!sides.up.is_due() && !sides.down.is_due());
        sides.down.context().waker().wake_by_ref();
        assert!(task.0.load(Ordering::SeqCst));
        let sides = turns.of(&waker);
        assert!(!sides.up.is_due() && sides.down.is_due());
        // Nobody knows what the old waker was to tell the new task.
        let sides = turns.of(Waker::noop());
        assert!(sides.up.is_due() && sides.down.is_due());
    }
}
