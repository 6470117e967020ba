//! Texts with wildcards and variables, as actions, resources and values of conditions are written.
//!
//! Matching never takes longer than the product of both lengths: all ways to match are followed at once, and a `*`
//! that is reached makes every way before it needless. It knows nothing of what the texts mean, but for the colons of ARNs.

use super::context::{Context, Values};
use std::fmt;

/// A text to match others against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As it was written.
    text: String,
    form: Form,
}

/// How a pattern is matched: most are matched without following anything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// `*`
    Any,
    /// No wildcard.
    Literal(String),
    /// One wildcard: a `*` at the end.
    Prefix(String),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `?` that is no colon.
    OneWithin,
    /// `*`
    Star,
    /// `*` that stops at a colon.
    Within,
    /// `${key}` or `${key, 'default'}`
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Whether `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// Whether `${…}` is a variable: not in policies of 2008.
    pub(super) variables: bool,
    /// What a wildcard makes of colons.
    pub(super) colons: Colons,
}

/// What a wildcard makes of the colons between the parts of an ARN. In the last part, the resource, they are letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colons {
    /// It matches them like any other letter.
    Pass,
    /// It never matches them.
    Stop,
    /// AWS: a star at the end of a part reaches over the colons behind it, one inside a part does not.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>
    PassAtEnd,
}

/// What came of matching a pattern that may hold variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Matches,
    Differs,
    /// The request has no value for a variable of the pattern.
    Unknown,
}

impl Pattern {
    /// Reads a text. None when a variable is not closed or has no name.
    pub(super) fn read(text: &str, reading: Reading) -> Option<Self> {
        let form = form(tokens(text, reading)?);
        Some(Self { text: text.to_owned(), form })
    }

    /// An action, whose case does not count.
    pub(super) fn action(text: &str) -> Self {
        let reading = Reading { wildcards: true, variables: false, colons: Colons::Pass };
        let form = tokens(&text.to_ascii_lowercase(), reading).map_or(Form::Tokens(Vec::new()), form);
        Self { text: text.to_owned(), form }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has no variable in it.
    fn is_fixed(&self) -> bool {
        match &self.form {
            Form::Tokens(tokens) => !tokens.iter().any(|token| matches!(token, Token::Variable { .. })),
            _ => true,
        }
    }

    /// The names of the variables in it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let tokens = if let Form::Tokens(tokens) = &self.form { tokens.as_slice() } else { &[] };
        tokens.iter().filter_map(|token| {
            if let Token::Variable { key, .. } = token { Some(key.as_str()) } else { None }
        })
    }

    /// Whether the whole of a text matches. A pattern with variables matches nothing.
    pub(super) fn matches(&self, value: &str) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Literal(text) => value == text,
            Form::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Form::Tokens(tokens) => follow(tokens, value),
        }
    }

    /// Whether an action matches, whatever its case: for what [`Pattern::action`] read.
    pub(super) fn matches_action(&self, action: &str) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Literal(text) => action.eq_ignore_ascii_case(text),
            Form::Prefix(prefix) => action
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes())),
            Form::Tokens(tokens) => follow(tokens, &action.to_ascii_lowercase()),
        }
    }

    /// Whether the whole of a text matches, with the variables that the request gives.
    pub(super) fn matches_in(&self, value: &str, context: &dyn Context) -> Outcome {
        let matches = if self.is_fixed() {
            self.matches(value)
        } else {
            match self.expand(context) {
                Some(tokens) => follow(&tokens, value),
                None => return Outcome::Unknown,
            }
        };
        if matches { Outcome::Matches } else { Outcome::Differs }
    }

    /// The text with its variables filled in, for operators without wildcards; none when the request lacks one.
    pub(super) fn filled(&self, context: &dyn Context) -> Option<String> {
        match &self.form {
            Form::Literal(text) => Some(text.clone()),
            Form::Any | Form::Prefix(_) => Some(self.text.clone()),
            Form::Tokens(_) => Some(
                self.expand(context)?
                    .iter()
                    .map(|token| match token {
                        Token::Char(char) => *char,
                        Token::One | Token::OneWithin => '?',
                        Token::Star | Token::Within | Token::Variable { .. } => '*',
                    })
                    .collect(),
            ),
        }
    }

    /// Puts in the values of the variables. They are taken by the letter: a `*` in a value is a star and no wildcard.
    fn expand(&self, context: &dyn Context) -> Option<Vec<Token>> {
        let Form::Tokens(tokens) = &self.form else { return Some(Vec::new()) };
        let mut expanded = Vec::with_capacity(tokens.len());
        for token in tokens {
            let Token::Variable { key, default } = token else {
                expanded.push(token.clone());
                continue;
            };
            match (context.get(key), default) {
                // A key of many values is no variable.
                (Some(Values::One(value)), _) => expanded.extend(value.chars().map(Token::Char)),
                (_, Some(default)) => expanded.extend(default.chars().map(Token::Char)),
                _ => return None,
            }
        }
        Some(expanded)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn form(tokens: Vec<Token>) -> Form {
    let literal = |tokens: &[Token]| {
        let char = |token: &Token| if let Token::Char(char) = token { Some(*char) } else { None };
        tokens.iter().map(char).collect::<Option<String>>()
    };
    if let [Token::Star] = tokens.as_slice() {
        return Form::Any;
    }
    if let Some(text) = literal(&tokens) {
        return Form::Literal(text);
    }
    if let Some((Token::Star, before)) = tokens.split_last()
        && let Some(prefix) = literal(before)
    {
        return Form::Prefix(prefix);
    }
    Form::Tokens(tokens)
}

fn tokens(text: &str, reading: Reading) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len());
    let mut rest = text;
    // The colons that came before: an ARN has five before its resource.
    let mut colons = 0;
    while let Some(char) = rest.chars().next() {
        if reading.variables && rest.starts_with("${") {
            let (token, behind) = variable(rest)?;
            tokens.push(token);
            rest = behind;
            continue;
        }
        rest = &rest[char.len_utf8()..];
        match char {
            '*' if reading.wildcards => {
                let at_end = rest.is_empty() || rest.starts_with([':', '*']);
                let stops = match reading.colons {
                    Colons::Pass => false,
                    // A star alone is no ARN and means all of them.
                    Colons::Stop => colons < 5 && text != "*",
                    Colons::PassAtEnd => colons < 5 && !at_end,
                };
                push_star(&mut tokens, if stops { Token::Within } else { Token::Star });
            }
            '?' if reading.wildcards => {
                let stops = reading.colons != Colons::Pass && colons < 5;
                tokens.push(if stops { Token::OneWithin } else { Token::One });
            }
            char => {
                colons += usize::from(char == ':');
                tokens.push(Token::Char(char));
            }
        }
    }
    Some(tokens)
}

/// Two stars in a row are one, the wider.
fn push_star(tokens: &mut Vec<Token>, star: Token) {
    match tokens.last_mut() {
        Some(last @ Token::Within) => *last = star,
        Some(Token::Star) => {}
        _ => tokens.push(star),
    }
}

/// `${key}`, `${key, 'default'}`, or one of `${*}`, `${?}` and `${$}`, which stand for the character.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
fn variable(text: &str) -> Option<(Token, &str)> {
    let (inside, behind) = text.strip_prefix("${")?.split_once('}')?;
    let token = match inside {
        "*" => Token::Char('*'),
        "?" => Token::Char('?'),
        "$" => Token::Char('$'),
        _ => {
            let (key, default) = match inside.split_once(',') {
                None => (inside, None),
                Some((key, default)) => {
                    let quoted = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                    (key, Some(quoted.to_owned()))
                }
            };
            let key = key.trim();
            if key.is_empty() {
                return None;
            }
            Token::Variable { key: key.to_ascii_lowercase(), default }
        }
    };
    Some((token, behind))
}

/// Follows every way through the tokens at once.
fn follow(tokens: &[Token], value: &str) -> bool {
    let mut ways = Ways::new(tokens);
    for char in value.chars() {
        ways.step(char);
        if ways.here.is_empty() {
            return false;
        }
    }
    ways.here.contains(&tokens.len())
}

/// The places in the tokens that what was read so far can lead to.
struct Ways<'a> {
    tokens: &'a [Token],
    here: Vec<usize>,
    next: Vec<usize>,
    /// For each place, the step that entered it last, so that none is entered twice.
    entered: Vec<usize>,
    step: usize,
    /// The last star that reaches everything: ways before it lead nowhere that it does not.
    star: usize,
}

impl<'a> Ways<'a> {
    fn new(tokens: &'a [Token]) -> Self {
        let entered = vec![0; tokens.len() + 1];
        let mut ways = Self { tokens, here: Vec::new(), next: Vec::new(), entered, step: 1, star: 0 };
        ways.enter(0);
        std::mem::swap(&mut ways.here, &mut ways.next);
        ways
    }

    fn step(&mut self, char: char) {
        self.step += 1;
        self.next.clear();
        for index in 0..self.here.len() {
            let place = self.here[index];
            if place < self.star {
                continue;
            }
            match self.tokens.get(place) {
                Some(Token::Star) => self.enter(place),
                Some(Token::Within) if char != ':' => self.enter(place),
                Some(Token::One) => self.enter(place + 1),
                Some(Token::OneWithin) if char != ':' => self.enter(place + 1),
                Some(Token::Char(wanted)) if *wanted == char => self.enter(place + 1),
                _ => {}
            }
        }
        let star = self.star;
        self.next.retain(|place| *place >= star);
        std::mem::swap(&mut self.here, &mut self.next);
    }

    /// A star can stand for nothing: who enters it is behind it as well.
    fn enter(&mut self, place: usize) {
        if self.entered[place] == self.step {
            return;
        }
        self.entered[place] = self.step;
        self.next.push(place);
        match self.tokens.get(place) {
            Some(Token::Star) => {
                self.star = self.star.max(place);
                self.enter(place + 1);
            }
            Some(Token::Within) => self.enter(place + 1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    const PLAIN: Reading = Reading { wildcards: true, variables: true, colons: Colons::Pass };
    const ARN: Reading = Reading { wildcards: true, variables: true, colons: Colons::PassAtEnd };

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::read(pattern, PLAIN).unwrap().matches(value)
    }

    #[test]
    fn wildcards_match_as_published() {
        for (pattern, value, expected) in [
            ("*", "", true),
            ("*", "anything:at/all", true),
            ("a", "a", true),
            ("a", "A", false),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("*a", "bca", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**b", "ab", true),
            ("", "", true),
            ("", "a", false),
            ("??", "a", false),
            ("*ab", "aab", true),
            ("*a?b", "aaab", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
        }
        for action in ["Lambda:Invoke*", "lambda:invokefunction", "lambda:*function", "*"] {
            assert!(Pattern::action(action).matches_action("lambda:InvokeFunction"), "{action}");
        }
        assert!(!Pattern::action("lambda:InvokeFunctionU*").matches_action("lambda:InvokeFunction"));
    }

    #[test]
    fn a_star_reaches_over_colons_from_the_end_of_a_segment_only() {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:f:live";
        for (pattern, expected) in [
            ("arn:aws:lambda:us-east-1:123456789012:function:f:live", true),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", false),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:*", true),
            ("arn:aws:lambda:us-east-1:123456789012:function:*live", true),
            ("arn:aws:lambda:*:*:function:f:live", true),
            ("arn:aws:lambda:*:function:f:live", true),
            ("arn:aws:lambda:*", true),
            ("arn:*:lambda:us-*-1:123456789012:*", true),
            ("arn:aws:lambda:us-*1:123456789012:*", true),
            ("arn:aws:lambda:u*n:f:live", false),
            ("arn:aws:lambda:??-east-1:1234567890??:function:f:live", true),
        ] {
            assert_eq!(Pattern::read(pattern, ARN).unwrap().matches(function), expected, "{pattern}");
        }
    }

    #[test]
    fn variables_are_filled_in_by_the_letter() {
        let context = BTreeMap::from([
            ("aws:username".to_owned(), vec!["al*ce".to_owned()]),
            ("aws:tagkeys".to_owned(), vec!["a".to_owned(), "b".to_owned()]),
        ]);
        for (pattern, value, expected) in [
            ("home/${aws:UserName}/*", "home/al*ce/x", Outcome::Matches),
            ("home/${aws:username}/*", "home/alice/x", Outcome::Differs),
            ("${aws:PrincipalTag/team}", "x", Outcome::Unknown),
            ("${aws:PrincipalTag/team, 'red, or so'}", "red, or so", Outcome::Matches),
            ("${aws:username, 'x'}", "al*ce", Outcome::Matches),
            ("${aws:TagKeys}", "a", Outcome::Unknown),
            ("a${*}b${?}c${$}d", "a*b?c$d", Outcome::Matches),
            ("a${*}b", "axb", Outcome::Differs),
        ] {
            let pattern = Pattern::read(pattern, PLAIN).unwrap();
            assert_eq!(pattern.matches_in(value, &context), expected, "{pattern}");
        }
        for wrong in ["${", "${}", "${a", "${a, b}", "${, 'b'}"] {
            assert_eq!(Pattern::read(wrong, PLAIN), None, "{wrong}");
        }
        let of_2008 = Reading { variables: false, ..PLAIN };
        assert!(Pattern::read("${aws:username}", of_2008).unwrap().matches("${aws:username}"));
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_others() {
        let (pattern, value) = ("*a".repeat(2_000) + "b", "a".repeat(4_000));
        let begun = Instant::now();
        assert!(!matches(&pattern, &value));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    /// The definition, which takes exponential time.
    fn definition(pattern: &[char], value: &[char]) -> bool {
        match (pattern.split_first(), value.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => definition(rest, value),
            (Some(('*', rest)), Some((_, later))) => definition(rest, value) || definition(pattern, later),
            (Some(('?', rest)), Some((_, later))) => definition(rest, later),
            (Some((one, rest)), Some((other, later))) => one == other && definition(rest, later),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_definition_says(pattern in "[ab:*?]{0,8}", value in "[ab:]{0,10}") {
            let (chars, of_value): (Vec<char>, Vec<char>) = (pattern.chars().collect(), value.chars().collect());
            prop_assert_eq!(matches(&pattern, &value), definition(&chars, &of_value));
        }
    }
}
