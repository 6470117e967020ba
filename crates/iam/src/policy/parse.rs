//! Reads policy documents as strictly as IAM does, and words what is wrong with them as IAM does where that is known.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use super::condition::{Condition, Operator};
use super::document::{Choice, Document, Effect, Place, Statement, Version};
use super::json::{Json, Node, read};
use super::pattern::{Colons, Pattern, Reading};
use super::principal::{Entry, Kind, Principals};
use std::fmt;

/// No API of IAM takes a longer text.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>
const TEXT_BYTES_MAX: usize = 131_072;

/// What a text must be to be a policy: the message of a `MalformedPolicyDocument`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(String);

impl Malformed {
    /// The answer to whatever the grammar does not allow.
    pub(super) fn syntax() -> Self {
        Self("Syntax errors in policy.".to_owned())
    }

    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// What a policy is attached to: it decides which elements it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attachment {
    /// Not yet known: any of the elements.
    Any,
    Identity,
    Resource,
    Role,
}

impl Document {
    /// Reads a policy of any kind.
    ///
    /// # Errors
    /// What is wrong with it, in IAM's words.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        document(text, Attachment::Any)
    }

    /// Reads a policy of a user, a group or a role, a permissions boundary or a session policy: it names no principal.
    ///
    /// # Errors
    /// What is wrong with it, in IAM's words.
    pub fn identity(text: &str) -> Result<Self, Malformed> {
        document(text, Attachment::Identity)
    }

    /// Reads a policy of a resource: it says whom it means.
    ///
    /// # Errors
    /// What is wrong with it, in IAM's words.
    pub fn resource(text: &str) -> Result<Self, Malformed> {
        document(text, Attachment::Resource)
    }

    /// Reads the trust policy of a role: who may assume it.
    ///
    /// # Errors
    /// What is wrong with it, in IAM's words.
    pub fn trust(text: &str) -> Result<Self, Malformed> {
        document(text, Attachment::Role)
    }
}

fn document(text: &str, attachment: Attachment) -> Result<Document, Malformed> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Malformed::syntax());
    }
    let root = read(text).map_err(|_| Malformed::new("This policy contains invalid Json"))?;
    let mut fields = Fields::of(root)?;
    let version = match fields.text("Version")?.as_deref() {
        None | Some("2008-10-17") => Version::V2008,
        Some("2012-10-17") => Version::V2012,
        Some(_) => return Err(Malformed::syntax()),
    };
    let id = fields.text("Id")?;
    let nodes = match fields.take("Statement") {
        Some(Node { json: Json::Array(nodes), .. }) => nodes,
        Some(node) => vec![node],
        None => return Err(Malformed::syntax()),
    };
    fields.finish()?;
    if nodes.is_empty() {
        return Err(Malformed::syntax());
    }
    let reader = Reader { version, attachment };
    let mut ruler = Ruler { rest: text, at: 0, place: Place { line: 1, column: 1 } };
    let statements = nodes
        .into_iter()
        .map(|node| {
            let span = (ruler.place(node.start), ruler.place(node.end));
            reader.statement(node, span)
        })
        .collect::<Result<Vec<_>, _>>()?;
    if attachment != Attachment::Any {
        unique_sids(&statements)?;
    }
    Ok(Document { version, id, statements })
}

fn unique_sids(statements: &[Statement]) -> Result<(), Malformed> {
    let mut sids: Vec<&str> =
        statements.iter().filter_map(Statement::sid).filter(|sid| !sid.is_empty()).collect();
    sids.sort_unstable();
    if sids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Malformed::new("Statement IDs (SID) in a single policy must be unique."));
    }
    Ok(())
}

/// The members of an object, taken one by one; what is left over does not belong.
struct Fields(Vec<(String, Node)>);

impl Fields {
    fn of(node: Node) -> Result<Self, Malformed> {
        match node.json {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(Malformed::syntax()),
        }
    }

    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Node { json: Json::String(text), .. }) => Ok(Some(text)),
            Some(_) => Err(Malformed::syntax()),
        }
    }

    /// An element or its opposite, and whether it is the opposite. Not both.
    fn either(&mut self, name: &str) -> Result<Option<(Node, bool)>, Malformed> {
        match (self.take(name), self.take(&format!("Not{name}"))) {
            (Some(node), None) => Ok(Some((node, false))),
            (None, Some(node)) => Ok(Some((node, true))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Malformed::syntax()),
        }
    }

    fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::syntax()) }
    }
}

