//! Polling a future again that has woken itself, as connections of hyper do several times for each request.
//!
//! A task that is woken while it runs is put into its worker's queue, and the runtime wakes another worker to take it from there. At
//! little load that moves every request from one processor to another, which costs more than what the task had left to do.
//!
//! It refuses to go on for ever: a future that wakes itself again and again gives way to others, as any task does.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Polls in a row.
const POLLS_MAX: u32 = 8;

/// What one future is polled with, always the same.
pub struct Settling {
    wakes: Arc<Wakes>,
    waker: Waker,
}

struct Wakes {
    /// The future is being polled.
    polled: AtomicBool,
    /// It was woken since that began.
    woken: AtomicBool,
    /// The task it is a part of.
    task: Mutex<Waker>,
}

impl Default for Settling {
    fn default() -> Self {
        let task = Mutex::new(Waker::noop().clone());
        let wakes = Arc::new(Wakes { polled: AtomicBool::new(false), woken: AtomicBool::new(false), task });
        let waker = Waker::from(Arc::clone(&wakes));
        Self { wakes, waker }
    }
}

impl Settling {
    /// Polls until the future is done or waits for somebody else.
    pub fn poll<F: Future + ?Sized>(
        &self,
        mut future: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.wakes.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        for _ in 0..POLLS_MAX {
            self.wakes.polled.store(true, Ordering::SeqCst);
            // Read too, so that what was done before the last wake is seen below.
            self.wakes.woken.swap(false, Ordering::SeqCst);
            let result = future.as_mut().poll(&mut Context::from_waker(&self.waker));
            self.wakes.polled.store(false, Ordering::SeqCst);
            // Who wakes from now on wakes the task; who did before is seen here.
            if result.is_ready() || !self.wakes.woken.load(Ordering::SeqCst) {
                return result;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.polled.load(Ordering::SeqCst) {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Task(AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once what `future` does with its context and the number of the poll: the result, how often it was polled, and how often
    /// the task was woken.
    fn poll(
        settling: &Settling,
        mut future: impl FnMut(&mut Context<'_>, u32) -> Poll<()>,
    ) -> (Poll<()>, u32, Arc<Task>) {
        let (task, mut polls) = (Arc::new(Task::default()), 0);
        let waker = Waker::from(Arc::clone(&task));
        let future = pin!(poll_fn(|context| {
            polls += 1;
            future(context, polls)
        }));
        let result = settling.poll(future, &mut Context::from_waker(&waker));
        (result, polls, task)
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_until_it_waits_or_is_done() {
        for outcome in [Poll::Pending, Poll::Ready(())] {
            let (result, polls, task) = poll(&Settling::default(), |context, polls| {
                if polls < 4 {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                outcome
            });
            assert_eq!((result, polls, task.0.load(Ordering::SeqCst)), (outcome, 4, 0));
        }
    }

    #[test]
    fn a_future_that_never_settles_gives_way_and_is_not_forgotten() {
        let (result, polls, task) = poll(&Settling::default(), |context, _| {
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!((result, polls, task.0.load(Ordering::SeqCst)), (Poll::Pending, POLLS_MAX, 1));
    }

    #[test]
    fn whoever_wakes_it_while_it_is_polled_is_heard() {
        let (_, polls, task) = poll(&Settling::default(), |context, polls| {
            if polls == 1 {
                let waker = context.waker().clone();
                std::thread::spawn(move || waker.wake()).join().unwrap();
            }
            Poll::Pending
        });
        assert_eq!((polls, task.0.load(Ordering::SeqCst)), (2, 0));
    }

    #[test]
    fn whoever_wakes_it_later_wakes_the_task_it_is_a_part_of_now() {
        let (settling, kept) = (Settling::default(), Mutex::new(None));
        let mut keep = |context: &mut Context<'_>, _| {
            *kept.lock().unwrap() = Some(context.waker().clone());
            Poll::Pending
        };
        let (_, _, former) = poll(&settling, &mut keep);
        let (_, polls, task) = poll(&settling, &mut keep);
        kept.lock().unwrap().take().unwrap().wake();
        assert_eq!((polls, former.0.load(Ordering::SeqCst), task.0.load(Ordering::SeqCst)), (1, 0, 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_is_lost_between_threads() {
        for _ in 0..2_000 {
            let (notify, settling) = (Arc::new(tokio::sync::Notify::new()), Settling::default());
            let waker = tokio::spawn({
                let notify = Arc::clone(&notify);
                async move { notify.notify_one() }
            });
            let mut notified = pin!(notify.notified());
            poll_fn(|context| settling.poll(notified.as_mut(), context)).await;
            waker.await.unwrap();
        }
    }
}
