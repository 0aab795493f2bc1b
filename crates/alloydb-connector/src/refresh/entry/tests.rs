//! Refreshes against a scripted source, on a paused clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinSet;
use tokio::time::advance;

use super::*;
use crate::{Addresses, BoxFuture, tls};

type Answer = dyn Fn(u64) -> BoxFuture<'static, Result<Material, RefreshError>> + Send + Sync;

/// A source that answers by script; the argument counts its calls from 0.
struct Scripted {
    calls: AtomicU64,
    answer: Box<Answer>,
}

impl Fetch for Scripted {
    fn fetch<'a>(&'a self, _: &'a InstanceUri) -> BoxFuture<'a, Result<Material, RefreshError>> {
        (self.answer)(self.calls.fetch_add(1, Ordering::SeqCst))
    }
}

/// Wall time that goes with tokio's, and on while the machine is suspended.
#[derive(Clone)]
struct Wall {
    base: SystemTime,
    start: Instant,
    suspended: Arc<AtomicU64>,
}

impl Wall {
    fn new() -> Self {
        Self {
            base: SystemTime::now(),
            start: Instant::now(),
            suspended: Arc::default(),
        }
    }

    fn now(&self) -> SystemTime {
        let suspended = Duration::from_secs(self.suspended.load(Ordering::SeqCst));
        self.base + self.start.elapsed() + suspended
    }

    fn material(&self, life: Duration) -> Material {
        let tls = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Material {
            addresses: Addresses::default(),
            tls: Arc::new(tls),
            expires_at: self.now() + life,
            refreshed_at: self.now(),
            life,
        }
    }
}

const HOUR: Duration = Duration::from_hours(1);

fn instance() -> InstanceUri {
    "projects/p/locations/l/clusters/c/instances/i"
        .parse()
        .unwrap()
}

fn status(code: u16) -> RefreshError {
    RefreshError::new(
        &instance(),
        RefreshFailure::Status {
            call: "connectionInfo",
            code,
            status: String::new(),
            message: "scripted".to_owned(),
            reason: None,
        },
    )
}

