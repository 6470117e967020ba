//! How the model's names become Rust's: `KMSKeyArn` the field `kms_key_arn`, `python3.12` the variant `Python3_12`.

/// Keywords that may stand as names behind `r#`.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Keywords that may never stand as names.
const BARE_KEYWORDS: &[&str] = &["crate", "self", "super", "Self"];

/// A field, function or method: snake case.
pub fn snake(name: &str) -> String {
    escape(words(name).join("_").to_lowercase())
}

/// A type, trait or variant: every word begins with a capital.
pub fn pascal(name: &str) -> String {
    let mut out = String::new();
    for word in words(name) {
        // `3` and `12` of `python3.12` must not run together.
        let digits_meet = out.ends_with(|last: char| last.is_ascii_digit())
            && word.starts_with(|c: char| c.is_ascii_digit());
        if digits_meet {
            out.push('_');
        }
        out.push_str(&word[..1].to_uppercase());
        out.push_str(&word[1..].to_lowercase());
    }
    if out.is_empty() || out.starts_with(|first: char| first.is_ascii_digit()) {
        out.insert(0, 'V');
    }
    escape(out)
}

/// The names of an enumeration's variants, in order. Texts that would share a name are told apart by a number.
pub fn variants(values: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for value in values {
        let symbols: String = value.chars().filter(|c| !c.is_ascii_alphanumeric()).collect();
        let plain = match (value.as_str(), symbols.as_str()) {
            ("", _) => "Empty".to_owned(),
            (all, symbols) if all == symbols => format!("Symbol{}", names.len()),
            (all, _) => pascal(all),
        };
        let mut name = plain.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

/// The module of a service: its IAM prefix with underscores.
pub fn module(key: &str) -> String {
    key.replace('-', "_")
}

/// The name itself, made fit to stand in Rust.
pub fn escape(name: String) -> String {
    if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else if BARE_KEYWORDS.contains(&name.as_str()) {
        format!("{name}_")
    } else {
        name
    }
}

/// Cuts a name into its words. Acronyms stay whole (`KMS|Key|Arn`, `list|Of|ARNs`, `EC2|Access`), and digits stay
/// with the word before them (`Code|Sha256`, `S3|Bucket`).
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (index, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        if !word.is_empty() && c.is_ascii_uppercase() && begins_word(&chars, index) {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Whether the capital at `index` begins a word.
fn begins_word(chars: &[char], index: usize) -> bool {
    let before = chars[index - 1];
    if before.is_ascii_lowercase() {
        return true;
    }
    let next_is_lower = |at: usize| chars.get(at).is_some_and(char::is_ascii_lowercase);
    // The `s` of a plural (`ARNs`) and the `v4` of `IPv4` belong to the acronym before them.
    let plural = chars.get(index + 1) == Some(&'s') && !next_is_lower(index + 2);
    let versioned =
        chars.get(index + 1) == Some(&'v') && chars.get(index + 2).is_some_and(char::is_ascii_digit);
    next_is_lower(index + 1) && !plural && !versioned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_become_fields() {
        for (name, expected) in [
            ("FunctionName", "function_name"),
            ("KMSKeyArn", "kms_key_arn"),
            ("CodeSha256", "code_sha256"),
            ("S3ObjectVersion", "s3_object_version"),
            ("Type", "r#type"),
            ("Self", "self_"),
            ("logGroupName", "log_group_name"),
            ("EC2AccessDeniedException", "ec2_access_denied_exception"),
            ("listOfARNs", "list_of_arns"),
            ("SubnetIDs", "subnet_ids"),
            ("UUID", "uuid"),
            ("MD5OfBody", "md5_of_body"),
            ("Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack"),
            ("IPv4Address", "ipv4_address"),
            ("retryAfterSeconds", "retry_after_seconds"),
            ("x-amz-id", "x_amz_id"),
        ] {
            assert_eq!(snake(name), expected, "{name}");
        }
    }

    #[test]
    fn texts_become_variants() {
        for (text, expected) in [
            ("python3.12", "Python3_12"),
            ("nodejs22.x", "Nodejs22X"),
            ("provided.al2023", "ProvidedAl2023"),
            ("x86_64", "X86_64"),
            ("arm64", "Arm64"),
            ("RequestResponse", "RequestResponse"),
            ("ROLLBACK_COMPLETE", "RollbackComplete"),
            ("$LATEST.PUBLISHED", "LatestPublished"),
            ("KMSKeyNotFound", "KmsKeyNotFound"),
            ("1.0", "V1_0"),
            ("self", "Self_"),
        ] {
            assert_eq!(pascal(text), expected, "{text}");
        }
    }

    #[test]
    fn variants_never_share_a_name() {
        let texts = ["Standard", "STANDARD", "", "*", ">="].map(str::to_owned);
        assert_eq!(variants(&texts), ["Standard", "Standard_2", "Empty", "Symbol3", "Symbol4"]);
    }
}
