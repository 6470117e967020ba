//! The static tables that say what each operation needs leave for. Generated code fills them; `iam` decides by them.
//!
//! They name actions, the members of the input that name resources, and condition keys, and hold no logic.

/// What one operation needs.
#[derive(Debug)]
pub struct Authorisation {
    /// The operation it is of.
    pub operation: &'static str,
    /// All of these; nothing for what everybody may do.
    pub requirements: &'static [Requirement],
}

/// Leave for one action.
#[derive(Debug)]
pub struct Requirement {
    /// `lambda:InvokeFunction`
    pub action: &'static str,
    /// What the action is on.
    pub resource: Resource,
    /// The condition keys that the input gives.
    pub keys: &'static [Key],
    /// It is needed only when this member of the input is given.
    pub when: Option<Path>,
    /// The input has a token that the resource's account gave out, and whoever has it needs no further leave of that
    /// account: of its own the caller does.
    pub by_token: bool,
}

/// The places of a member in the input and of those inside it. A list on the way stands for each of its items.
pub type Path = &'static [u16];

/// What an action is on.
#[derive(Debug)]
pub enum Resource {
    /// `*`: AWS has no resource-level permission for it.
    Any,
    /// The first of these texts whose members are all given. One that begins with a member counts only if that is an ARN.
    Made(&'static [&'static [Part]]),
    /// What a resolver makes of these members.
    Resolved(Resolver, &'static [Path]),
}

/// A part of the text of an ARN.
#[derive(Debug)]
pub enum Part {
    /// As it stands.
    Text(&'static str),
    /// The partition of the caller's region.
    Partition,
    /// The region of the signature.
    Region,
    /// The caller's account.
    Account,
    /// The member's value.
    Member(Path),
}

/// Makes the ARNs that no text can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// A function by its name or ARN, and a qualifier.
    Function,
    /// A queue by its URL.
    Queue,
    /// A user by its name, with the path it has; the caller when there is no name.
    User,
    /// A role by its name, with the path it has.
    Role,
    /// A group by its name, with the path it has.
    Group,
    /// An event bus by its name or ARN; the default one when there is none.
    EventBus,
    /// The buses of several events, and the events, of which those without a bus are for the default one.
    EventBuses,
    /// A rule by its name, and the name or ARN of its bus.
    Rule,
}

/// A condition key that the input gives.
#[derive(Debug)]
pub struct Key {
    /// In lower case.
    pub name: &'static str,
    /// Where its value is.
    pub source: Source,
}

/// Where the value of a condition key is.
#[derive(Debug)]
pub enum Source {
    /// The member's value or values.
    Member(Path),
    /// The member holds tags: they give `aws:RequestTag/…` and `aws:TagKeys`.
    Tags(Path),
    /// Always this.
    Word(&'static str),
    /// An ARN made of the input.
    Resource(Resource),
}
