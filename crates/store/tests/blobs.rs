//! Content-addressed files.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use bytes::Bytes;
use hearth_base::{Clock, SystemClock, Timestamp, VirtualClock};
use hearth_store::{BlobError, BlobHash, Blobs};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn blobs() -> (tempfile::TempDir, Blobs) {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&directory.path().join("blobs"), Arc::new(SystemClock)).unwrap();
    (directory, blobs)
}

/// Every file below a directory, relative to it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(path) = rest.pop() {
        match path.is_dir() {
            true => rest.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path())),
            false => found.push(path.strip_prefix(directory).unwrap().to_owned()),
        }
    }
    found
}

#[tokio::test]
async fn content_names_itself() {
    let (directory, blobs) = blobs();
    // The hash of nothing, as BLAKE3's authors give it.
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(blobs.put(Bytes::new()).await.unwrap().to_string(), empty);
    assert_eq!(files(directory.path()), [PathBuf::from(format!("blobs/af/{}", &empty[2..]))]);
    let hash: BlobHash = empty.parse().unwrap();
    assert_eq!((blobs.size(&hash).await.unwrap(), blobs.read(&hash, 0).await.unwrap()), (0, Bytes::new()));
    let mode = fs::metadata(blobs.path(&hash)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn streams_and_whole_contents_are_the_same() {
    let (directory, blobs) = blobs();
    let content: Bytes = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut writer = blobs.writer(content.len() as u64).await.unwrap();
    for chunk in content.chunks(33_333) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    assert_eq!(writer.written(), content.len() as u64);
    let streamed = writer.finish().await.unwrap();
    assert_eq!(streamed, blobs.put(content.clone()).await.unwrap());
    assert_eq!(streamed, BlobHash::of(&content));
    assert_eq!(blobs.read(&streamed, content.len() as u64).await.unwrap(), content);
    assert_eq!(files(directory.path()).len(), 1);
    blobs.verify(&streamed).await.unwrap();
}

#[tokio::test]
async fn bounds_hold() {
    let (directory, blobs) = blobs();
    let mut writer = blobs.writer(10).await.unwrap();
    writer.write("0123456789".into()).await.unwrap();
    assert!(matches!(writer.write("x".into()).await, Err(BlobError::TooLarge { bytes_max: 10 })));
    assert!(matches!(writer.finish().await, Err(BlobError::TooLarge { bytes_max: 10 })));
    assert_eq!(files(directory.path()), [] as [PathBuf; 0]);
    let hash = blobs.put("0123456789".into()).await.unwrap();
    assert!(matches!(blobs.read(&hash, 9).await, Err(BlobError::TooLarge { bytes_max: 9 })));
}

#[tokio::test]
async fn what_is_not_there_or_damaged_is_told() {
    let (_directory, blobs) = blobs();
    let missing = BlobHash::of(b"never written");
    for answer in [
        blobs.read(&missing, 100).await.map(drop),
        blobs.size(&missing).await.map(drop),
        blobs.verify(&missing).await,
    ] {
        assert!(matches!(answer, Err(BlobError::Missing(hash)) if hash == missing), "{answer:?}");
    }
    let hash = blobs.put("content".into()).await.unwrap();
    fs::write(blobs.path(&hash), "c0ntent").unwrap();
    assert!(matches!(blobs.read(&hash, 100).await, Err(BlobError::Damaged(_))));
    assert!(matches!(blobs.verify(&hash).await, Err(BlobError::Damaged(_))));
    // Writing it once more mends it.
    blobs.put("content".into()).await.unwrap();
    blobs.verify(&hash).await.unwrap();

    blobs.delete(&hash).await.unwrap();
    blobs.delete(&hash).await.unwrap();
    assert!(matches!(blobs.size(&hash).await, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn unfinished_writes_leave_nothing() {
    let (directory, blobs) = blobs();
    let mut writer = blobs.writer(100).await.unwrap();
    writer.write("half a".into()).await.unwrap();
    assert_eq!(files(directory.path()).len(), 1);
    drop(writer);
    assert_eq!(files(directory.path()).len(), 0);
    // What a killed server left is swept by the next.
    fs::write(directory.path().join("blobs/unfinished/7"), "half a").unwrap();
    let blobs = Blobs::open(&directory.path().join("blobs"), Arc::new(SystemClock)).unwrap();
    assert_eq!(files(directory.path()).len(), 0);
    blobs.put("whole".into()).await.unwrap();
}

#[tokio::test]
async fn a_sweep_takes_what_no_one_refers_to() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1_700_000_000)));
    let blobs = Blobs::open(directory.path(), clock.clone()).unwrap();
    let grace = Duration::from_secs(3600);
    let live = blobs.put("live".into()).await.unwrap();
    let old = blobs.put("old".into()).await.unwrap();
    let again = blobs.put("again".into()).await.unwrap();
    clock.advance(grace);
    assert_eq!(blobs.put("again".into()).await.unwrap(), again);
    let new = blobs.put("new".into()).await.unwrap();
    clock.advance(grace - Duration::from_secs(1));
    assert_eq!(blobs.sweep(HashSet::from([live]), grace).await.unwrap(), 1);
    for (hash, there) in [(live, true), (old, false), (again, true), (new, true)] {
        assert_eq!(blobs.size(&hash).await.is_ok(), there);
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(blobs.sweep(HashSet::from([live]), grace).await.unwrap(), 2);
    blobs.verify(&live).await.unwrap();
    assert!(clock.now() > Timestamp::from_seconds(1_700_000_000));
}

#[test]
fn hashes_are_64_lower_case_digits() {
    let hash = BlobHash::of(b"content");
    assert_eq!(hash.to_string().parse::<BlobHash>().unwrap(), hash);
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(json, format!("\"{hash}\""));
    assert_eq!(serde_json::from_str::<BlobHash>(&json).unwrap(), hash);
    let text = hash.to_string();
    for wrong in
        ["", "../../../etc/passwd", &text[1..], &text.to_uppercase(), &format!("{text}0"), &"é".repeat(32)]
    {
        assert!(wrong.parse::<BlobHash>().is_err(), "{wrong}");
    }
}
