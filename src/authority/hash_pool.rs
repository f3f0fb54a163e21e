//! A few threads of lowest priority, and a short queue in front of them.
//!
//! A password hash holds a core for a quarter of a second. Run without a bound, three hundred logins starve each other and every
//! other request; here as many run as there are threads, a few wait for a short while, and the rest are told at once that it is busy.
//! The threads take their work straight from the queue, so that they are never idle while somebody waits, however busy the
//! HTTP workers are. It knows nothing of passwords: work is any closure.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::oneshot;

use crate::tally::Durations;

/// The lowest priority that Linux gives an ordinary thread.
const LOWEST_PRIORITY: i32 = 19;

/// From how many of the last runs it is told how long the next ones take.
const REMEMBERED: usize = 8;

/// How much is run, and how much may wait for it.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Closures that run at the same time.
    pub threads: usize,
    /// Callers that may wait while all threads are busy.
    pub queue: usize,
    /// How long a caller waits before it is told that it is busy. The running itself is not limited.
    pub queue_timeout: Duration,
}

impl PoolSettings {
    /// Callers that may be inside at once, running or waiting.
    pub fn capacity(&self) -> usize {
        self.threads.max(1).saturating_add(self.queue)
    }
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full, or the turn did not come in time. The work has not been and will not be run.
    #[error("all hashing threads are busy")]
    Busy,
    /// The work panicked.
    #[error("the hashing work failed")]
    Panicked,
}

/// What is going on at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLoad {
    /// Closures that are being run.
    pub running: usize,
    /// Callers that wait.
    pub waiting: usize,
}

/// What has gone on since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolTotals {
    /// How long what was run took.
    pub run: Durations,
    /// How long it had waited for its turn.
    pub waited: Durations,
}

/// A handle to the threads. They end when the last handle is gone.
#[derive(Clone)]
pub struct HashPool(Arc<Owner>);

/// Held by handles only, not by the threads, so that the last handle's end can be noticed.
struct Owner {
    shared: Arc<Shared>,
    settings: PoolSettings,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work_or_end: Condvar,
    priority_refusal_logged: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: usize,
    tickets: u64,
    /// How long the last few took. The fastest of them tells what a turn takes: the others were held up by something that may be over.
    last_runs: [Duration; REMEMBERED],
    totals: PoolTotals,
    ended: bool,
}

impl State {
    fn ended_after(&mut self, run: Duration) {
        self.running -= 1;
        self.totals.run.add(run);
        self.last_runs.rotate_right(1);
        self.last_runs[0] = run;
    }

    /// Zero until enough has been run to tell.
    fn fastest_run(&self) -> Duration {
        self.last_runs.iter().copied().min().unwrap_or_default()
    }
}

struct Job {
    ticket: u64,
    asked: Instant,
    begun: oneshot::Sender<()>,
    work: Box<dyn FnOnce() -> Delivery + Send>,
}

/// Hands the result to the caller, once the thread counts as free again: whoever has a result in hand finds the room it left.
type Delivery = Box<dyn FnOnce() + Send>;

