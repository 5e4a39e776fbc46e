//! Layers put on top of each other: a file's values in, the effective policy and what was not honoured out.

use jiff::SignedDuration;

use super::file::{ClassifierEntry, PolicyFile, RuleEntry};
use super::{Exception, Layer, OptionKind, OptionValue, Outcome, Policy, RuleOption, Step, Valued};
use crate::model::{Diagnostic, Level, Location, Timestamp};

/// An exception that outlives this is reported.
const LONG_EXCEPTION: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Which way a new value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Same,
    Tighter,
    Looser,
}

impl Direction {
    /// From the order of two values of which the greater is tighter.
    fn rising<T: Ord>(old: &T, new: &T) -> Self {
        match new.cmp(old) {
            std::cmp::Ordering::Equal => Self::Same,
            std::cmp::Ordering::Greater => Self::Tighter,
            std::cmp::Ordering::Less => Self::Looser,
        }
    }
}

/// Puts one file on top of a policy. `now` decides which exceptions have expired.
pub(super) fn apply(policy: &mut Policy, file: PolicyFile, layer: Layer, now: Timestamp) {
    // What a layer hands on never concerns itself, so the order of these does not matter to its own values.
    delegate(policy, &file, layer);
    policy.warnings.extend(file.warnings.iter().cloned());
    for entry in &file.rules {
        rule(policy, entry, layer);
    }
    if let Some(new) = file.on_unavailable {
        let direction = Direction::rising(&policy.on_unavailable.value, &new.value);
        if step(policy, "on-unavailable", "on-unavailable", new.value.word(), layer, &new.location, direction) {
            policy.on_unavailable = new;
        }
    }
    for exception in file.allow {
        allow(policy, exception, now);
    }
    for new in file.registries {
        if step(
            policy,
            "trust.registries",
            "trust.registries",
            new.value.text(),
            layer,
            &new.location,
            Direction::Looser,
        ) {
            policy.registries.push(new);
        }
    }
    for new in file.git_remotes {
        if step(
            policy,
            "trust.git-remotes",
            "trust.git-remotes",
            new.value.text(),
            layer,
            &new.location,
            Direction::Looser,
        ) {
            policy.git_remotes.push(new);
        }
    }
    for new in file.hosts {
        if step(policy, "trust.hosts", "trust.hosts", new.value.text(), layer, &new.location, Direction::Looser) {
            policy.hosts.push(new);
        }
    }
    for new in file.private_names {
        // To claim a name as private can only refuse more.
        let direction = Direction::Tighter;
        if step(policy, "trust.private-names", "trust.private-names", new.value.text(), layer, &new.location, direction)
        {
            if layer != Layer::Project {
                policy.own_private_names.push(new.clone());
            }
            policy.private_names.push(new);
        }
    }
    classifier(policy, file.classifier, layer);
    if let Some(new) = file.network {
        let direction = Direction::rising(&policy.sandbox.network.value, &new.value);
        if step(policy, "sandbox", "sandbox.network", new.value.word(), layer, &new.location, direction) {
            policy.sandbox.network = new;
        }
    }
    if let Some(new) = file.programs {
        let direction = Direction::rising(&policy.sandbox.programs.value, &new.value);
        if step(policy, "sandbox", "sandbox.programs", new.value.word(), layer, &new.location, direction) {
            policy.sandbox.programs = new;
        }
    }
    if let Some(new) = file.write {
        let old = &policy.sandbox.write.value;
        let direction = if *old == new.value {
            Direction::Same
        } else if new.value.iter().all(|path| old.contains(path)) {
            Direction::Tighter
        } else {
            Direction::Looser
        };
        let text = new.value.join(", ");
        if step(policy, "sandbox", "sandbox.write", &text, layer, &new.location, direction) {
            policy.sandbox.write = new;
        }
    }
    if let Some(new) = file.read_deny {
        read_deny(policy, new, layer);
    }
    if let Some(new) = file.sandbox_unavailable {
        let direction = Direction::rising(&policy.sandbox.on_unavailable.value, &new.value);
        let word = new.value.word();
        if step(policy, "sandbox", "sandbox.on-unavailable", word, layer, &new.location, direction) {
            policy.sandbox.on_unavailable = new;
        }
    }
    if let Some(new) = file.auto {
        auto(policy, new, layer);
    }
    if let Some(new) = file.denials_in_a_row {
        let direction = Direction::rising(&new.value, &policy.agent.denials_in_a_row.value);
        let text = new.value.to_string();
        if step(policy, "agent", "agent.denials-in-a-row", &text, layer, &new.location, direction) {
            policy.agent.denials_in_a_row = new;
        }
    }
    if let Some(new) = file.denials_in_all {
        let direction = Direction::rising(&new.value, &policy.agent.denials_in_all.value);
        let text = new.value.to_string();
        if step(policy, "agent", "agent.denials-in-all", &text, layer, &new.location, direction) {
            policy.agent.denials_in_all = new;
        }
    }
}

