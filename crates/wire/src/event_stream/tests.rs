//! Frames: the published examples, round trips, and broken ones.

use super::{BrokenFrame, HeaderValue, Message, crc32};
use bytes::{Bytes, BytesMut};
use hearth_base::Timestamp;
use proptest::prelude::*;
use std::borrow::Cow;

/// The empty message and the one with a header and a payload that AWS's SDKs are tested with.
#[test]
fn the_published_frames_read_and_write() {
    let empty: &[u8] = &[0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
    let full: &[u8] = &[
        0, 0, 0, 0x3d, 0, 0, 0, 0x20, 0x07, 0xfd, 0x83, 0x96, 0x0c, b'c', b'o', b'n', b't', b'e', b'n', b't',
        b'-', b't', b'y', b'p', b'e', 0x07, 0, 0x10, b'a', b'p', b'p', b'l', b'i', b'c', b'a', b't', b'i',
        b'o', b'n', b'/', b'j', b's', b'o', b'n', b'{', b'\'', b'f', b'o', b'o', b'\'', b':', b'\'', b'b',
        b'a', b'r', b'\'', b'}', 0x8d, 0x9c, 0x08, 0xb1,
    ];
    let message = Message {
        headers: vec![("content-type".into(), HeaderValue::String("application/json".into()))],
        payload: Bytes::from_static(b"{'foo':'bar'}"),
    };
    for (message, frame) in [(Message::default(), empty), (message, full)] {
        assert_eq!(&message.encode().unwrap()[..], frame);
        assert_eq!(Message::decode(&mut BytesMut::from(frame)), Ok(Some(message)));
    }
}

#[test]
fn broken_frames_are_refused() {
    let message = Message {
        headers: vec![("a".into(), HeaderValue::Integer(7))],
        payload: Bytes::from_static(b"payload"),
    };
    let frame = message.encode().unwrap();
    let with = |at: usize, byte: u8| {
        let mut frame = BytesMut::from(&frame[..]);
        frame[at] = byte;
        frame
    };
    // A frame with right checksums around whatever lengths.
    let lengths = |total: u32, headers: u32| {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&total.to_be_bytes());
        frame.extend_from_slice(&headers.to_be_bytes());
        let sum = crc32::of(&frame);
        frame.extend_from_slice(&sum.to_be_bytes());
        frame
    };
    let cases = [
        (with(3, 0xff), Err(BrokenFrame::PreludeChecksum)),
        (with(20, 0xff), Err(BrokenFrame::MessageChecksum)),
        (with(frame.len() - 1, 0xff), Err(BrokenFrame::MessageChecksum)),
        (lengths(15, 0), Err(BrokenFrame::Length)),
        (lengths(20, 5), Err(BrokenFrame::Length)),
        (lengths(u32::MAX, 0), Err(BrokenFrame::Length)),
        (lengths(300_000, 200_000), Err(BrokenFrame::Length)),
        (lengths(300_000, 100), Ok(None)),
        (BytesMut::from(&frame[..frame.len() - 1]), Ok(None)),
        (BytesMut::from(&frame[..5]), Ok(None)),
    ];
    for (mut buffer, expected) in cases {
        assert_eq!(Message::decode(&mut buffer), expected);
    }
    let long = "x".repeat(40_000);
    for (name, value) in [("a", HeaderValue::String(long.into())), ("", HeaderValue::Boolean(true))] {
        let message = Message { headers: vec![(name.into(), value)], payload: Bytes::new() };
        assert_eq!(message.encode(), Err(BrokenFrame::Header));
    }
}

fn any_header() -> impl Strategy<Value = HeaderValue> {
    prop_oneof![
        any::<bool>().prop_map(HeaderValue::Boolean),
        any::<i8>().prop_map(HeaderValue::Byte),
        any::<i16>().prop_map(HeaderValue::Short),
        any::<i32>().prop_map(HeaderValue::Integer),
        any::<i64>().prop_map(HeaderValue::Long),
        any::<Vec<u8>>().prop_map(|bytes| HeaderValue::Bytes(bytes.into())),
        any::<String>().prop_map(|text| HeaderValue::String(text.into())),
        any::<i64>().prop_map(|millis| HeaderValue::Timestamp(Timestamp::from_millis(millis))),
        any::<[u8; 16]>().prop_map(HeaderValue::Uuid),
    ]
}

proptest! {
    #[test]
    fn messages_read_back_one_after_the_other(
        headers in prop::collection::vec(("[a-z:-]{1,20}", any_header()), 0..5),
        payload: Vec<u8>,
    ) {
        let headers = headers.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        let message = Message { headers, payload: payload.into() };
        let frame = message.encode().unwrap();
        let mut buffer = BytesMut::from([&frame[..], &frame[..], &frame[..5]].concat().as_slice());
        prop_assert_eq!(Message::decode(&mut buffer), Ok(Some(message.clone())));
        prop_assert_eq!(Message::decode(&mut buffer), Ok(Some(message)));
        prop_assert_eq!(Message::decode(&mut buffer), Ok(None));
    }

    #[test]
    fn no_headers_make_it_panic(headers in prop::collection::vec(0u8..12, 0..64)) {
        let mut frame = BytesMut::new();
        let length = u32::try_from(headers.len()).unwrap();
        frame.extend_from_slice(&(length + 16).to_be_bytes());
        frame.extend_from_slice(&length.to_be_bytes());
        let sum = crc32::of(&frame);
        frame.extend_from_slice(&sum.to_be_bytes());
        frame.extend_from_slice(&headers);
        let sum = crc32::of(&frame);
        frame.extend_from_slice(&sum.to_be_bytes());
        let _ = Message::decode(&mut frame);
    }
}