impl HashPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(settings: PoolSettings) -> io::Result<Self> {
        let pool = Self(Arc::new(Owner { shared: Arc::default(), settings }));
        for number in 1..=settings.threads.max(1) {
            let shared = Arc::clone(&pool.0.shared);
            thread::Builder::new().name(format!("hallpass-hash-{number}")).spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    /// Runs a closure on one of the threads, in the order of asking.
    ///
    /// A future that is dropped before its turn takes its closure with it; after that the closure runs to its end, unheard, and
    /// its place is given back then.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let (begun, turn) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let work = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(work));
            Box::new(move || drop(done.send(outcome.ok()))) as Delivery
        });
        let place = self.0.join_queue(begun, work)?;
        if tokio::time::timeout(self.0.settings.queue_timeout, turn).await.is_err() && place.leave() {
            return Err(PoolError::Busy);
        }
        // The panic itself has been printed by the panic hook; the caller only needs to know that nothing will come.
        result.await.ok().flatten().ok_or(PoolError::Panicked)
    }

    /// Callers that may be inside at once.
    pub fn capacity(&self) -> usize {
        self.0.settings.capacity()
    }

    /// What is going on at this moment.
    pub fn load(&self) -> PoolLoad {
        let state = self.0.shared.lock();
        PoolLoad { running: state.running, waiting: state.waiting.len() }
    }

    /// Whether a caller who comes after so many others can expect its turn in time, by the fastest of what was run lately. Whoever is told so
    /// at once spares itself the wait, and others the work that comes before it. With a thread to spare it always can.
    pub fn is_in_time(&self, others: usize) -> bool {
        let (threads, state) = (self.0.settings.threads.max(1), self.0.shared.lock());
        let others = others.max(state.running + state.waiting.len());
        let turns = u32::try_from((others + 1).saturating_sub(threads)).unwrap_or(u32::MAX);
        let in_parallel = u32::try_from(threads).unwrap_or(u32::MAX);
        state.fastest_run().saturating_mul(turns) <= self.0.settings.queue_timeout.saturating_mul(in_parallel)
    }

    /// What has gone on since the start.
    pub fn totals(&self) -> PoolTotals {
        self.0.shared.lock().totals
    }
}

impl Owner {
    fn join_queue(&self, begun: oneshot::Sender<()>, work: Box<dyn FnOnce() -> Delivery + Send>) -> Result<Place<'_>, PoolError> {
        let mut state = self.shared.lock();
        // One bound over both, because a job that an idle thread is about to take still lies in the queue.
        if state.running + state.waiting.len() >= self.settings.capacity() {
            return Err(PoolError::Busy);
        }
        state.tickets += 1;
        let ticket = state.tickets;
        state.waiting.push_back(Job { ticket, asked: Instant::now(), begun, work });
        drop(state);
        self.shared.work_or_end.notify_one();
        Ok(Place { shared: &self.shared, ticket })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work_or_end.notify_all();
    }
}

/// A caller's place in the queue, given up when the caller goes away.
struct Place<'a> {
    shared: &'a Shared,
    ticket: u64,
}

