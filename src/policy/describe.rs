//! The policy in words: every effective value with its place (`policy show`), and one rule's story through the
//! layers (`policy explain RULE`). Data out; `Display` gives the text that the command prints.

use std::fmt;

use super::{Exception, OptionValue, Outcome, Policy, RuleInfo, Step, Valued};
use crate::model::{Level, Location, printable};

/// One effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `rules.cooldown.days`, `trust.registries`, …
    pub key: String,
    /// The value, as TOML would have it.
    pub value: String,
    /// What set it.
    pub location: Location,
}

impl fmt::Display for Shown {
    /// `rules.malware = "deny"    # built-in`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{} = {}", self.key, self.value);
        write!(f, "{line:<48} # {}", self.location)
    }
}

/// What `policy explain RULE` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The rule.
    pub rule: &'static str,
    /// What it looks at and why.
    pub about: &'static str,
    /// Its level without policy.
    pub default: Level,
    /// Its level with policy.
    pub level: Valued<Level>,
    /// Its options' effective values.
    pub options: Vec<Shown>,
    /// What an option means, by key.
    pub option_texts: Vec<(&'static str, &'static str)>,
    /// What each layer asked for, in order, and what became of it.
    pub steps: Vec<Step>,
    /// The exceptions from it that are honoured.
    pub exceptions: Vec<Exception>,
    /// The exceptions from it whose date has passed.
    pub expired: Vec<Exception>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}\n", self.rule, self.about)?;
        writeln!(f, "level    {} ({})", self.level.value.word(), self.level.location)?;
        writeln!(f, "default  {}", self.default.word())?;
        for option in &self.options {
            let key = option.key.rsplit('.').next().unwrap_or(&option.key);
            writeln!(f, "{key:<8} {} ({})", option.value, option.location)?;
        }
        for (key, text) in &self.option_texts {
            writeln!(f, "         {key}: {text}")?;
        }
        if !self.steps.is_empty() {
            writeln!(f, "\nlayers")?;
        }
        for step in &self.steps {
            let value = printable(&step.value, 80);
            write!(f, "  {:<8} {} = {value} ({})", step.layer, step.key, step.location)?;
            match &step.outcome {
                Outcome::Applied => writeln!(f)?,
                Outcome::Same => writeln!(f, ": no change")?,
                Outcome::Ignored(why) => writeln!(f, ": ignored, {why}")?,
            }
        }
        if !self.exceptions.is_empty() || !self.expired.is_empty() {
            writeln!(f, "\nexceptions")?;
        }
        let dated = self.exceptions.iter().map(|e| (e, "until")).chain(self.expired.iter().map(|e| (e, "expired")));
        for (exception, word) in dated {
            let (package, reason) = (printable(exception.package.text(), 120), printable(&exception.reason, 200));
            writeln!(f, "  {package} {word} {}: {reason} ({})", exception.expires, exception.location)?;
        }
        Ok(())
    }
}

/// Text as a TOML string, safe to show.
fn string(text: &str) -> String {
    format!("\"{}\"", printable(text, 200).replace('"', "\\\""))
}

fn list<'v>(texts: impl IntoIterator<Item = &'v str>) -> String {
    let items: Vec<String> = texts.into_iter().map(string).collect();
    format!("[{}]", items.join(", "))
}

fn option_text(value: &OptionValue) -> String {
    match value {
        OptionValue::Days(days) => days.to_string(),
        OptionValue::Choice(word) => string(word),
        OptionValue::Names(names) => list(names.iter().map(|n| n.value.text())),
    }
}

fn options(policy: &Policy, rule: &RuleInfo) -> Vec<Shown> {
    rule.options
        .iter()
        .map(|option| {
            let set = policy.option(rule.name, option);
            let key = format!("rules.{}.{}", rule.name, option.key);
            Shown { key, value: option_text(&set.value), location: set.location }
        })
        .collect()
}

