use super::*;
use hearth_base::AccountId;

fn function(name: &str) -> FunctionKey {
    FunctionKey {
        account: AccountId::DEVELOPMENT,
        region: "us-east-1".parse().unwrap(),
        name: name.to_owned(),
    }
}

fn at_ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn key(name: &str, due: i64, id: usize) -> Key {
    event::key(&function(name), at_ms(due), &format!("{id:06}"))
}

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX / 4);

/// Whose events run next, in order, until none can.
fn run(lanes: &mut Lanes, now: i64) -> Vec<(FunctionKey, Key)> {
    let mut started = Vec::new();
    while let Some(step) = lanes.next(at_ms(now)) {
        match step {
            Step::Run(function, key) => started.push((function, key)),
            Step::Read(..) => panic!("nothing is stored that is not known"),
        }
    }
    started
}

#[test]
fn functions_take_turns_however_many_events_one_has() {
    let mut lanes = Lanes::new(1_000);
    (0..50).for_each(|id| lanes.arrive(&function("many"), key("many", 1, id), at_ms(1)));
    lanes.arrive(&function("one"), key("one", 1, 0), at_ms(1));
    let started = run(&mut lanes, 1);
    let first: Vec<&str> = started.iter().take(2).map(|(function, _)| function.name.as_str()).collect();
    assert_eq!(first, ["many", "one"]);
    assert_eq!(started.len(), START + 1);
}

#[test]
fn a_function_never_has_all_places() {
    let mut lanes = Lanes::new(20);
    (0..100).for_each(|id| lanes.arrive(&function("many"), key("many", 1, id), at_ms(1)));
    let mut now = 1;
    for _ in 0..5 {
        now += 1_000;
        run(&mut lanes, now);
    }
    assert_eq!(lanes.running, 10, "half of the places are left for others");
    lanes.arrive(&function("late"), key("late", now, 0), at_ms(now));
    assert_eq!(run(&mut lanes, now).len(), 1);
}

#[test]
fn more_run_at_once_as_time_goes_by_if_the_machine_can() {
    let mut lanes = Lanes::new(10_000);
    (0..200).for_each(|id| lanes.arrive(&function("f"), key("f", 1, id), at_ms(1)));
    let first = run(&mut lanes, 1);
    assert_eq!(first.len(), START);
    assert_eq!(lanes.next_time(), Some(at_ms(1_001)), "a second later there are more places");
    assert_eq!(run(&mut lanes, 1_001).len(), GROWTH);
    let (function, key) = first[0].clone();
    lanes.finish(&function, key, (Turn::Over, at_ms(1_002)));
    assert_eq!(run(&mut lanes, 1_002).len(), 1, "one in its place");
    lanes.allow_growth(false);
    assert_eq!(run(&mut lanes, 5_000), []);
    lanes.allow_growth(true);
    assert_eq!(run(&mut lanes, 6_000).len(), GROWTH);
}

#[test]
fn what_is_due_later_runs_later() {
    let mut lanes = Lanes::new(100);
    lanes.arrive(&function("f"), key("f", 60_000, 1), at_ms(0));
    lanes.arrive(&function("f"), key("f", 5_000, 2), at_ms(0));
    assert_eq!(run(&mut lanes, 4_999), []);
    assert_eq!(lanes.next_time(), Some(at_ms(5_000)));
    assert!(lanes.is_quiet(at_ms(4_999)) && !lanes.is_quiet(at_ms(5_000)));
    let started = run(&mut lanes, 5_000);
    assert_eq!(started, [(function("f"), key("f", 5_000, 2))]);
    lanes.finish(&function("f"), key("f", 5_000, 2), (Turn::Over, at_ms(5_001)));
    assert_eq!(lanes.next_time(), Some(at_ms(60_000)));
}

