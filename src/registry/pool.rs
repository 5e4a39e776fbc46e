//! Threads that fetch ahead. In go tasks; a few of them run at once, as many as there are processors, and more while
//! some only wait for the network: answers from the cache cost no thread each, answers from afar overlap.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

type Task = Box<dyn FnOnce() + Send>;

/// The threads start when there is work, and end when none came for a while.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Most threads.
    limit: usize,
    /// Most threads at work, those that wait for the network not counted.
    width: OnceLock<usize>,
}

impl Shared {
    /// See the field. Counting processors asks the system many things, so it is left until there is work.
    fn width(&self) -> usize {
        *self.width.get_or_init(processors)
    }
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    threads: usize,
    /// Of those, without a task.
    idle: usize,
    /// Of those, inside [`waiting`].
    waiting: usize,
}

thread_local! {
    /// The pool whose thread this is.
    static OWN: RefCell<Weak<Shared>> = const { RefCell::new(Weak::new()) };
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("limit", &self.shared.limit).finish_non_exhaustive()
    }
}

impl Pool {
    /// At most `limit` threads, of which at most one a processor works while the others wait.
    pub fn new(limit: usize) -> Self {
        let width = OnceLock::new();
        Self { shared: Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), limit, width }) }
    }

    /// Runs a task on some thread of the pool, soon. Without a thread it stays queued: whoever needs its result must
    /// be able to do without.
    pub fn run(&self, task: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.shared);
        state.tasks.push_back(Box::new(task));
        call(&self.shared, &mut state);
    }
}

/// Wakes or starts a thread when there are tasks and fewer threads at work than may be.
fn call(shared: &Arc<Shared>, state: &mut State) {
    let at_work = state.threads - state.idle - state.waiting;
    let wanted = state.tasks.len().min(shared.width().saturating_sub(at_work));
    if wanted == 0 {
        return;
    }
    if state.idle >= wanted {
        shared.wake.notify_one();
    } else if state.threads < shared.limit {
        let own = Arc::downgrade(shared);
        if std::thread::Builder::new().name("fetch".to_owned()).spawn(move || work(&own)).is_ok() {
            state.threads += 1;
        }
    }
}

/// Does what only waits. On a thread of a pool, another one may work meanwhile.
pub fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let Some(shared) = OWN.with_borrow(Weak::upgrade) else { return wait() };
    let count = |change: fn(usize) -> usize| {
        let mut state = lock(&shared);
        state.waiting = change(state.waiting);
        call(&shared, &mut state);
    };
    count(|n| n + 1);
    let out = wait();
    count(|n| n.saturating_sub(1));
    out
}

/// One thread's life: tasks until the pool is gone or nothing came for a while.
fn work(pool: &Weak<Shared>) {
    let patience = std::time::Duration::from_millis(200);
    OWN.set(pool.clone());
    while let Some(shared) = pool.upgrade() {
        let mut state = lock(&shared);
        if state.tasks.is_empty() {
            state.idle += 1;
            let waited = shared.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.idle -= 1;
        }
        let Some(task) = state.tasks.pop_front() else {
            state.threads -= 1;
            return;
        };
        drop(state);
        drop(shared);
        task();
    }
}

/// Reads an answer on one of a few threads that do only that, as many as there are processors, while this one waits. Each
/// thread that allocates much keeps some of it from the others: of the many that wait for the network, none should.
pub fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let Some(readers) = readers() else { return work() };
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let task: Task = Box::new(move || {
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // Nobody waits any more.
        let _ = tell.send(made);
    });
    if let Err(unsent) = readers.send(task) {
        unsent.0();
    }
    match waiting(|| told.recv()) {
        Ok(Ok(made)) => made,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => std::panic::resume_unwind(Box::new("an answer was dropped unread")),
    }
}

/// The way to the threads that read; `None` where the system gives none.
fn readers() -> Option<&'static Sender<Task>> {
    static READERS: OnceLock<Option<Sender<Task>>> = OnceLock::new();
    let start = || {
        let (send, receive) = std::sync::mpsc::channel::<Task>();
        let receive = Arc::new(Mutex::new(receive));
        let mut started = false;
        for _ in 0..processors() {
            let receive = Arc::clone(&receive);
            let next = move || receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let reader = std::thread::Builder::new().name("read".to_owned());
            started |= reader
                .spawn(move || {
                    while let Ok(task) = next() {
                        task()
                    }
                })
                .is_ok();
        }
        started.then_some(send)
    };
    READERS.get_or_init(start).as_ref()
}

/// How many threads may work at once.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn what_is_read_apart_comes_back_and_so_does_its_panic() {
        let numbers: Vec<u64> = (0..100).map(|n| apart(move || n * 2)).collect();
        assert_eq!(numbers.iter().sum::<u64>(), 9900);
        let panic = std::panic::catch_unwind(|| apart(|| -> u8 { panic!("on purpose") }));
        assert_eq!(panic.expect_err("it panics").downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(apart(|| 1), 1);
    }

    #[test]
    fn tasks_that_wait_do_not_keep_others_from_running() {
        let pool = Pool::new(64);
        let (done, all) = sync_channel(64);
        // Each waits for the next one: they finish only if all of them run at once.
        let mut before = None;
        for n in 0..40 {
            let (mine, next) = sync_channel::<()>(1);
            let (done, from) = (done.clone(), before.replace(mine));
            pool.run(move || {
                if n < 39 {
                    let _ = waiting(|| next.recv());
                }
                drop(from);
                let _ = done.send(n);
            });
        }
        drop(before);
        let mut seen: Vec<i32> =
            (0..40).filter_map(|_| all.recv_timeout(std::time::Duration::from_secs(20)).ok()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
    }
}
