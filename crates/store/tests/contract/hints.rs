//! Change hints: never missed, though they may be merged or for nothing.

use crate::subject::{Subject, batch, key};
use hearth_store::{Batch, Keyspace, Shard, Watch};
use std::time::Duration;

/// A hint that does not come fails the test; nothing is waited for when it does.
async fn hinted(watch: &mut Watch) {
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.expect("a hint comes");
}

async fn is_quiet(watch: &mut Watch) -> bool {
    futures_util::FutureExt::now_or_never(watch.changed()).is_none()
}

pub async fn come_for_puts_and_deletes(subject: Subject) {
    let mut watch = subject.store.watch(Keyspace::Metadata, &key("a"));
    for change in [batch().put(key("ab"), "v"), batch().delete(key("ab")), batch().put(key("a"), "v")] {
        subject.store.commit(change).await.unwrap();
        hinted(&mut watch).await;
    }
}

pub async fn merge_and_wait(subject: Subject) {
    let mut watch = subject.store.watch(Keyspace::Metadata, &key("a"));
    for _ in 0..3 {
        subject.put("a", "v").await;
    }
    hinted(&mut watch).await;
    assert!(is_quiet(&mut watch).await);
    // Embedded engines hint exactly; a hint for nothing would be allowed, but would cost a scan.
    subject.put("b", "v").await;
    subject.store.commit(Batch::new(Shard::new(Keyspace::Logs, "test")).put(key("a"), "v")).await.unwrap();
    assert!(is_quiet(&mut watch).await);
}

pub async fn reach_every_watcher(subject: Subject) {
    let mut watches: Vec<Watch> =
        (0..50).map(|_| subject.store.watch(Keyspace::Metadata, &key("a"))).collect();
    drop(watches.split_off(25));
    let mut everything = subject.store.watch(Keyspace::Metadata, &key(""));
    let store = subject.store.clone();
    let commit = tokio::spawn(async move { store.commit(batch().put(key("a"), "v")).await });
    for watch in &mut watches {
        hinted(watch).await;
    }
    hinted(&mut everything).await;
    commit.await.unwrap().unwrap();
}
