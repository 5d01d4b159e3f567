use super::*;

/// Whether nobody has a lock.
fn is_free(locks: &LockManager) -> bool {
    locks.state.lock().tables.values().all(|table| table.points.is_empty() && table.ranges.is_empty())
}
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const S: LockMode = LockMode::Shared;
const X: LockMode = LockMode::Exclusive;
const SOON: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(20);

fn point(locks: &LockManager, trx: u64, key: &[u8], mode: LockMode, wait: Duration) -> Result<Option<Lock>> {
    locks.point(trx, 1, key, mode, || Instant::now() + wait)
}

fn range(locks: &LockManager, trx: u64, span: (&[u8], &[u8]), mode: LockMode, wait: Duration) -> Result<Option<Lock>> {
    let span = Span { start: span.0.to_vec(), end: span.1.to_vec() };
    locks.range(trx, 1, &span, mode, Instant::now() + wait)
}

/// Requests in a thread and returns once it waits.
fn request(
    locks: &Arc<LockManager>,
    ask: impl FnOnce(&LockManager) -> Result<Option<Lock>> + Send + 'static,
) -> JoinHandle<Result<Option<Lock>>> {
    let waiting = || locks.state.lock().waits.values().filter(|w| !w.granted).count();
    let before = waiting();
    let shared = locks.clone();
    let handle = std::thread::spawn(move || ask(&shared));
    let deadline = Instant::now() + LONG;
    while waiting() == before && !handle.is_finished() {
        assert!(Instant::now() < deadline, "the request neither waits nor ends");
        std::thread::yield_now();
    }
    handle
}

#[test]
fn which_locks_exclude_each_other() {
    // What transaction 1 holds, what transaction 2 asks for, whether it gets it.
    type Ask = fn(&LockManager, u64) -> Result<Option<Lock>>;
    let a_s: Ask = |l, t| point(l, t, b"a", S, SOON);
    let a_x: Ask = |l, t| point(l, t, b"a", X, SOON);
    let b_x: Ask = |l, t| point(l, t, b"b", X, SOON);
    let ac_s: Ask = |l, t| range(l, t, (b"a", b"c"), S, SOON);
    let ac_x: Ask = |l, t| range(l, t, (b"a", b"c"), X, SOON);
    let bc_s: Ask = |l, t| range(l, t, (b"b", b"c"), S, SOON);
    let de_x: Ask = |l, t| range(l, t, (b"d", b"e"), X, SOON);
    let cases = [
        (a_s, a_s, true),
        (a_s, a_x, false),
        (a_x, a_s, false),
        (a_x, b_x, true),
        (ac_s, a_s, true),
        (ac_s, b_x, false),
        (b_x, ac_s, false),
        (a_x, bc_s, true),
        (ac_s, bc_s, true),
        (ac_x, bc_s, false),
        (ac_x, de_x, true),
        (a_s, ac_s, true),
        (a_s, ac_x, false),
    ];
    for (i, (held, asked, granted)) in cases.into_iter().enumerate() {
        let locks = LockManager::default();
        let mut one: Vec<Lock> = held(&locks, 1).unwrap().into_iter().collect();
        let got = asked(&locks, 2);
        assert_eq!(got.is_ok(), granted, "case {i}: {got:?}");
        if !granted {
            assert_eq!(got.unwrap_err(), Error::LockWaitTimeout);
            locks.release(1, &mut one);
            assert!(asked(&locks, 2).is_ok(), "case {i} after the release");
        }
    }
}

#[test]
fn a_lock_held_is_not_taken_again_and_an_upgrade_passes_waiters() {
    let locks = Arc::new(LockManager::default());
    let mut one: Vec<Lock> = point(&locks, 1, b"a", S, SOON).unwrap().into_iter().collect();
    assert!(point(&locks, 1, b"a", S, SOON).unwrap().is_none());
    let other = request(&locks, |l| point(l, 2, b"a", X, LONG));
    one.extend(point(&locks, 1, b"a", X, SOON).expect("no one else holds it"));
    assert!(point(&locks, 1, b"a", S, SOON).unwrap().is_none());
    locks.release(1, &mut one);
    let mut two: Vec<Lock> = other.join().unwrap().unwrap().into_iter().collect();
    locks.release(2, &mut two);
    assert!(is_free(&locks), "nothing is left behind");
}