/// Whom to ask is its user's choice: another judge gets the facts, a command is a program that runs, an address gets a
/// key. A project has no say in it, whatever is handed on.
fn classifier(policy: &mut Policy, entry: ClassifierEntry, layer: Layer) {
    let ClassifierEntry { kind, timeout_ms, model, base_url, api, key_env, key_command, command, stages, prices } =
        entry;
    let show = |words: &Vec<String>| words.join(" ");
    let dollars = |micro: &u64| {
        let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let mut own = policy.classifier.clone();
    let c = &mut own;
    set(policy, layer, "kind", &mut c.kind, kind, |k| k.word().to_owned());
    set(policy, layer, "timeout-ms", &mut c.timeout_ms, timeout_ms, u32::to_string);
    set(policy, layer, "api", &mut c.api, api, |a| a.word().to_owned());
    set(policy, layer, "stages", &mut c.stages, stages, u32::to_string);
    set_some(policy, layer, "model", &mut c.model, model, String::clone);
    set_some(policy, layer, "base-url", &mut c.base_url, base_url, String::clone);
    set_some(policy, layer, "key-env", &mut c.key_env, key_env, String::clone);
    set_some(policy, layer, "key-command", &mut c.key_command, key_command, show);
    set_some(policy, layer, "command", &mut c.command, command, show);
    set_some(policy, layer, "price-input", &mut c.prices.input, prices.input, dollars);
    set_some(policy, layer, "price-output", &mut c.prices.output, prices.output, dollars);
    set_some(policy, layer, "price-cache-read", &mut c.prices.cache_read, prices.cache_read, dollars);
    set_some(policy, layer, "price-cache-write", &mut c.prices.cache_write, prices.cache_write, dollars);
    policy.classifier = own;
}

fn set<T: PartialEq>(
    policy: &mut Policy,
    layer: Layer,
    key: &str,
    old: &mut Valued<T>,
    new: Option<Valued<T>>,
    text: impl Fn(&T) -> String,
) {
    let Some(new) = new else { return };
    if may_choose(policy, layer, key, old.value == new.value, &text(&new.value), &new.location) {
        *old = new;
    }
}

fn set_some<T: PartialEq>(
    policy: &mut Policy,
    layer: Layer,
    key: &str,
    old: &mut Option<Valued<T>>,
    new: Option<Valued<T>>,
    text: impl Fn(&T) -> String,
) {
    let Some(new) = new else { return };
    let same = old.as_ref().is_some_and(|o| o.value == new.value);
    if may_choose(policy, layer, key, same, &text(&new.value), &new.location) {
        *old = Some(new);
    }
}

fn may_choose(policy: &mut Policy, layer: Layer, key: &str, same: bool, value: &str, location: &Location) -> bool {
    let key = format!("classifier.{key}");
    if layer != Layer::Project {
        let direction = if same { Direction::Same } else { Direction::Looser };
        return step(policy, "classifier", &key, value, layer, location, direction);
    }
    let outcome = if same {
        Outcome::Same
    } else {
        let why = "a project has no say in who judges it".to_owned();
        let value = crate::model::printable(value, 80);
        let hint = Some("remove it here; it belongs into the user's own policy".to_owned());
        warn(policy, location, format!("`{key}` to `{value}` is ignored: {why}"), hint);
        Outcome::Ignored(why)
    };
    policy.steps.push(Step { key, value: value.to_owned(), layer, location: location.clone(), outcome });
    false
}

/// Each layer adds to what cannot be read; none takes away.
fn read_deny(policy: &mut Policy, new: Valued<Vec<String>>, layer: Layer) {
    let text = new.value.join(", ");
    let old = &policy.sandbox.read_deny.value;
    let more: Vec<String> = new.value.into_iter().filter(|path| !old.contains(path)).collect();
    let direction = if more.is_empty() { Direction::Same } else { Direction::Tighter };
    if step(policy, "sandbox", "sandbox.read-deny", &text, layer, &new.location, direction) && !more.is_empty() {
        let list = &mut policy.sandbox.read_deny;
        if list.location == Location::built_in() {
            list.location = new.location;
        }
        list.value.extend(more);
    }
}

/// Notes what a layer hands on.
fn delegate(policy: &mut Policy, file: &PolicyFile, layer: Layer) {
    for key in &file.delegate {
        let outcome = match layer {
            Layer::Managed => {
                policy.delegated_by_managed.insert(key.value.to_owned());
                Outcome::Applied
            }
            Layer::User => {
                policy.delegated_by_user.insert(key.value.to_owned());
                Outcome::Applied
            }
            Layer::BuiltIn | Layer::Project => {
                let why = "there is no layer below a project".to_owned();
                warn(policy, &key.location, format!("`delegate` has no effect here: {why}"), None);
                Outcome::Ignored(why)
            }
        };
        policy.steps.push(Step {
            key: "delegate".to_owned(),
            value: key.value.to_owned(),
            layer,
            location: key.location.clone(),
            outcome,
        });
    }
}

fn rule(policy: &mut Policy, entry: &RuleEntry, layer: Layer) {
    let name = entry.rule.name;
    // Whether this file holds the rule is noted after its own values, which it may of course loosen together.
    if let Some(new) = &entry.level {
        let old = policy.level(&entry.rule);
        let direction = Direction::rising(&old.value, &new.value);
        if step(policy, name, &format!("rules.{name}"), new.value.word(), layer, &new.location, direction) {
            policy.rules.entry(name).or_default().level = Some(new.clone());
        }
    }
    for (key, new) in &entry.options {
        let Some(option) = entry.rule.options.iter().find(|o| o.key == *key) else { continue };
        rule_option(policy, name, option, new, layer);
    }
    if layer == Layer::Managed {
        policy.set_by_managed.insert(name.to_owned());
    }
}

fn rule_option(policy: &mut Policy, name: &'static str, option: &RuleOption, new: &Valued<OptionValue>, layer: Layer) {
    let key = format!("rules.{name}.{}", option.key);
    let old = policy.option(name, option);
    let (direction, text) = match (&old.value, &new.value) {
        (OptionValue::Days(old), OptionValue::Days(new)) => (Direction::rising(old, new), new.to_string()),
        (OptionValue::Choice(old), OptionValue::Choice(new)) => {
            let place = |word: &str| match option.kind {
                OptionKind::Choice { words, .. } => words.iter().position(|w| *w == word),
                _ => None,
            };
            (Direction::rising(&place(old), &place(new)), (*new).to_owned())
        }
        (OptionValue::Names(known_names), OptionValue::Names(new)) => {
            let mut names = known_names.clone();
            for pattern in new {
                let text = pattern.value.text().to_owned();
                let known = known_names.iter().any(|p| p.value == pattern.value);
                let direction = if known { Direction::Same } else { Direction::Looser };
                if step(policy, name, &key, &text, layer, &pattern.location, direction) && !known {
                    names.push(pattern.clone());
                }
            }
            let value = Valued { value: OptionValue::Names(names), location: old_location(&old.location, new) };
            policy.rules.entry(name).or_default().options.insert(option.key, value);
            return;
        }
        _ => return,
    };
    if step(policy, name, &key, &text, layer, &new.location, direction) {
        policy.rules.entry(name).or_default().options.insert(option.key, new.clone());
    }
}

/// A list's place: where it began, or the first that was added to an empty one.
fn old_location<T>(old: &Location, new: &[Valued<T>]) -> Location {
    match new.first() {
        Some(first) if *old == Location::built_in() => first.location.clone(),
        _ => old.clone(),
    }
}

fn auto(policy: &mut Policy, new: Valued<bool>, layer: Layer) {
    let key = "agent.auto".to_owned();
    let value = new.value.to_string();
    let location = new.location.clone();
    let outcome = if policy.agent.auto.value == new.value {
        Outcome::Same
    } else if !new.value || layer == Layer::Managed {
        policy.agent.auto = new;
        Outcome::Applied
    } else {
        let why = "only the managed layer can let agents be cleared without a person".to_owned();
        warn(policy, &location, format!("`agent.auto = true` is ignored: {why}"), None);
        Outcome::Ignored(why)
    };
    policy.steps.push(Step { key, value, layer, location, outcome });
}

/// Whether a layer's value takes effect; records and reports what became of it.
/// `held` is what `[delegate]` would have to name; `key` is what the file says.
fn step(
    policy: &mut Policy,
    held: &str,
    key: &str,
    value: &str,
    layer: Layer,
    location: &Location,
    direction: Direction,
) -> bool {
    let allowed = direction == Direction::Tighter || policy.may_loosen(held, layer);
    let outcome = match direction {
        // The file that repeats a value is cited only where it could also have changed it.
        Direction::Same if !allowed => Outcome::Same,
        _ if allowed => Outcome::Applied,
        _ => {
            let why = match layer {
                Layer::Project => "a project can only tighten what its user's policy sets",
                _ => "the managed policy sets it and does not delegate it",
            };
            let value = crate::model::printable(value, 80);
            warn(policy, location, format!("`{key}` to `{value}` is ignored: {why}"), hint(held, layer));
            Outcome::Ignored(why.to_owned())
        }
    };
    // What a managed file sets binds the layers below, whether it changed anything or not.
    if layer == Layer::Managed && !held.is_empty() && super::file::SETTINGS.contains(&held) {
        policy.set_by_managed.insert(held.to_owned());
    }
    policy.steps.push(Step {
        key: key.to_owned(),
        value: value.to_owned(),
        layer,
        location: location.clone(),
        outcome,
    });
    allowed
}

fn hint(held: &str, layer: Layer) -> Option<String> {
    let list = if super::file::SETTINGS.contains(&held) { "settings" } else { "rules" };
    let who = if layer == Layer::Project { "the user's" } else { "the managed" };
    Some(format!("remove it here; the owner of {who} policy can permit it there: [delegate] {list} = [\"{held}\"]"))
}

fn warn(policy: &mut Policy, location: &Location, message: String, hint: Option<String>) {
    policy.warnings.push(Diagnostic { location: location.clone(), message, hint });
}

fn allow(policy: &mut Policy, exception: Exception, now: Timestamp) {
    let text = crate::model::printable(exception.package.text(), 120);
    let key = format!("allow.{}", exception.rule);
    let at = exception.location.clone();
    if !step(policy, exception.rule, &key, exception.package.text(), exception.layer, &at, Direction::Looser) {
        return;
    }
    if exception.expires <= now {
        policy.expired.push(exception);
        return;
    }
    if exception.expires.duration_since(now) > LONG_EXCEPTION {
        let hint = Some("give it a date within a year, and look at it again then".to_owned());
        warn(policy, &at, format!("the exception for `{text}` lasts for more than a year"), hint);
    }
    let earlier = policy.exceptions.iter().find(|e| e.rule == exception.rule && e.package.includes(&exception.package));
    if let Some(earlier) = earlier.filter(|e| e.expires >= exception.expires) {
        let message = format!("the exception for `{text}` changes nothing: {} covers it already", earlier.location);
        warn(policy, &at, message, None);
    }
    let level = policy.rules.get(exception.rule).and_then(|r| r.level.clone()).filter(|l| l.value == Level::Off);
    if let Some(off) = level {
        let message =
            format!("the exception for `{text}` changes nothing: {} switches `{}` off", off.location, exception.rule);
        warn(policy, &at, message, None);
    }
    policy.exceptions.push(exception);
}