#[test]
fn throttles_are_waited_out_longer_each_time_up_to_five_minutes() {
    let mut lanes = Lanes::new(100);
    let event = key("f", 0, 1);
    lanes.arrive(&function("f"), event.clone(), at_ms(0));
    let mut now = 0;
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(run(&mut lanes, now).len(), 1, "at {now}");
        lanes.finish(&function("f"), event.clone(), (Turn::Deferred { latest: NEVER }, at_ms(now)));
        assert_eq!(run(&mut lanes, now + seconds * 1_000 - 1), []);
        now += seconds * 1_000;
    }
    assert_eq!(run(&mut lanes, now).len(), 1);
    lanes.finish(&function("f"), event, (Turn::Deferred { latest: at_ms(now + 7_000) }, at_ms(now)));
    assert_eq!(lanes.next_time(), Some(at_ms(now + 7_000)), "its age is up before the pause is");
}

#[test]
fn the_end_of_one_breaks_the_pause_of_the_others() {
    let mut lanes = Lanes::new(100);
    (0..5).for_each(|id| lanes.arrive(&function("f"), key("f", 0, id), at_ms(0)));
    let started = run(&mut lanes, 0);
    assert_eq!(started.len(), 5);
    // There is room for two, say: three are turned away at the same time, which is one pause.
    for (function, key) in &started[2..] {
        lanes.finish(function, key.clone(), (Turn::Deferred { latest: NEVER }, at_ms(1)));
    }
    assert_eq!(run(&mut lanes, 1), []);
    lanes.finish(&function("f"), started[0].1.clone(), (Turn::Over, at_ms(10)));
    let again = run(&mut lanes, 10);
    assert_eq!(again.first().map(|(_, key)| key), Some(&started[2].1), "in their order");
}

#[test]
fn a_lane_knows_few_keys_and_reads_the_rest_in_time() {
    let mut stored: BTreeSet<Key> = BTreeSet::new();
    let mut lanes = Lanes::new(100_000);
    for id in 0..5_000 {
        let key = key("f", 1, id);
        stored.insert(key.clone());
        lanes.arrive(&function("f"), key, at_ms(1));
    }
    assert_eq!(lanes.lanes[&function("f")].window.len(), WINDOW);
    let (mut done, mut now, mut late) = (Vec::new(), 1, 5_000);
    loop {
        match lanes.next(at_ms(now)) {
            Some(Step::Run(function, key)) => {
                stored.remove(&key);
                done.push(key.clone());
                lanes.finish(&function, key, (Turn::Over, at_ms(now)));
            }
            Some(Step::Read(function, after)) => {
                // Something arrives while the store is read, and lies anywhere.
                let arrived = key("f", 1, late);
                late += 1;
                if late < 5_010 {
                    stored.insert(arrived.clone());
                    lanes.arrive(&function, arrived, at_ms(now));
                }
                let behind = stored.iter().filter(|key| after.as_ref().is_none_or(|after| *key > after));
                let keys: Vec<Key> = behind.clone().take(WINDOW).cloned().collect();
                let more = behind.count() > keys.len();
                lanes.read(&function, (keys, more), at_ms(now));
            }
            None if lanes.lanes.is_empty() => break,
            None => now += 100,
        }
        assert!(lanes.lanes.values().all(|lane| lane.window.len() <= WINDOW + 1));
    }
    assert_eq!(stored.len(), 0, "none is forgotten");
    let distinct: HashSet<&Key> = done.iter().collect();
    assert_eq!(distinct.len(), done.len(), "none runs twice");
}

#[test]
fn what_was_stored_before_a_start_is_read() {
    let mut lanes = Lanes::new(10);
    lanes.discover(function("f"), at_ms(0));
    assert_eq!(lanes.next(at_ms(0)), Some(Step::Read(function("f"), None)));
    assert_eq!(lanes.next(at_ms(0)), None);
    lanes.unread(&function("f"), at_ms(0));
    assert_eq!(lanes.next(at_ms(0)), None, "a store that cannot be read is left alone for a while");
    assert_eq!(lanes.next(at_ms(1_000)), Some(Step::Read(function("f"), None)));
    lanes.read(&function("f"), (vec![], false), at_ms(1_000));
    assert!(lanes.lanes.is_empty());
}