#[test]
fn waiters_are_served_in_order() {
    let locks = Arc::new(LockManager::default());
    let mut one: Vec<Lock> = point(&locks, 1, b"a", S, SOON).unwrap().into_iter().collect();
    let order = Arc::new(AtomicUsize::new(0));
    let seen = order.clone();
    let writer = request(&locks, move |l| {
        let mut got: Vec<Lock> = point(l, 2, b"a", X, LONG)?.into_iter().collect();
        assert_eq!(seen.fetch_add(1, Ordering::SeqCst), 0);
        l.release(2, &mut got);
        Ok(None)
    });
    // A reader that comes later does not starve the writer.
    let seen = order.clone();
    let reader = request(&locks, move |l| {
        let got = point(l, 3, b"a", S, LONG);
        assert_eq!(seen.fetch_add(1, Ordering::SeqCst), 1);
        got
    });
    locks.release(1, &mut one);
    writer.join().unwrap().unwrap();
    reader.join().unwrap().unwrap();
}

#[test]
fn a_time_out_frees_those_behind() {
    let locks = Arc::new(LockManager::default());
    point(&locks, 1, b"a", S, SOON).unwrap();
    let writer = request(&locks, |l| point(l, 2, b"a", X, SOON));
    let reader = request(&locks, |l| point(l, 3, b"a", S, LONG));
    assert_eq!(writer.join().unwrap().unwrap_err(), Error::LockWaitTimeout);
    reader.join().unwrap().unwrap();
}

#[test]
fn deadlocks_are_found_at_once() {
    // Two transactions, three in a ring, an upgrade against an upgrade, a point against a range.
    let two = Arc::new(LockManager::default());
    let mut held: Vec<Lock> = point(&two, 1, b"a", X, SOON).unwrap().into_iter().collect();
    point(&two, 2, b"b", X, SOON).unwrap();
    let waiter = request(&two, |l| point(l, 2, b"a", X, LONG));
    assert_eq!(point(&two, 1, b"b", X, LONG).unwrap_err(), Error::Deadlock);
    two.release(1, &mut held);
    waiter.join().unwrap().unwrap();

    let ring = Arc::new(LockManager::default());
    let mut held: Vec<Lock> = point(&ring, 1, b"a", X, SOON).unwrap().into_iter().collect();
    let mut second: Vec<Lock> = point(&ring, 2, b"b", X, SOON).unwrap().into_iter().collect();
    point(&ring, 3, b"c", X, SOON).unwrap();
    let w2 = request(&ring, |l| point(l, 2, b"c", X, LONG));
    let w3 = request(&ring, |l| point(l, 3, b"a", X, LONG));
    assert_eq!(point(&ring, 1, b"b", S, LONG).unwrap_err(), Error::Deadlock);
    ring.release(1, &mut held);
    let mut third: Vec<Lock> = w3.join().unwrap().unwrap().into_iter().collect();
    third.push(Lock::Point { table: 1, hash: ring.hash(b"c"), key: b"c".into() });
    ring.release(3, &mut third);
    second.extend(w2.join().unwrap().unwrap());
    ring.release(2, &mut second);
    assert!(is_free(&ring));

    let upgrade = Arc::new(LockManager::default());
    let mut held: Vec<Lock> = point(&upgrade, 1, b"a", S, SOON).unwrap().into_iter().collect();
    point(&upgrade, 2, b"a", S, SOON).unwrap();
    let waiter = request(&upgrade, |l| point(l, 2, b"a", X, LONG));
    assert_eq!(point(&upgrade, 1, b"a", X, LONG).unwrap_err(), Error::Deadlock);
    upgrade.release(1, &mut held);
    waiter.join().unwrap().unwrap();

    let ranges = Arc::new(LockManager::default());
    let mut held: Vec<Lock> = range(&ranges, 1, (b"a", b"m"), S, SOON).unwrap().into_iter().collect();
    range(&ranges, 2, (b"a", b"m"), S, SOON).unwrap();
    let waiter = request(&ranges, |l| point(l, 2, b"c", X, LONG));
    assert_eq!(point(&ranges, 1, b"d", X, LONG).unwrap_err(), Error::Deadlock);
    ranges.release(1, &mut held);
    waiter.join().unwrap().unwrap();
}

#[test]
fn counters_stay_exact_under_contention() {
    let locks = Arc::new(LockManager::default());
    let counters: Arc<Vec<AtomicUsize>> = Arc::new((0..4).map(|_| AtomicUsize::new(0)).collect());
    let threads: Vec<_> = (0..4u64)
        .map(|thread| {
            let (locks, counters) = (locks.clone(), counters.clone());
            std::thread::spawn(move || {
                for i in 0..500u64 {
                    let trx = 1 + thread + 4 * i;
                    let key = ((i + thread) % 4) as usize;
                    let mut held: Vec<Lock> = point(&locks, trx, &[key as u8], X, LONG).unwrap().into_iter().collect();
                    // Not atomic on purpose: only the lock makes it exact.
                    let seen = counters[key].load(Ordering::Relaxed);
                    std::thread::yield_now();
                    counters[key].store(seen + 1, Ordering::Relaxed);
                    locks.release(trx, &mut held);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(counters.iter().map(|c| c.load(Ordering::Relaxed)).sum::<usize>(), 2000);
}
