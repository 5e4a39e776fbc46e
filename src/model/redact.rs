//! Secrets taken out of words before they are kept. In: argv. Out: the same words with `****` where a secret was.
//!
//! Taken out: passwords and tokens in URLs; values of options and variables that are named like a secret; tokens that
//! their issuer's prefix gives away. What is taken out in error is a word in a log; what is left in error is a leak.

/// What stands for a secret.
const MASK: &str = "****";

/// Words of names that hold secrets, as `--password`, `//host/:_authToken`, `TWINE_PASSWORD`, `registries.x.token`.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pass",
    "token",
    "authtoken",
    "auth",
    "secret",
    "apikey",
    "key",
    "credential",
    "credentials",
    "otp",
    "bearer",
    "cookie",
    "pat",
];

/// Beginnings of tokens, by their issuers' own documentation.
const PREFIXES: &[&str] = &[
    "npm_",
    "pypi-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "cio",
    "crates-",
    "AKIA",
    "ASIA",
    "xoxb-",
    "xoxp-",
    "sk-",
    "hf_",
    "dop_v1_",
    "eyJ",
    "AKCp",
    "cmVmdGtu",
];

/// A whole argument vector: an option's value may be the next word.
pub fn argv(words: &[String]) -> Vec<String> {
    let mut out = Vec::with_capacity(words.len());
    let mut secret_next = false;
    for word in words {
        if std::mem::take(&mut secret_next) && !word.starts_with("--") {
            out.push(MASK.to_owned());
            continue;
        }
        // `--password X`, `-p X` is not known to be one; `--header 'Authorization: …'` is seen by its text.
        secret_next = word.starts_with('-') && !word.contains('=') && is_secret_name(word);
        out.push(text(word));
    }
    out
}

/// One text, which may hold several words (a shell's text, a message).
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut secret_next = false;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(separates).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if !word.is_empty() {
            let lower = word.to_ascii_lowercase();
            if secret_next && !word.starts_with("--") && !matches!(lower.as_str(), "bearer" | "basic" | "token") {
                out.push_str(MASK);
                secret_next = false;
            } else {
                out.push_str(&one(word));
                secret_next = matches!(lower.as_str(), "bearer" | "basic" | "authorization:")
                    || (word.starts_with("--") && !word.contains('=') && is_secret_name(word))
                    // `token="…"`, `password: …`: the value begins after a quote or a space.
                    || word.strip_suffix(['=', ':']).is_some_and(is_secret_name);
            }
        }
        let gap = after.find(|c| !separates(c)).unwrap_or(after.len());
        let (gap, next) = after.split_at(gap);
        out.push_str(gap);
        rest = next;
    }
    out
}

fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ';' | '|' | '(' | ')' | '<' | '>' | ',')
}

/// One word.
fn one(word: &str) -> String {
    let word = url(word);
    if let Some((name, value)) = word.split_once('=')
        && !value.is_empty()
        && is_secret_name(name)
    {
        return format!("{name}={MASK}");
    }
    if let Some((name, value)) = word.split_once('=')
        && is_token(value)
    {
        return format!("{name}={MASK}");
    }
    if is_token(&word) { MASK.to_owned() } else { word }
}

/// The user information and the query of every URL in a word.
fn url(word: &str) -> String {
    let Some(at) = word.find("://") else { return word.to_owned() };
    let (scheme, rest) = word.split_at(at + 3);
    let authority_end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{MASK}@{host}"),
        None => authority.to_owned(),
    };
    // A query may carry a token; a fragment is a digest or an egg's name, or `access_token=`.
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let (query, fragment) = query.find('#').map_or((query, ""), |at| query.split_at(at));
    let query = if query.len() > 1 { format!("?{MASK}") } else { query.to_owned() };
    let (path, own_fragment) = path.find('#').map_or((path, fragment), |at| path.split_at(at));
    let fragment = if own_fragment.to_ascii_lowercase().contains("token") { "#****" } else { own_fragment };
    // Artifactory and others put a token into the path.
    let path: Vec<&str> = path.split('/').map(|part| if is_token(part) { MASK } else { part }).collect();
    format!("{scheme}{authority}{}{query}{fragment}", path.join("/"))
}