/// Every effective value, in the order of a policy file; lists give one line an entry.
pub fn show(policy: &Policy, rules: &[RuleInfo]) -> Vec<Shown> {
    let mut out = Vec::new();
    let mut add = |key: &str, value: String, location: &Location| {
        out.push(Shown { key: key.to_owned(), value, location: location.clone() });
    };
    add("on-unavailable", string(policy.on_unavailable.value.word()), &policy.on_unavailable.location);
    for rule in rules {
        let level = policy.level(rule);
        add(&format!("rules.{}", rule.name), string(level.value.word()), &level.location);
        for option in options(policy, rule) {
            add(&option.key, option.value, &option.location);
        }
    }
    for exception in &policy.exceptions {
        let value = format!(
            "{{ package = {}, reason = {}, expires = \"{}\" }}",
            string(exception.package.text()),
            string(&exception.reason),
            exception.expires
        );
        add(&format!("allow.{}", exception.rule), value, &exception.location);
    }
    for registry in &policy.registries {
        add("trust.registries", string(registry.value.text()), &registry.location);
    }
    for name in &policy.private_names {
        add("trust.private-names", string(name.value.text()), &name.location);
    }
    for remote in &policy.git_remotes {
        add("trust.git-remotes", string(remote.value.text()), &remote.location);
    }
    for host in &policy.hosts {
        add("trust.hosts", string(host.value.text()), &host.location);
    }
    let (classifier, sandbox, agent) = (&policy.classifier, &policy.sandbox, &policy.agent);
    add("classifier.kind", string(classifier.kind.value.word()), &classifier.kind.location);
    add("classifier.timeout-ms", classifier.timeout_ms.value.to_string(), &classifier.timeout_ms.location);
    add("classifier.api", string(classifier.api.value.word()), &classifier.api.location);
    add("classifier.stages", classifier.stages.value.to_string(), &classifier.stages.location);
    let texts = [("model", &classifier.model), ("base-url", &classifier.base_url), ("key-env", &classifier.key_env)];
    for (key, value) in texts.into_iter().filter_map(|(k, v)| Some((k, v.as_ref()?))) {
        add(&format!("classifier.{key}"), string(&value.value), &value.location);
    }
    let programs = [("key-command", &classifier.key_command), ("command", &classifier.command)];
    for (key, value) in programs.into_iter().filter_map(|(k, v)| Some((k, v.as_ref()?))) {
        add(&format!("classifier.{key}"), list(value.value.iter().map(String::as_str)), &value.location);
    }
    let p = &classifier.prices;
    let prices =
        [("input", &p.input), ("output", &p.output), ("cache-read", &p.cache_read), ("cache-write", &p.cache_write)];
    for (key, value) in prices.into_iter().filter_map(|(k, v)| Some((k, v.as_ref()?))) {
        let text = format!("{}.{:06}", value.value / 1_000_000, value.value % 1_000_000);
        add(&format!("classifier.price-{key}"), text, &value.location);
    }
    add("sandbox.network", string(sandbox.network.value.word()), &sandbox.network.location);
    add("sandbox.programs", string(sandbox.programs.value.word()), &sandbox.programs.location);
    add("sandbox.write", list(sandbox.write.value.iter().map(String::as_str)), &sandbox.write.location);
    let read_deny = list(sandbox.read_deny.value.iter().map(String::as_str));
    add("sandbox.read-deny", read_deny, &sandbox.read_deny.location);
    let unavailable = &sandbox.on_unavailable;
    add("sandbox.on-unavailable", string(unavailable.value.word()), &unavailable.location);
    add("agent.auto", agent.auto.value.to_string(), &agent.auto.location);
    add("agent.denials-in-a-row", agent.denials_in_a_row.value.to_string(), &agent.denials_in_a_row.location);
    add("agent.denials-in-all", agent.denials_in_all.value.to_string(), &agent.denials_in_all.location);
    out
}

/// One rule's story.
pub fn explain(policy: &Policy, rule: &RuleInfo) -> Explained {
    let key = format!("rules.{}", rule.name);
    let inner = format!("{key}.");
    let allow = format!("allow.{}", rule.name);
    let of = |list: &[Exception]| list.iter().filter(|e| e.rule == rule.name).cloned().collect();
    let concerns = |step: &&Step| {
        step.key == key
            || step.key.starts_with(&inner)
            || step.key == allow
            || (step.key == "delegate" && step.value == rule.name)
    };
    Explained {
        rule: rule.name,
        about: rule.about,
        default: rule.default,
        level: policy.level(rule),
        options: options(policy, rule),
        option_texts: rule.options.iter().map(|o| (o.key, o.about)).collect(),
        steps: policy.steps.iter().filter(concerns).cloned().collect(),
        exceptions: of(&policy.exceptions),
        expired: of(&policy.expired),
    }
}
