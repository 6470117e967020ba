//! JSON as policies are written in it: with the place of every value, so that an answer can point at a statement, and
//! without the leniencies of a general reader. It refuses members given twice, of which another reader would take the last.

use super::Malformed;

/// How deep a policy can nest: the deepest thing the grammar has is a value of a condition, in a list.
const DEPTH_MAX: usize = 8;

/// A value and where it stands in the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) json: Json,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A value.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(String),
    String(String),
    Array(Vec<Node>),
    /// In the order of the text.
    Object(Vec<(String, Node)>),
}

/// Reads one value and nothing behind it.
pub(super) fn read(text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(node) } else { Err(invalid()) }
}

fn invalid() -> Malformed {
    Malformed::syntax()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Takes this byte, after space, if it is the next.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let next = self.peek() == Some(byte);
        if next {
            self.at += 1;
        }
        next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(invalid()) }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Malformed> {
        if depth > DEPTH_MAX {
            return Err(invalid());
        }
        self.space();
        let start = self.at;
        let json = match self.peek().ok_or_else(invalid)? {
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b'"' => Json::String(self.string()?),
            _ => self.word()?,
        };
        Ok(Node { json, start, end: self.at })
    }

    fn object(&mut self, depth: usize) -> Result<Json, Malformed> {
        let mut members: Vec<(String, Node)> = Vec::new();
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            if members.iter().any(|(other, _)| *other == name) {
                return Err(invalid());
            }
            self.expect(b':')?;
            members.push((name, self.value(depth + 1)?));
            if !self.take(b',') {
                self.expect(b'}')?;
                return Ok(Json::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Malformed> {
        let mut items = Vec::new();
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.take(b',') {
                self.expect(b']')?;
                return Ok(Json::Array(items));
            }
        }
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let rest = &self.text[self.at..];
        let mut bytes = rest.bytes().enumerate();
        if bytes.next().is_none_or(|(_, byte)| byte != b'"') {
            return Err(invalid());
        }
        let mut escaped = false;
        for (at, byte) in bytes {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    self.at += at + 1;
                    return serde_json::from_str(&rest[..=at]).map_err(|_| invalid());
                }
                _ => {}
            }
        }
        Err(invalid())
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Json, Malformed> {
        let rest = &self.text[self.at..];
        let of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.bytes().take_while(|byte| of_word(*byte)).count();
        let word = &rest[..length];
        self.at += length;
        match word {
            "true" => Ok(Json::Boolean(true)),
            "false" => Ok(Json::Boolean(false)),
            "null" => Ok(Json::Null),
            number if serde_json::from_str::<serde_json::Number>(number).is_ok() => {
                Ok(Json::Number(number.to_owned()))
            }
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_places() {
        let text = r#" {"a": [1, "x\n\u00e9", true, null], "b": {}} "#;
        let node = read(text).unwrap();
        assert_eq!(&text[node.start..node.end], text.trim());
        let Json::Object(members) = node.json else { panic!("an object") };
        let Json::Array(items) = &members[0].1.json else { panic!("an array") };
        assert!(matches!(&items[0].json, Json::Number(text) if text == "1"));
        assert!(matches!(&items[1].json, Json::String(text) if text == "x\né"));
        assert!(matches!((&items[2].json, &items[3].json), (Json::Boolean(true), Json::Null)));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000);
        for wrong in [
            "",
            "{",
            "{}}",
            "[1,]",
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{"a":1,"a":2}"#,
            "\"a",
            r#""\x""#,
            "01",
            "tru",
            "'a'",
            "{a:1}",
            &deep,
        ] {
            assert!(read(wrong).is_err(), "{wrong:.20}");
        }
    }
}