/// Finds lines and columns, from each place on to the next: a policy may have hundreds of statements in one line.
struct Ruler<'a> {
    rest: &'a str,
    at: usize,
    place: Place,
}

impl Ruler<'_> {
    /// The place of an offset, which is no smaller than that of the last call.
    fn place(&mut self, offset: usize) -> Place {
        let (passed, rest) = self.rest.split_at(offset - self.at);
        for char in passed.chars() {
            match char {
                '\n' => self.place = Place { line: self.place.line + 1, column: 1 },
                _ => self.place.column += 1,
            }
        }
        (self.rest, self.at) = (rest, offset);
        self.place
    }
}

struct Reader {
    version: Version,
    attachment: Attachment,
}

impl Reader {
    fn statement(&self, node: Node, (begin, end): (Place, Place)) -> Result<Statement, Malformed> {
        let mut fields = Fields::of(node)?;
        let sid = fields.text("Sid")?;
        self.check_sid(sid.as_deref())?;
        let effect = match fields.text("Effect")?.as_deref() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(Malformed::syntax()),
        };
        let principals = self.principals(&mut fields, effect)?;
        let actions = self.actions(&mut fields)?;
        let resources = self.resources(&mut fields)?;
        let conditions = match fields.take("Condition") {
            Some(node) => self.conditions(node)?,
            None => Vec::new(),
        };
        fields.finish()?;
        Ok(Statement { sid, effect, principals, actions, resources, conditions, begin, end })
    }

    /// Services let the statements of their resources have ids of their own making.
    fn check_sid(&self, sid: Option<&str>) -> Result<(), Malformed> {
        let strict = matches!(self.attachment, Attachment::Identity | Attachment::Role);
        let alphanumeric = |sid: &str| sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if strict && !sid.is_none_or(alphanumeric) {
            return Err(Malformed::new(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
                 [0-9A-Za-z]*",
            ));
        }
        Ok(())
    }

    fn principals(&self, fields: &mut Fields, effect: Effect) -> Result<Option<Principals>, Malformed> {
        let Some((node, negated)) = fields.either("Principal")? else {
            return match self.attachment {
                Attachment::Resource | Attachment::Role => {
                    Err(Malformed::new("Missing required field Principal"))
                }
                Attachment::Any | Attachment::Identity => Ok(None),
            };
        };
        if self.attachment == Attachment::Identity {
            return Err(Malformed::new("Policy document should not specify a principal."));
        }
        // AWS: leave for everybody but some is not to be had.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        if negated && effect == Effect::Allow {
            return Err(Malformed::new("Allow with NotPrincipal is not allowed."));
        }
        if negated && self.attachment == Attachment::Role {
            return Err(Malformed::new("Has prohibited field NotPrincipal"));
        }
        let members = match node.json {
            Json::String(text) if text == "*" => {
                let entry = Entry::read(Kind::Aws, "*").ok_or_else(Malformed::syntax)?;
                return Ok(Some(Principals { negated, entries: vec![entry], bare: true }));
            }
            Json::Object(members) if !members.is_empty() => members,
            _ => return Err(Malformed::syntax()),
        };
        let mut entries = Vec::new();
        for (name, node) in members {
            for text in texts(node)? {
                let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
                let entry = kind.and_then(|kind| Entry::read(kind, &text));
                entries.push(entry.ok_or_else(|| {
                    Malformed::new(format!("Invalid principal in policy: \"{name}\":\"{text}\""))
                })?);
            }
        }
        Ok(Some(Principals { negated, entries, bare: false }))
    }

    fn actions(&self, fields: &mut Fields) -> Result<Choice, Malformed> {
        let (node, negated) = fields
            .either("Action")?
            .ok_or_else(|| Malformed::new("Policy statement must contain actions."))?;
        let texts = texts(node)?;
        if texts.is_empty() {
            return Err(Malformed::new("Policy statement must contain actions."));
        }
        for text in &texts {
            check_action(text)?;
            if self.attachment == Attachment::Role && !text.to_ascii_lowercase().starts_with("sts:") {
                return Err(Malformed::new("AssumeRole policy may only specify STS AssumeRole actions."));
            }
        }
        Ok(Choice { negated, patterns: texts.iter().map(|text| Pattern::action(text)).collect() })
    }

    fn resources(&self, fields: &mut Fields) -> Result<Option<Choice>, Malformed> {
        let found = fields.either("Resource")?;
        let (node, negated) = match (found, self.attachment) {
            (Some((_, negated)), Attachment::Role) => {
                let name = if negated { "NotResource" } else { "Resource" };
                return Err(Malformed::new(format!("Has prohibited field {name}")));
            }
            (Some(found), _) => found,
            (None, Attachment::Identity) => {
                return Err(Malformed::new("Policy statement must contain resources."));
            }
            (None, _) => return Ok(None),
        };
        let texts = texts(node)?;
        if texts.is_empty() {
            return Err(Malformed::new("Policy statement must contain resources."));
        }
        let reading = Reading { wildcards: true, variables: self.has_variables(), colons: Colons::PassAtEnd };
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            check_resource(&text)?;
            patterns.push(Pattern::read(&text, reading).ok_or_else(Malformed::syntax)?);
        }
        Ok(Some(Choice { negated, patterns }))
    }

    fn conditions(&self, node: Node) -> Result<Vec<Condition>, Malformed> {
        let mut conditions = Vec::new();
        for (name, node) in Fields::of(node)?.0 {
            let operator = Operator::read(&name)
                .ok_or_else(|| Malformed::new(format!("Invalid Condition type : {name}.")))?;
            for (key, node) in Fields::of(node)?.0 {
                check_key(&key)?;
                let reading = operator.reading(self.has_variables());
                let values =
                    texts(node)?.iter().map(|text| Pattern::read(text, reading)).collect::<Option<Vec<_>>>();
                conditions.push(Condition::new(operator, &key, values.ok_or_else(Malformed::syntax)?));
            }
        }
        Ok(conditions)
    }

    fn has_variables(&self) -> bool {
        self.version == Version::V2012
    }
}

