//! The file that `policy init` writes: every rule and setting with its default, commented out, so that it changes
//! nothing until its owner does.

use std::fmt::Write as _;

use super::{OptionKind, RuleInfo};

/// A starting policy file. It loads cleanly and changes nothing.
pub fn init(rules: &[RuleInfo]) -> String {
    let mut out = String::from(HEAD);
    let width = rules.iter().map(|r| r.name.len()).max().unwrap_or(0);
    for rule in rules {
        // Writing to a String does not fail.
        let _ =
            writeln!(out, "# {:<width$} = {:<8} # {}", rule.name, format!("\"{}\"", rule.default.word()), rule.about);
        if rule.options.is_empty() {
            continue;
        }
        let options: Vec<String> = rule
            .options
            .iter()
            .map(|option| match option.kind {
                OptionKind::Days { default } => format!("{} = {default}", option.key),
                OptionKind::Choice { default, .. } => format!("{} = \"{default}\"", option.key),
                OptionKind::Names => format!("{} = []", option.key),
            })
            .collect();
        let level = rule.default.word();
        let _ = writeln!(out, "# {:<width$} = {{ level = \"{level}\", {} }}", rule.name, options.join(", "));
    }
    out.push_str(TAIL);
    out
}

const HEAD: &str = r#"# tidewaiter's policy. `tidewaiter policy check` reads it, `tidewaiter policy show` says what is in force.
#
# Layers: built-in, managed (the administrator's), user, project (tidewaiter.toml). A later layer tightens freely
# and loosens only what the layers above leave to it; a project can never loosen by itself.
version = 1

# What it means when a feed, a registry or a judge is out of reach: "warn", "ask" or "deny".
# on-unavailable = "ask"

# Levels: "off", "note" (shown on request), "warn" (always shown, clears), "ask" (a person decides), "deny".
# `cooldown` alone has "hold": a release too young is left out where an older one will do.
[rules]
"#;

const TAIL: &str = r#"
# A dated exception. Every key is needed; past its date it is reported and no longer honoured.
# [[allow]]
# package = "pkg:npm/esbuild@0.25.*"
# rule    = "install-script"
# reason  = "downloads its native binary"
# expires = "2027-03-01"

# [trust]
# registries = ["https://pypi.internal.example/simple"]   # matched by their beginning, at a `/`
# private-names = ["acme-*", "@acme/*"]                   # never to come from a public registry
# git-remotes = ["github.com/acme/*"]                     # host/path; `*` stops at `/`
# hosts = ["*.acme.example", "s3://acme-*"]               # hosts and buckets that commands may send to

# [classifier]
# kind = "rules"                                          # rules | anthropic | openai | command
# timeout-ms = 8000
# model = "claude-haiku-4-5"                              # the provider's name of it
# base-url = "http://127.0.0.1:11434/v1"                  # without it the provider's own; https off this machine
# api = "chat"                                            # chat | responses, for openai
# key-env = "ANTHROPIC_API_KEY"                           # or key-command = ["/usr/bin/pass", "show", "anthropic"]
# command = ["/usr/local/bin/judge"]                      # for command: JSON in, JSON out, no shell
# stages = 2                                              # 2: a pass for harm alone goes first
# price-input = 1.00                                      # dollars for a million tokens; also price-output,
# price-output = 5.00                                     # price-cache-read, price-cache-write

# [sandbox]
# network = "gateway"                                     # gateway | open
# programs = "open"                                       # open | contained: what is built and then run (cargo test)
# write = ["."]                                           # beside the tool's caches and the target environment
# read-deny = ["~/Documents", "certs"]                    # beside the credentials that are never read
# on-unavailable = "warn"                                 # warn | ask | deny, where the system has no sandbox

# [agent]
# auto = false                                            # the managed layer alone can say true
# denials-in-a-row = 3
# denials-in-all = 20

# What the layer below may loosen: rules by name; settings are on-unavailable, trust.registries,
# trust.git-remotes, trust.hosts, classifier, sandbox, agent.
# [delegate]
# rules = ["cooldown"]
# settings = []
"#;