impl Place<'_> {
    /// Takes the job out of the queue; false when a thread has taken it already. Decided under the lock, so a job is either run
    /// or left, never both.
    fn leave(&self) -> bool {
        let mut state = self.shared.lock();
        let found = state.waiting.iter().position(|job| job.ticket == self.ticket);
        let job = found.and_then(|at| state.waiting.remove(at));
        drop(state);
        job.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Shared {
    fn serve(&self) {
        self.step_back();
        while let Some(job) = self.next() {
            // The caller may have gone since; its work has been taken and is run all the same.
            let _ = job.begun.send(());
            let started = Instant::now();
            let deliver = (job.work)();
            self.lock().ended_after(started.elapsed());
            deliver();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                state.running += 1;
                state.totals.waited.add(job.asked.elapsed());
                return Some(job);
            }
            if state.ended {
                return None;
            }
            state = self.work_or_end.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lowers the priority of the calling thread, so that hashing takes what the HTTP workers leave.
    fn step_back(&self) {
        if let Err(error) = lower_priority()
            && !self.priority_refusal_logged.swap(true, Ordering::Relaxed)
        {
            log::warn!("hashing threads run at normal priority, requests will wait for logins: {error}");
        }
    }

    /// Nothing that can panic is done under the lock, so a poisoned one would still hold a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Linux keeps a priority for each thread and takes a thread id where POSIX has a process id.
#[cfg(target_os = "linux")]
fn lower_priority() -> io::Result<()> {
    Ok(rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST_PRIORITY)?)
}

/// Elsewhere the priority belongs to the whole process.
#[cfg(not(target_os = "linux"))]
fn lower_priority() -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::time::Instant;
    use tokio::task::JoinHandle;

    const LONG: Duration = Duration::from_secs(60);

    fn pool(threads: usize, queue: usize, queue_timeout: Duration) -> HashPool {
        HashPool::start(PoolSettings { threads, queue, queue_timeout }).unwrap()
    }

    /// A caller whose work goes on until the sender is dropped.
    type Held = (mpsc::Sender<()>, JoinHandle<Result<(), PoolError>>);

    /// Holds a thread. Asks again when the turn did not come in time, so it also works with a short timeout on a busy machine.
    async fn hold(pool: &HashPool) -> Held {
        loop {
            let (release, released) = mpsc::channel::<()>();
            let (held, is_held) = oneshot::channel();
            let pool = pool.clone();
            let work = move || {
                held.send(()).unwrap();
                let _ = released.recv();
            };
            let caller = tokio::spawn(async move { pool.run(work).await });
            if is_held.await.is_ok() {
                return (release, caller);
            }
        }
    }

    async fn until(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !holds() {
            assert!(Instant::now() < deadline, "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn work_is_run_and_its_result_comes_back() {
        let pool = pool(1, 0, LONG);
        for n in 0..100 {
            // No queue and one thread: this also shows that a result in hand means room for the next.
            assert_eq!(pool.run(move || n * 2).await, Ok(n * 2));
        }
    }

    #[tokio::test]
    async fn m1_never_more_than_threads_plus_queue_are_inside_and_the_rest_is_busy_at_once() {
        let pool = pool(2, 8, LONG);
        let (first, second) = (hold(&pool).await, hold(&pool).await);
        let callers: Vec<_> = (0..300)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(|| ()).await })
            })
            .collect();
        // Those who are refused are refused while the threads are still held: nobody else could end yet.
        until("292 refusals", || callers.iter().filter(|caller| caller.is_finished()).count() == 292).await;
        assert_eq!(pool.load(), PoolLoad { running: 2, waiting: 8 });
        drop((first, second));
        let mut admitted = 0;
        for caller in callers {
            match caller.await.unwrap() {
                Ok(()) => admitted += 1,
                Err(error) => assert_eq!(error, PoolError::Busy),
            }
        }
        assert_eq!(admitted, 8);
    }

    #[tokio::test]
    async fn waiting_callers_are_served_in_the_order_of_asking() {
        let pool = pool(1, 64, LONG);
        let held = hold(&pool).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut callers = Vec::new();
        for n in 0..64 {
            let (pool, order) = (pool.clone(), Arc::clone(&order));
            let waiting = pool.load().waiting;
            callers.push(tokio::spawn({
                let pool = pool.clone();
                async move { pool.run(move || order.lock().unwrap().push(n)).await }
            }));
            until("joined", || pool.load().waiting == waiting + 1).await;
        }
        drop(held);
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..64).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn m1_a_turn_that_does_not_come_in_time_is_busy_and_never_run() {
        let pool = pool(1, 8, Duration::from_millis(20));
        let held = hold(&pool).await;
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ran);
        assert_eq!(pool.run(move || counter.fetch_add(1, Ordering::SeqCst)).await, Err(PoolError::Busy));
        assert_eq!(pool.load(), PoolLoad { running: 1, waiting: 0 });
        drop(held);
        until("idle", || pool.load().running == 0).await;
        drop(hold(&pool).await);
        assert_eq!(ran.load(Ordering::SeqCst), 0, "served in order, so what was left would have been run by now");
    }

    #[tokio::test]
    async fn m1_whoever_cannot_expect_a_turn_in_time_is_told_so_and_a_free_thread_is_always_in_time() {
        let timeout = Duration::from_secs(2);
        let pool = pool(2, 64, timeout);
        assert!(pool.is_in_time(65), "nothing is known yet");
        let usual = |run| pool.0.shared.lock().last_runs = [run; REMEMBERED];
        // Two threads, a quarter of a second each: eight turns fit into two seconds, and the first two need not wait.
        usual(Duration::from_millis(250));
        let in_time: Vec<usize> = (0..66).filter(|others| pool.is_in_time(*others)).collect();
        assert_eq!(in_time, (0..=17).collect::<Vec<_>>());
        usual(Duration::MAX);
        assert!(pool.is_in_time(1) && !pool.is_in_time(2));
        let mut state = pool.0.shared.lock();
        state.running += 1;
        state.ended_after(Duration::from_millis(250));
        drop(state);
        assert!(pool.is_in_time(17), "what held the others up may be over");
    }

    #[tokio::test]
    async fn m1_those_before_in_the_queue_count_whoever_they_are() {
        let pool = pool(1, 8, Duration::from_secs(1));
        let held = hold(&pool).await;
        pool.0.shared.lock().last_runs = [Duration::from_millis(600); REMEMBERED];
        assert!(pool.is_in_time(0));
        let other = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| ()).await }
        });
        until("waits", || pool.load().waiting == 1).await;
        assert!(!pool.is_in_time(0));
        drop(held);
        other.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn work_that_outlasts_the_queue_timeout_is_not_cut_short() {
        let timeout = Duration::from_millis(20);
        let pool = pool(1, 0, timeout);
        let (release, caller) = hold(&pool).await;
        tokio::time::sleep(5 * timeout).await;
        drop(release);
        assert_eq!(caller.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn c33_a_caller_that_goes_away_while_waiting_gives_its_place_back_and_is_never_run() {
        let pool = pool(1, 5, LONG);
        let held = hold(&pool).await;
        let ran = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..5)
            .map(|_| {
                let (pool, ran) = (pool.clone(), Arc::clone(&ran));
                tokio::spawn(async move { pool.run(move || ran.fetch_add(1, Ordering::SeqCst)).await })
            })
            .collect();
        until("all wait", || pool.load().waiting == 5).await;
        for caller in &callers[1..4] {
            caller.abort();
        }
        until("three left", || pool.load().waiting == 2).await;
        drop(held);
        for (n, caller) in callers.into_iter().enumerate() {
            assert_eq!(caller.await.is_ok(), n == 0 || n == 4, "{n}");
        }
        assert_eq!(ran.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_while_running_leaves_its_place_when_the_work_ends() {
        let pool = pool(1, 0, LONG);
        let (release, caller) = hold(&pool).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(pool.load().running, 1);
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Busy));
        drop(release);
        until("free again", || pool.load().running == 0).await;
        assert_eq!(pool.run(|| ()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_its_caller_alone() {
        let pool = pool(1, 0, LONG);
        for _ in 0..10 {
            assert_eq!(pool.run(|| -> () { std::panic::panic_any("on purpose") }).await, Err(PoolError::Panicked));
            assert_eq!(pool.load(), PoolLoad { running: 0, waiting: 0 });
            assert_eq!(pool.run(|| 7).await, Ok(7));
        }
    }

    #[tokio::test]
    async fn the_threads_end_with_the_last_handle() {
        let pool = pool(3, 0, LONG);
        let shared = Arc::downgrade(&pool.0.shared);
        let other = pool.clone();
        drop(pool);
        assert_eq!(other.run(|| 7).await, Ok(7));
        drop(other);
        until("all threads gone", || shared.strong_count() == 0).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn m1_only_the_hashing_threads_run_at_the_lowest_priority() {
        let nice = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = nice();
        let pool = pool(2, 0, LONG);
        let name = || thread::current().name().map(str::to_owned);
        assert_eq!(pool.run(nice).await, Ok(LOWEST_PRIORITY));
        assert!(pool.run(name).await.unwrap().unwrap().starts_with("hallpass-hash-"));
        assert_eq!(nice(), before);
    }
}