/// One text or a list of them; numbers and truth values count as written.
fn texts(node: Node) -> Result<Vec<String>, Malformed> {
    let nodes = match node.json {
        Json::Array(nodes) => nodes,
        json => vec![Node { json, ..node }],
    };
    let text = |node: Node| match node.json {
        Json::String(text) | Json::Number(text) => Ok(text),
        Json::Boolean(truth) => Ok(truth.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(Malformed::syntax()),
    };
    nodes.into_iter().map(text).collect()
}

/// `*`, or a service and an action with a colon between them.
fn check_action(text: &str) -> Result<(), Malformed> {
    if text == "*" {
        return Ok(());
    }
    let (vendor, action) = prefaced(text)?;
    let of_vendor = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if vendor.is_empty() || !vendor.bytes().all(of_vendor) {
        return Err(Malformed::new(format!("Vendor {vendor} is not valid")));
    }
    let of_action = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'?' | b'-' | b'_');
    if action.is_empty() || !action.bytes().all(of_action) {
        return Err(Malformed::syntax());
    }
    Ok(())
}

/// A key has its service before it. Tags come behind a slash and may hold anything.
fn check_key(key: &str) -> Result<(), Malformed> {
    let name = key.split_once('/').map_or(key, |(name, _)| name);
    let (vendor, rest) = prefaced(name)?;
    if vendor.is_empty() || rest.is_empty() {
        return Err(Malformed::syntax());
    }
    Ok(())
}

fn prefaced(text: &str) -> Result<(&str, &str), Malformed> {
    let (vendor, rest) = text.split_once(':').ok_or_else(|| {
        Malformed::new("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    })?;
    if rest.contains(':') && !vendor.is_empty() && !is_provider(vendor) {
        return Err(Malformed::new("Actions/Condition can contain only one colon."));
    }
    Ok((vendor, rest))
}

/// Keys of identity providers are named after their hosts, which have dots: `accounts.google.com:aud`.
fn is_provider(vendor: &str) -> bool {
    vendor.contains('.')
}

/// `*` or an ARN with wildcards. A star at the end may stand for parts that are missing.
fn check_resource(text: &str) -> Result<(), Malformed> {
    if text == "*" {
        return Ok(());
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let whole = parts.len() == 6 || (parts.len() > 2 && text.ends_with('*'));
    if parts[0] != "arn" || !whole {
        return Err(Malformed::new(format!("Resource {text} must be in ARN format or \"*\".")));
    }
    let partition = parts[1];
    if !partition.starts_with("aws") && !partition.contains(['*', '?', '$']) {
        return Err(Malformed::new(format!(
            "Partition \"{partition}\" is not valid for resource \"{text}\"."
        )));
    }
    Ok(())
}