struct Bed {
    entry: Arc<Entry>,
    source: Arc<Scripted>,
    wall: Wall,
    closed: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Bed {
    fn calls(&self) -> u64 {
        self.source.calls.load(Ordering::SeqCst)
    }

    async fn dial(&self) -> Result<Arc<Material>, Error> {
        self.entry.material().await.map(|(material, _)| material)
    }

    /// Lets the task do what it can do without time passing.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

/// An entry whose source answers what `answer` makes of the wall clock and the call's number.
fn bed<F, Fut>(strategy: RefreshStrategy, answer: F) -> Bed
where
    F: Fn(Wall, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Material, RefreshError>> + Send + 'static,
{
    let wall = Wall::new();
    let scripted = wall.clone();
    let source = Arc::new(Scripted {
        calls: AtomicU64::new(0),
        answer: Box::new(move |call| Box::pin(answer(scripted.clone(), call))),
    });
    let closed = CancellationToken::new();
    let clock = wall.clone();
    let pace = Pace {
        strategy,
        refresh_timeout: Duration::from_mins(1),
        clock: Arc::new(move || clock.now()),
        closed: closed.clone(),
        telemetry: Telemetry::default(),
    };
    let (entry, task) = Entry::new(instance(), pace, source.clone());
    Bed {
        entry,
        source,
        wall,
        closed,
        task: tokio::spawn(task),
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_dials_wait_for_one_refresh() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        sleep(Duration::from_secs(1)).await;
        Ok(wall.material(HOUR))
    });
    let mut dials = JoinSet::new();
    for _ in 0..1000 {
        let entry = bed.entry.clone();
        dials.spawn(async move { entry.material().await.is_ok() });
    }
    assert!(dials.join_all().await.into_iter().all(|dialled| dialled));
    assert_eq!(bed.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_twenty_seconds_never_fails_a_dial_in_ten_minutes() {
    let life = Duration::from_secs(20);
    let bed = bed(RefreshStrategy::Ahead, move |wall, _| async move {
        sleep(Duration::from_millis(300)).await;
        Ok(wall.material(life))
    });
    let began = Instant::now();
    while began.elapsed() < Duration::from_mins(10) {
        let material = bed.dial().await.unwrap();
        assert!(material.is_valid(bed.wall.now()));
        advance(Duration::from_millis(50)).await;
    }
    // Twice in each life, not in a hot loop.
    assert!((50..=80).contains(&bed.calls()), "{}", bed.calls());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_twenty_seconds_survives_every_third_refresh_failing() {
    let life = Duration::from_secs(20);
    let bed = bed(RefreshStrategy::Ahead, move |wall, call| async move {
        match call % 3 {
            2 => Err(status(503)),
            _ => Ok(wall.material(life)),
        }
    });
    let began = Instant::now();
    while began.elapsed() < Duration::from_mins(10) {
        let material = bed.dial().await.unwrap();
        assert!(material.is_valid(bed.wall.now()));
        advance(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_an_hour_is_renewed_without_a_dial() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        Ok(wall.material(HOUR))
    });
    bed.dial().await.unwrap();
    sleep(Duration::from_mins(31)).await;
    bed.settle().await;
    assert_eq!(bed.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn valid_material_serves_while_refreshes_fail_and_they_are_paced() {
    let bed = bed(RefreshStrategy::Ahead, |wall, call| async move {
        match call {
            0 => Ok(wall.material(HOUR)),
            _ => Err(status(503)),
        }
    });
    let first = bed.dial().await.unwrap();
    sleep(Duration::from_mins(50)).await;
    let still = bed.dial().await.unwrap();
    assert!(Arc::ptr_eq(&first, &still));
    assert!(bed.entry.status().last_failure().unwrap().contains("503"));
    // Some twenty minutes of failures at one in thirty seconds.
    assert!((30..=50).contains(&bed.calls()), "{}", bed.calls());
    sleep(Duration::from_mins(11)).await;
    let error = bed.dial().await.unwrap_err();
    assert!(matches!(error, Error::Refresh(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_error_is_told_at_once_and_retried_paced() {
    let bed = bed(RefreshStrategy::Ahead, |wall, call| async move {
        match call {
            0 | 1 => Err(status(403)),
            _ => Ok(wall.material(HOUR)),
        }
    });
    let began = Instant::now();
    for _ in 0..100 {
        let error = bed.dial().await.unwrap_err();
        assert!(error.is_terminal(), "{error}");
    }
    assert!(began.elapsed().is_zero(), "the answer was there already");
    assert_eq!(bed.calls(), 2, "the limiter allows two at once");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(bed.calls(), 2, "nobody asked again");
    bed.dial().await.unwrap();
    assert_eq!(bed.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_limiter_survives_failures() {
    let bed = bed(RefreshStrategy::Ahead, |_, _| async { Err(status(500)) });
    let began = Instant::now();
    let mut dials = JoinSet::new();
    for _ in 0..1000 {
        let entry = bed.entry.clone();
        dials.spawn(async move {
            while began.elapsed() < Duration::from_mins(10) {
                entry.material().await.unwrap_err();
            }
        });
    }
    dials.join_all().await;
    // Two at once, then soon, then one in five seconds.
    assert!((115..=125).contains(&bed.calls()), "{}", bed.calls());
}

#[tokio::test(start_paused = true)]
async fn the_first_dial_after_a_repair_succeeds_soon() {
    for code in [403, 500] {
        let repaired = Arc::new(AtomicBool::new(false));
        let is_well = repaired.clone();
        let bed = bed(RefreshStrategy::Ahead, move |wall, _| {
            let is_well = is_well.load(Ordering::SeqCst);
            async move { is_well.then(|| wall.material(HOUR)).ok_or(status(code)) }
        });
        for _ in 0..20 {
            bed.dial().await.unwrap_err();
        }
        repaired.store(true, Ordering::SeqCst);
        // Whoever repairs takes more than a moment.
        advance(Duration::from_secs(1)).await;
        let began = Instant::now();
        bed.dial().await.unwrap();
        assert!(
            began.elapsed() <= Duration::from_secs(5),
            "{code}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_noticed_soon_after_a_renewal_that_failed_to_the_end() {
    let outage = Duration::from_mins(10)..Duration::from_mins(70);
    let repaired = outage.end;
    let bed = bed(RefreshStrategy::Ahead, move |wall, _| {
        let is_out = outage.contains(&wall.start.elapsed());
        async move { (!is_out).then(|| wall.material(HOUR)).ok_or(status(503)) }
    });
    bed.dial().await.unwrap();
    sleep(HOUR + Duration::from_secs(1)).await;
    bed.dial().await.unwrap_err();
    let repaired = bed.wall.start + repaired;
    while bed.dial().await.is_err() {}
    let late = Instant::now() - repaired;
    assert!(late <= Duration::from_secs(6), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_dial_cancels_no_refresh() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        sleep(Duration::from_secs(5)).await;
        Ok(wall.material(HOUR))
    });
    let dropped = timeout(Duration::from_secs(1), bed.dial()).await;
    assert!(dropped.is_err());
    let began = Instant::now();
    bed.dial().await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(4));
    assert_eq!(bed.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_during_a_refresh_ends_the_task_and_the_waiting() {
    let bed = bed(RefreshStrategy::Ahead, |_, _| std::future::pending());
    let entry = bed.entry.clone();
    let waiting = tokio::spawn(async move { entry.material().await.map(|_| ()) });
    bed.settle().await;
    assert_eq!(bed.calls(), 1);
    bed.closed.cancel();
    bed.task.await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(matches!(
        bed.entry.material().await,
        Err(Error::Closed { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_refresh_is_given_up_after_the_timeout() {
    let bed = bed(RefreshStrategy::Ahead, |_, _| std::future::pending());
    let began = Instant::now();
    let error = bed.dial().await.unwrap_err();
    assert!(
        error.to_string().contains("no answer within 60s"),
        "{error}"
    );
    assert_eq!(began.elapsed(), Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn many_failed_dials_force_one_refresh_while_the_old_serves() {
    let bed = bed(RefreshStrategy::Ahead, |wall, call| async move {
        if call > 0 {
            sleep(Duration::from_secs(5)).await;
        }
        Ok(wall.material(HOUR))
    });
    let first = bed.dial().await.unwrap();
    for _ in 0..1000 {
        bed.entry.force(&first);
    }
    bed.settle().await;
    assert!(
        Arc::ptr_eq(&bed.dial().await.unwrap(), &first),
        "the old one serves"
    );
    sleep(Duration::from_secs(6)).await;
    let second = bed.dial().await.unwrap();
    assert!(!Arc::ptr_eq(&second, &first));
    // What failed before is renewed already.
    bed.entry.force(&first);
    bed.settle().await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(bed.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_suspension_the_first_dial_waits_for_a_new_certificate() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        Ok(wall.material(HOUR))
    });
    let before = bed.dial().await.unwrap();
    // Tokio's clock stands still meanwhile.
    bed.wall.suspended.store(8 * 3600, Ordering::SeqCst);
    let after = bed.dial().await.unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
    assert!(after.is_valid(bed.wall.now()));
    assert_eq!(bed.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lazy_entry_renews_only_when_a_dial_needs_it() {
    let bed = bed(RefreshStrategy::Lazy, |wall, _| async move {
        Ok(wall.material(HOUR))
    });
    bed.dial().await.unwrap();
    sleep(Duration::from_mins(50)).await;
    let same = bed.dial().await.unwrap();
    assert_eq!(bed.calls(), 1);
    // Within the buffer before its end.
    sleep(Duration::from_mins(7)).await;
    assert_eq!(bed.calls(), 1);
    assert!(!Arc::ptr_eq(&bed.dial().await.unwrap(), &same));
    assert_eq!(bed.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lazy_entry_serves_what_is_valid_when_the_refresh_fails() {
    let bed = bed(RefreshStrategy::Lazy, |wall, call| async move {
        match call {
            0 => Ok(wall.material(HOUR)),
            _ => Err(status(503)),
        }
    });
    let first = bed.dial().await.unwrap();
    sleep(Duration::from_mins(58)).await;
    assert!(Arc::ptr_eq(&bed.dial().await.unwrap(), &first));
    assert_eq!(bed.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn newer_material_is_fetched_at_once_or_not_at_all() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        Ok(wall.material(HOUR))
    });
    let first = bed.dial().await.unwrap();
    let second = bed.entry.newer(&first).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    let began = Instant::now();
    assert!(
        bed.entry.newer(&second).await.unwrap().is_none(),
        "the limiter says no"
    );
    assert!(began.elapsed().is_zero());
    assert_eq!(bed.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_comes_late_is_met_already() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        Ok(wall.material(HOUR))
    });
    // A dial looks, a refresh for another one ends, then the first one asks.
    let seen = bed.entry.state.borrow().finished;
    bed.dial().await.unwrap();
    bed.entry.demand(|state| state.finished == seen);
    bed.settle().await;
    assert_eq!(bed.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_thrown_away_lets_nobody_wait() {
    let bed = bed(RefreshStrategy::Ahead, |_, _| std::future::pending());
    let entry = bed.entry.clone();
    let waiting = tokio::spawn(async move { entry.material().await.map(|_| ()) });
    bed.settle().await;
    let began = Instant::now();
    bed.task.abort();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    let error = bed.dial().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(began.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_ends_no_entry() {
    let bed = bed(RefreshStrategy::Ahead, |wall, call| async move {
        assert!(call > 0, "scripted");
        Ok(wall.material(HOUR))
    });
    let error = bed.dial().await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    bed.dial().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_entry_at_rest_is_renewed_when_it_is_dialled_again() {
    let bed = bed(RefreshStrategy::Ahead, |wall, _| async move {
        Ok(wall.material(HOUR))
    });
    let first = bed.dial().await.unwrap();
    bed.entry.rest();
    sleep(Duration::from_mins(50)).await;
    assert_eq!(bed.calls(), 1);
    let same = bed.dial().await.unwrap();
    assert!(Arc::ptr_eq(&first, &same), "it is valid still");
    bed.settle().await;
    assert_eq!(bed.calls(), 2, "its renewal is due");
    bed.entry.rest();
    sleep(HOUR * 5).await;
    assert_eq!(bed.calls(), 2);
    bed.dial().await.unwrap();
    assert_eq!(bed.calls(), 3);
    sleep(HOUR).await;
    assert!(bed.calls() > 3, "it is renewed ahead again");
}
