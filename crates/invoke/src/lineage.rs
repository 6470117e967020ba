//! Loops that functions make by way of queues, topics and each other, and where they are broken off.
//!
//! Every invocation is counted in the trace header that it passes on (`Lineage`), whether anybody traces or not; a
//! function whose SDK passes the header on, as all current ones do, is found out when it comes round too often.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>
//!
//! It refuses to decide what becomes of the event.

/// Turns after which a loop is broken off.
pub const TURNS_MAX: u32 = 16;
/// Functions that a header counts; a chain of more is counted by its last ones.
const MEMBERS_MAX: usize = 16;
const FIELD: &str = "Lineage=";

/// Counts an invocation of a function into a trace header: the header to pass on, and how often the function has now been
/// invoked along this chain.
pub fn count(header: &str, function_arn: &str) -> (String, u32) {
    let name = fingerprint(function_arn);
    let fields = || header.split(';').map(str::trim).filter(|field| !field.is_empty());
    let lineage = fields().find_map(|field| field.strip_prefix(FIELD)).unwrap_or_default();
    let mut members: Vec<(String, u32)> = lineage.split('|').filter_map(member).collect();
    let turns = match members.iter_mut().find(|(other, _)| *other == name) {
        Some((_, turns)) => {
            *turns = turns.saturating_add(1);
            *turns
        }
        None => {
            members.push((name, 1));
            1
        }
    };
    let surplus = members.len().saturating_sub(MEMBERS_MAX);
    let members: Vec<String> =
        members.iter().skip(surplus).map(|(name, turns)| format!("{name}:{turns}")).collect();
    let others: Vec<&str> = fields().filter(|field| !field.starts_with(FIELD)).collect();
    (format!("{};{FIELD}{}", others.join(";"), members.join("|")), turns)
}

fn member(text: &str) -> Option<(String, u32)> {
    let (name, turns) = text.split_once(':')?;
    let is_fingerprint = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_fingerprint.then(|| Some((name.to_owned(), turns.parse().ok()?)))?
}

/// FNV-1a of 32 bits: short enough for a header. Two functions that share one are counted together, which needs a loop
/// of both to matter.
fn fingerprint(function_arn: &str) -> String {
    let hash = function_arn
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn turns_are_counted_for_each_function_and_the_trace_stays() {
        let (mut header, mut turns) = (ROOT.to_owned(), 0);
        for expected in 1..=20 {
            let (next, other) = count(&header, "arn:aws:lambda:us-east-1:000000000000:function:other");
            (header, turns) = count(&next, "arn:aws:lambda:us-east-1:000000000000:function:f");
            assert_eq!((turns, other), (expected, expected));
        }
        assert!(header.starts_with(&format!("{ROOT};Lineage=")), "{header}");
        assert_eq!(header.matches("Lineage").count(), 1);
        assert!(turns > TURNS_MAX);
    }

    #[test]
    fn a_header_stays_short_and_nonsense_is_not_passed_on() {
        let mut header = format!("{ROOT};Lineage=zzzzzzzz:1|12345678|12345678:x|:|");
        for number in 0..100 {
            header = count(&header, &format!("function {number}")).0;
        }
        assert!(header.len() < 400 && !header.contains('z'), "{header}");
    }
}
