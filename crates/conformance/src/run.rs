//! Running cases: in parallel, and surviving panics.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::suite::{Outcome, Suite};

/// What deep but finite recursion over hostile input may take, in bytes.
const STACK: usize = 16 << 20;

thread_local! {
    /// While a case runs on this thread: where it panicked, once it has.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static GUARDED: RefCell<bool> = const { RefCell::new(false) };
}

/// Runs one case; a panic is a failure and says where it happened.
pub fn case(suite: &dyn Suite, index: usize) -> Outcome {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.with_borrow(|guarded| *guarded) {
                let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
                PANIC.set(place);
            } else {
                before(info);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| suite.run(index)));
    GUARDED.set(false);
    outcome.unwrap_or_else(|payload| {
        let place = PANIC.take().unwrap_or_else(|| "an unknown place".to_owned());
        Outcome::Fail(format!("panicked at {place}: {}", panic_text(payload.as_ref())))
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<String>(), payload.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

/// Runs every case of the suites on all processors; the results are in the order of the suites and of their cases.
pub fn all(suites: &[Box<dyn Suite>]) -> Vec<Vec<Outcome>> {
    let work: Vec<(usize, usize)> = suites
        .iter()
        .enumerate()
        .flat_map(|(suite, of)| (0..of.cases().len()).map(move |index| (suite, index)))
        .collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some(&(suite, index)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(of) = suites.get(suite) {
                done.push((suite, index, case(of.as_ref(), index)));
            }
        }
        done
    };
    let mut done: Vec<(usize, usize, Outcome)> = thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..count)
            .filter_map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, worker).ok())
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    // Where no thread could be started, this one does what is left.
    done.extend(worker());

    done.sort_by_key(|&(suite, index, _)| (suite, index));
    let mut results: Vec<Vec<Outcome>> = suites.iter().map(|_| Vec::new()).collect();
    for (suite, _, outcome) in done {
        if let Some(outcomes) = results.get_mut(suite) {
            outcomes.push(outcome);
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample;

    impl Suite for Sample {
        fn name(&self) -> &str {
            "sample"
        }

        fn cases(&self) -> Vec<&str> {
            vec!["passes", "fails", "panics", "passes too"]
        }

        fn run(&self, index: usize) -> Outcome {
            match index {
                1 => Outcome::Fail("no".to_owned()),
                2 => panic!("broken {index}"),
                _ => Outcome::Pass,
            }
        }
    }

    #[test]
    fn a_panic_is_a_failure_and_the_order_stays() {
        let results = all(&[Box::new(Sample), Box::new(Sample)]);
        assert_eq!(results.len(), 2);
        for outcomes in results {
            assert_eq!(outcomes[0], Outcome::Pass);
            assert_eq!(outcomes[1], Outcome::Fail("no".to_owned()));
            assert!(
                matches!(&outcomes[2], Outcome::Fail(text) if text.ends_with("broken 2") && text.contains("run.rs"))
            );
            assert_eq!(outcomes[3], Outcome::Pass);
        }
    }
}
