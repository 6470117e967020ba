//! What the program may do with files, by Landlock: reads `policies/landlock.list` and applies it. It holds no rule itself.

use crate::Fault;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, Scope,
};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

const POLICY: &str = include_str!("../../../policies/landlock.list");
/// The newest version that we ask for; an older kernel gives what it has, and `hearth doctor` tells.
const ABI_WANTED: ABI = ABI::V6;

/// Restricts this process, for good; it may write to one more file. A kernel without Landlock restricts nothing, which the
/// probe tells.
pub fn restrict(written: Option<&Path>) -> Result<(), Fault> {
    let mut rules = create()?;
    if let Some(path) = written {
        rules = rules.add_rule(PathBeneath::new(open(path)?, AccessFs::WriteFile)).map_err(fail)?;
    }
    rules.restrict_self().map_err(fail)?;
    Ok(())
}

fn open(path: &Path) -> Result<PathFd, Fault> {
    PathFd::new(path).map_err(|error| Fault::at("open", path)(io::Error::other(error.to_string())))
}

/// The rules, for another process of this cage; None where the kernel has no Landlock.
pub fn rules() -> Result<Option<OwnedFd>, Fault> {
    create().map(Into::into)
}

fn fail(error: landlock::RulesetError) -> Fault {
    Fault::at("apply", "the Landlock rules")(io::Error::other(error.to_string()))
}

fn create() -> Result<RulesetCreated, Fault> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_WANTED))
        .and_then(|rules| rules.scope(Scope::from_all(ABI_WANTED)))
        .and_then(Ruleset::create)
        .map_err(fail)?;
    for (path, access) in parse(POLICY).map_err(|reason| {
        Fault::at("read", "policies/landlock.list")(io::Error::new(io::ErrorKind::InvalidData, reason))
    })? {
        let path = Path::new(path);
        let opened = open(path)?;
        // On a file the rights of directories mean nothing, and the kernel refuses them.
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI_WANTED) };
        rules = rules.add_rule(PathBeneath::new(opened, access)).map_err(fail)?;
    }
    Ok(rules)
}

fn parse(policy: &'static str) -> Result<Vec<(&'static str, BitFlags<AccessFs>)>, String> {
    let mut rules = Vec::new();
    for line in policy.lines() {
        let (rule, reason) = line.split_once('#').unwrap_or((line, ""));
        let mut words = rule.split_whitespace();
        let Some(path) = words.next() else { continue };
        if reason.trim().is_empty() {
            return Err(format!("{line:?} has no reason"));
        }
        let mut access = BitFlags::EMPTY;
        for word in words {
            access |= rights(word).ok_or_else(|| format!("{word:?} is no right"))?;
        }
        rules.push((path, access));
    }
    Ok(rules)
}

fn rights(word: &str) -> Option<BitFlags<AccessFs>> {
    Some(match word {
        "read" => AccessFs::ReadFile | AccessFs::ReadDir,
        "execute" => AccessFs::Execute.into(),
        "write" => AccessFs::WriteFile | AccessFs::Truncate,
        "make" => {
            AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::MakeSym
                | AccessFs::MakeSock
                | AccessFs::MakeFifo
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::Refer
        }
        "control" => AccessFs::IoctlDev.into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tmp_and_devices_are_written_to() {
        for (path, access) in parse(POLICY).unwrap() {
            let writes = access.contains(AccessFs::WriteFile);
            assert_eq!(writes, path == "/tmp" || path.starts_with("/dev/"), "{path}");
        }
        assert!(parse("/x read").is_err());
        assert!(parse("/x fly # x").is_err());
    }
}