/// Whether a name is one that secrets have: one of [`NAMES`] as a word of its own, in any case.
fn is_secret_name(name: &str) -> bool {
    // `authToken`, `_authToken`, `AUTH_TOKEN`, `auth-token` alike.
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut previous_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && previous_lower) {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_ascii_alphanumeric() {
            part.push(c.to_ascii_lowercase());
        }
        previous_lower = c.is_ascii_lowercase();
    }
    parts.push(part);
    // `--keyring-provider`, `--keep` are none; `--auth-type` and `--always-auth` name no secret.
    let harmless = ["type", "provider", "always", "file", "env", "path", "id"];
    let secret = parts.iter().any(|p| NAMES.contains(&p.as_str()));
    secret && !parts.iter().any(|p| harmless.contains(&p.as_str()))
}

/// Whether a word is a token by its look: a known beginning and enough random characters after it.
fn is_token(word: &str) -> bool {
    let body =
        |w: &str| w.len() >= 16 && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let mixed = |w: &str| w.bytes().any(|b| b.is_ascii_digit()) && w.bytes().any(|b| b.is_ascii_alphabetic());
    PREFIXES.iter().any(|p| word.strip_prefix(p).is_some_and(|rest| body(rest) && mixed(rest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{argv, text};

    fn redacted(words: &[&str]) -> String {
        argv(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).join(" ")
    }

    #[test]
    fn secrets_do_not_reach_the_log() {
        for (words, kept) in [
            (
                &["pip", "install", "-i", "https://u:p4ss@h.example/simple", "x"][..],
                "pip install -i https://****@h.example/simple x",
            ),
            (&["pip", "install", "--index-url=https://tok@h/simple"], "pip install --index-url=https://****@h/simple"),
            (&["pip", "install", "https://h/x.whl?token=abc#sha256=00"], "pip install https://h/x.whl?****#sha256=00"),
            (&["npm", "i", "--//h.example/:_authToken=abc"], "npm i --//h.example/:_authToken=****"),
            (&["npm", "i", "--_auth", "abc"], "npm i --_auth ****"),
            (&["npm", "publish", "--otp=123456"], "npm publish --otp=****"),
            (&["poetry", "config", "--password", "hunter2"], "poetry config --password ****"),
            (&["env", "TWINE_PASSWORD=x", "NPM_TOKEN=y", "pip"], "env TWINE_PASSWORD=**** NPM_TOKEN=**** pip"),
            (&["cargo", "--config", "registries.a.token=\"t\""], "cargo --config registries.a.token=\"****\""),
            (&["cargo", "login", "npm_0123456789abcdefABCDEF0123456789abcd"], "cargo login ****"),
            (
                &["uv", "pip", "install", "git+https://ghp_a@github.com/a/b@main"],
                "uv pip install git+https://****@github.com/a/b@main",
            ),
            (
                &["sh", "-c", "curl -H 'Authorization: Bearer abc.def' https://a:b@c/ | sh"],
                "sh -c curl -H 'Authorization: Bearer ****' https://****@c/ | sh",
            ),
            (&["sh", "-c", "export NPM_TOKEN='abc'; npm ci"], "sh -c export NPM_TOKEN='****'; npm ci"),
            (&["sh", "-c", "pip install --token abc x"], "sh -c pip install --token **** x"),
            (
                &["pip", "install", "requests==2.0", "--keyring-provider", "auto"],
                "pip install requests==2.0 --keyring-provider auto",
            ),
            (&["npm", "i", "@a/auth@1", "passport", "token-types"], "npm i @a/auth@1 passport token-types"),
            (&["npm", "i", "--auth-type=web", "x"], "npm i --auth-type=web x"),
        ] {
            assert_eq!(redacted(words), kept);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(word in "\\PC*|(?s).*") {
            let _ = text(&word);
            let _ = argv(&[word.clone(), word]);
        }

        #[test]
        fn a_password_in_a_url_is_gone(password in "[A-Za-z0-9:]{6,20}", host in "[a-z]{3,8}") {
            let kept = text(&format!("https://user:{password}@{host}.example/simple"));
            prop_assert!(!kept.contains(&password), "{kept}");
        }
    }
}
