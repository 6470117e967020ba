//! The contract suite: what every engine must do, run against each of them.
//!
//! A new engine adds a constructor in `subject.rs` and a line to `suite!`; a new promise adds a check here. It refuses
//! to test what only one engine has: that stands in files of their own.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod batches;
mod durability;
mod hints;
mod leases;
mod model;
mod scans;
mod subject;

/// One test for each check and engine.
macro_rules! suite {
    ($($module:ident: [$($check:ident),* $(,)?])*) => {
        suite!(@engine memory, $($module: [$($check),*])*);
        suite!(@engine sqlite, $($module: [$($check),*])*);
    };
    (@engine $engine:ident, $($module:ident: [$($check:ident),*])*) => {
        mod $engine {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    crate::$module::$check(crate::subject::Subject::$engine()).await;
                })*
            })*
            #[test]
            fn model() {
                crate::model::agrees(crate::subject::Subject::$engine);
            }
        }
    };
}

suite! {
    batches: [
        reads_back_what_was_put,
        applies_all_or_nothing,
        checks_every_expectation,
        deletes_before_it_puts,
        never_uses_a_revision_twice,
        keeps_keyspaces_apart,
        refuses_what_exceeds_the_limits,
        takes_what_reaches_the_limits,
        lets_one_of_many_win,
        loses_no_concurrent_change,
        shows_readers_whole_batches,
    ]
    scans: [
        returns_ranges_in_order,
        goes_on_after_a_key,
        sorts_bytes_as_bytes,
        stops_at_its_bounds,
    ]
    leases: [
        belongs_to_one_owner_at_a_time,
        shuts_out_the_former_owner,
        is_good_until_taken_over,
        is_void_after_release,
        survives_a_restart,
        guards_its_shard_only,
    ]
    hints: [
        come_for_puts_and_deletes,
        merge_and_wait,
        reach_every_watcher,
    ]
    durability: [
        keeps_what_was_acknowledged,
        goes_on_counting,
        finishes_what_was_taken,
    ]
}
