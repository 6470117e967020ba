//! The `Principal` of a statement, and whether it means who asks.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use hearth_base::AccountId;

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals {
    pub(super) negated: bool,
    pub(super) entries: Vec<Entry>,
    /// Whether it is written `"*"` and not as an object.
    pub(super) bare: bool,
}

/// One principal as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) text: String,
    who: Who,
}

/// The kinds of principals, in the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Self::Aws, Self::Service, Self::Federated, Self::CanonicalUser];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Service => "Service",
            Self::Federated => "Federated",
            Self::CanonicalUser => "CanonicalUser",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// `*`
    Anyone,
    /// An account, by its number or its root's ARN: leave for the account to give leave to its own.
    Account(AccountId),
    /// What the text says: an ARN, a unique id, a service, an identity provider.
    Named,
}

/// Who asks, as policies name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requester {
    /// The root user of an account.
    Root {
        /// The account.
        account: AccountId,
        /// `arn:aws:iam::…:root`
        arn: String,
    },
    /// A user, or a session of one.
    User {
        /// The account.
        account: AccountId,
        /// With its path.
        arn: String,
        /// `AIDA…`; empty when it is not known.
        id: String,
    },
    /// A session of a role.
    Session {
        /// The account of the role.
        account: AccountId,
        /// The role's, with its path.
        role_arn: String,
        /// `AROA…`; empty when it is not known.
        role_id: String,
        /// `arn:aws:sts::…:assumed-role/role/session`
        session_arn: String,
    },
    /// A service in its own name.
    Service {
        /// `lambda.amazonaws.com`
        name: String,
    },
    /// Somebody whom an identity provider knows.
    Federated {
        /// The provider's ARN or its name.
        provider: String,
    },
}

/// How a statement means who asks: it decides what else must allow the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meant {
    /// By the account alone: the account's own policies must allow it too.
    Account,
    /// By itself: as the user, the role, the service, or as anybody.
    Itself,
    /// As this very session.
    Session,
}

impl Requester {
    /// The account it belongs to.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root { account, .. } | Self::User { account, .. } | Self::Session { account, .. } => {
                Some(*account)
            }
            Self::Service { .. } | Self::Federated { .. } => None,
        }
    }
}

impl Principals {
    /// How the statement means who asks; none when it does not.
    pub(super) fn mean(&self, requester: &Requester) -> Option<Meant> {
        if self.negated {
            return if self.spare(requester) { None } else { Some(Meant::Itself) };
        }
        self.entries.iter().filter_map(|entry| entry.means(requester)).max()
    }

    /// Whether a `NotPrincipal` spares who asks.
    ///
    /// AWS: whoever is to be spared is listed with its role and its account, or it is not spared.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html>
    fn spare(&self, requester: &Requester) -> bool {
        let listed = |wanted| self.entries.iter().any(|entry| entry.means(requester) == Some(wanted));
        let needed: &[Meant] = match requester {
            Requester::Root { .. } | Requester::Service { .. } | Requester::Federated { .. } => {
                &[Meant::Itself]
            }
            Requester::User { .. } => &[Meant::Account, Meant::Itself],
            Requester::Session { .. } => &[Meant::Account, Meant::Itself, Meant::Session],
        };
        let anyone = self.entries.iter().any(|entry| entry.who == Who::Anyone);
        anyone || needed.iter().all(|meant| listed(*meant))
    }
}

impl Entry {
    /// Reads one principal; none when it is no principal of its kind.
    pub(super) fn read(kind: Kind, text: &str) -> Option<Self> {
        let who = match kind {
            Kind::Aws => aws(text)?,
            Kind::Service if service(text) => Who::Named,
            Kind::Federated | Kind::CanonicalUser if !text.is_empty() => Who::Named,
            _ => return None,
        };
        Some(Self { kind, text: text.to_owned(), who })
    }

    fn means(&self, requester: &Requester) -> Option<Meant> {
        let of_account = |of: &AccountId| matches!(&self.who, Who::Account(account) if account == of);
        let (kind, text) = (self.kind, self.text.as_str());
        if self.who == Who::Anyone {
            return Some(Meant::Itself);
        }
        match requester {
            Requester::Root { account, .. } if of_account(account) => Some(Meant::Itself),
            Requester::User { account, .. } | Requester::Session { account, .. } if of_account(account) => {
                Some(Meant::Account)
            }
            Requester::User { arn, id, .. } if kind == Kind::Aws => {
                names(text, arn, id).then_some(Meant::Itself)
            }
            Requester::Session { session_arn, .. } if kind == Kind::Aws && text == session_arn => {
                Some(Meant::Session)
            }
            Requester::Session { role_arn, role_id, .. } if kind == Kind::Aws => {
                names(text, role_arn, role_id).then_some(Meant::Itself)
            }
            Requester::Service { name } if kind == Kind::Service => {
                same_service(text, name).then_some(Meant::Itself)
            }
            Requester::Federated { provider } if kind == Kind::Federated => {
                (text == provider).then_some(Meant::Itself)
            }
            _ => None,
        }
    }
}

fn names(text: &str, arn: &str, id: &str) -> bool {
    text == arn || (!id.is_empty() && text == id)
}

/// A service is also named with the region it is in: `logs.us-east-1.amazonaws.com`.
fn same_service(text: &str, name: &str) -> bool {
    let without_region = |text: &str| -> Option<String> {
        let (service, rest) = text.split_once('.')?;
        let (_, domain) = rest.split_once('.')?;
        domain.starts_with("amazonaws.com").then(|| format!("{service}.{domain}"))
    };
    text == name || without_region(text).is_some_and(|text| text == name)
}

fn service(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_';
    text.contains('.') && text.bytes().all(allowed)
}

fn aws(text: &str) -> Option<Who> {
    if text == "*" {
        return Some(Who::Anyone);
    }
    if let Ok(account) = text.parse() {
        return Some(Who::Account(account));
    }
    let id = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if (16..=128).contains(&text.len()) && text.bytes().all(id) {
        return Some(Who::Named);
    }
    let fields: Vec<&str> = text.split(':').collect();
    let ["arn", partition, service @ ("iam" | "sts"), "", account, resource] = fields.as_slice() else {
        return None;
    };
    let account: AccountId = account.parse().ok()?;
    if !partition.starts_with("aws") || resource.contains(['*', '?']) {
        return None;
    }
    let kinds: &[&str] =
        if *service == "iam" { &["user/", "role/"] } else { &["assumed-role/", "federated-user/"] };
    match *resource {
        "root" if *service == "iam" => Some(Who::Account(account)),
        _ if kinds.iter().any(|kind| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty())) => {
            Some(Who::Named)
        }
        _ => None,
    }
}
