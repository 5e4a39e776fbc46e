//! From a judgement to its facts: what is asked of the plan, the findings, the lockfile and the transcript, each text
//! through [`admit`], each list cut. [`Sources`] in, [`Context`] out.

use std::collections::BTreeMap;

use super::admit;
use super::delta;
use super::messages::{self, Naming};
use super::{
    AdvisoryFacts, Caps, CommandFacts, Context, DeltaFacts, FindingFacts, HeldBackFacts, Listed, ManifestFacts,
    Message, MessageFacts, PackageFacts, PlanFacts, RegistryFacts, Replaced, RequirementFacts, SCHEMA, SignalFacts,
    SourceFacts, Sources, UnresolvedFacts, finding_id,
};
use crate::judge::{Judgement, Subject};
use crate::model::{
    Consent, Ecosystem, Finding, Level, LockState, Package, PackageId, PackageName, Pinning, SettingLayer, Source,
    Timestamp, UnresolvedCause, Value, Verdict,
};
use crate::rules;

pub(super) struct Builder<'a> {
    sources: &'a Sources<'a>,
    caps: Caps,
    replaced: Vec<Replaced>,
    /// Texts that were replaced already: kind and text to id.
    known: BTreeMap<(&'static str, Ecosystem, String), String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(sources: &'a Sources<'a>, caps: Caps) -> Self {
        Self { sources, caps, replaced: Vec::new(), known: BTreeMap::new() }
    }

    pub(super) fn build(mut self) -> Context {
        let judgement = self.sources.judgement;
        let delta = delta::delta(judgement, self.sources.environment, self.sources.files, self.sources.installed);
        let (flagged, packages) = self.packages(&delta);
        let requirements = self.requirements();
        let findings = self.findings(&flagged);
        let held_back: Vec<HeldBackFacts> = judgement
            .plan
            .held_back
            .iter()
            .map(|h| HeldBackFacts {
                name: self.name(&h.name),
                version: self.version(&h.name, &h.version),
                instead: h.instead.as_deref().map(|v| self.version(&h.name, v)),
                rule: h.rule,
            })
            .collect();
        let unresolved: Vec<UnresolvedFacts> = judgement
            .plan
            .unresolved
            .iter()
            .map(|u| UnresolvedFacts { name: u.name.as_ref().map(|n| self.name(n)), cause: cause(u.cause) })
            .collect();
        let list = self.caps.list;
        let delta = self.delta(&delta);
        let messages = self.messages(&packages);
        Context {
            schema: SCHEMA,
            verdict: judgement.verdict.word(),
            category: judgement.category().word(),
            command: self.command(),
            plan: self.plan(),
            registries: Listed::of(self.registries(), list),
            manifests: Listed::of(self.manifests(), list),
            requirements: Listed::of(requirements, list),
            delta,
            packages: Listed::of(packages, self.caps.packages),
            findings: Listed::of(findings, self.caps.findings),
            held_back: Listed::of(held_back, list),
            unresolved: Listed::of(unresolved, list),
            signals_unavailable: Listed::of(self.signals(), list),
            replaced: Listed::of(std::mem::take(&mut self.replaced), list),
            advisories: AdvisoryFacts {
                records: judgement.coverage.records,
                stale: judgement.coverage.stale,
                age_hours: self.hours(judgement.coverage.updated_at),
            },
            messages,
        }
    }

    /// Whole hours before now; a time that is still to come counts as now.
    fn hours(&self, then: Option<Timestamp>) -> Option<i64> {
        let now = self.sources.environment.now;
        then.map(|t| now.as_second().saturating_sub(t.as_second()).max(0) / 3600)
    }

    /// A text that is not admitted stands as an id; the same text always as the same one.
    fn opaque(&mut self, kind: &'static str, ecosystem: Ecosystem, text: &str) -> String {
        let key = (kind, ecosystem, text.to_owned());
        if let Some(id) = self.known.get(&key) {
            return id.clone();
        }
        let id = format!("{kind}-{}", self.known.len() + 1);
        self.known.insert(key, id.clone());
        self.replaced.push(Replaced { id: id.clone(), kind, ecosystem: ecosystem.osv() });
        id
    }

    fn name(&mut self, name: &PackageName) -> String {
        match admit::name(name) {
            Some(text) => text.to_owned(),
            None => self.opaque("name", name.ecosystem(), name.canonical()),
        }
    }

    fn version(&mut self, name: &PackageName, version: &str) -> String {
        match admit::version(name.ecosystem(), version) {
            Some(text) => text.to_owned(),
            None => self.opaque("version", name.ecosystem(), version),
        }
    }

    fn release(&mut self, name: &PackageName, version: &str) -> String {
        format!("{}@{}", self.name(name), self.version(name, version))
    }

    fn command(&self) -> Option<CommandFacts> {
        let Subject::Command { argv, tool, verb, via, .. } = &self.sources.judgement.subject else { return None };
        let words = crate::model::redact::argv(argv);
        let words = words.iter().map(|w| admit::own(w, self.caps.word));
        // A verb that the tool's table lacks is the command's own word.
        let plain =
            |verb: &str| verb.len() <= 24 && verb.chars().all(|c| c.is_ascii_lowercase() || matches!(c, ' ' | '-'));
        Some(CommandFacts {
            argv: Listed::of(words, self.caps.words),
            tool,
            verb: if plain(verb) { verb.clone() } else { String::new() },
            via: via.word(),
        })
    }

    fn plan(&self) -> PlanFacts {
        let plan = &self.sources.judgement.plan;
        let coming = || plan.packages.iter().filter(|p| !matches!(p.source, Source::Workspace { .. }));
        PlanFacts {
            digest: plan.digest().to_string(),
            complete: plan.complete(),
            packages: coming().count(),
            direct: coming().filter(|p| p.direct).count(),
            run_code_at_install: coming().filter(|p| !p.executes.is_empty()).count(),
            locked: coming().filter(|p| p.lock != LockState::Unlocked).count(),
            youngest_age_hours: self.hours(coming().filter_map(|p| p.published_at).max()),
        }
    }

    fn registries(&self) -> Vec<RegistryFacts> {
        let mut out: BTreeMap<&str, usize> = BTreeMap::new();
        for package in &self.sources.judgement.plan.packages {
            if let Source::Registry { url } = &package.source {
                *out.entry(url.as_str()).or_default() += 1;
            }
        }
        let mut out: Vec<RegistryFacts> = out
            .into_iter()
            .map(|(url, packages)| RegistryFacts {
                host: admit::host(url),
                default: rules::is_default_registry(url),
                trusted: self.sources.policy.trusts_registry(url).is_some(),
                set_by: self.set_by(url),
                packages,
            })
            .collect();
        out.sort_by(|a, b| (a.default, a).cmp(&(b.default, b)));
        out
    }

    /// Who chose a registry: the least trusted flag, variable or file that names its host.
    fn set_by(&self, url: &str) -> &'static str {
        let host = admit::host(url);
        let flags = self.sources.judgement.invocations.iter().flat_map(|i| &i.flags);
        let named = flags.filter(|f| f.value.as_deref().and_then(admit::host).is_some_and(|h| Some(h) == host));
        let layer = named
            .map(|f| match f.location.place {
                crate::model::Place::Environment(_) => SettingLayer::Environment,
                crate::model::Place::File(_) => SettingLayer::User,
                _ => SettingLayer::Flag,
            })
            .min();
        match layer {
            Some(SettingLayer::Flag) => "flag",
            Some(SettingLayer::Environment) => "environment",
            Some(SettingLayer::Project) => "project",
            Some(SettingLayer::User | SettingLayer::System) => "user",
            None if rules::is_default_registry(url) => "default",
            None => "configuration",
        }
    }

    fn manifests(&self) -> Vec<ManifestFacts> {
        let Sources { judgement, environment, files, .. } = self.sources;
        delta::manifests(&judgement.invocations, environment, *files)
            .into_iter()
            .map(|m| ManifestFacts {
                kind: m.kind,
                role: if m.lock { "lockfile" } else { "manifest" },
                changed_in_session: (self.sources.changed)(&m.path),
            })
            .collect()
    }

    fn requirements(&mut self) -> Vec<RequirementFacts> {
        let judgement = self.sources.judgement;
        let mut direct: Vec<&Package> = judgement.plan.packages.iter().filter(|p| p.direct).collect();
        direct.retain(|p| !matches!(p.source, Source::Workspace { .. }));
        // The loosest first: what is cut off is what is pinned best.
        direct.sort_by_key(|p| (p.pinning, p.lock != LockState::Unlocked));
        direct
            .into_iter()
            .enumerate()
            .map(|(n, p)| RequirementFacts {
                id: format!("r{}", n + 1),
                package: self.name(&p.id.name),
                version: self.version(&p.id.name, &p.id.version),
                pinning: pinning(p.pinning),
                locked: p.lock != LockState::Unlocked,
                from: if p.origin.location.path().is_some() { "file" } else { "command" },
                named_by_user: self.named(&p.id).word(),
                in_tool_output: self.printed(&p.id.name),
            })
            .collect()
    }

    fn delta(&mut self, delta: &delta::Delta) -> DeltaFacts {
        let most = self.caps.delta;
        let cut = |all: &[(PackageName, String)], this: &mut Self| Listed {
            count: all.len(),
            items: all.iter().take(most).map(|(n, v)| this.release(n, v)).collect(),
        };
        let added = cut(&delta.added, self);
        let removed = cut(&delta.removed, self);
        let changed = delta.changed.iter().take(most);
        let changed: Vec<String> = changed
            .map(|(n, was, now)| format!("{}@{} -> {}", self.name(n), self.version(n, was), self.version(n, now)))
            .collect();
        DeltaFacts {
            against: delta.against.word(),
            unchanged: delta.unchanged,
            added,
            changed: Listed { count: delta.changed.len(), items: changed },
            removed,
        }
    }

    /// The packages that a finding is about, the gravest first, and their facts.
    fn packages(&mut self, delta: &delta::Delta) -> (Vec<PackageId>, Vec<PackageFacts>) {
        let judgement = self.sources.judgement;
        let mut flagged: Vec<PackageId> = Vec::new();
        let told = judgement.findings.iter().filter(|f| f.level >= Level::Warn);
        for id in told.filter_map(|f| f.package.as_ref()) {
            if !flagged.contains(id) && flagged.len() < 240 {
                flagged.push(id.clone());
            }
        }
        let facts = flagged.clone();
        let facts = facts.iter().enumerate().map(|(n, id)| self.package(n, id, delta)).collect();
        (flagged, facts)
    }

    fn package(&mut self, n: usize, id: &PackageId, delta: &delta::Delta) -> PackageFacts {
        let judgement = self.sources.judgement;
        let planned = judgement.plan.packages.iter().find(|p| p.id == *id);
        let history = planned.and_then(|p| p.history.as_deref());
        let previous = history.and_then(|h| h.previous.as_ref());
        let before = delta.before(&id.name).map(str::to_owned);
        let mut executes: Vec<&'static str> =
            planned.map_or(&[][..], |p| &p.executes).iter().map(|e| closed(admit::execution(e))).collect();
        executes.sort_unstable();
        executes.dedup();
        let known = judgement.findings.iter().filter(|f| f.package.as_ref() == Some(id));
        let mut advisories: Vec<String> = known.flat_map(advisories).collect();
        advisories.sort_unstable();
        advisories.dedup();
        let naming = self.named(id);
        PackageFacts {
            id: format!("p{}", n + 1),
            ecosystem: id.name.ecosystem().osv(),
            name: self.name(&id.name),
            from: before.map(|v| self.version(&id.name, &v)),
            to: self.version(&id.name, &id.version),
            direct: planned.is_some_and(|p| p.direct),
            depth: planned.map_or(0, |p| p.depth),
            development: planned.is_some_and(|p| p.development),
            locked: planned.is_some_and(|p| p.lock != LockState::Unlocked),
            source: planned.map_or(SourceFacts { kind: "unknown", host: None, default: false }, |p| source(&p.source)),
            age_hours: self.hours(planned.and_then(|p| p.published_at)),
            first_release_age_hours: self.hours(planned.and_then(|p| p.first_published_at)),
            releases: history.map(|h| h.releases),
            publisher_changed: history.and_then(|h| {
                match (&h.publisher, previous.and_then(|p| p.publisher.as_ref())) {
                    (Some(now), Some(before)) => Some(now != before),
                    _ => h.publisher_known.map(|known| !known),
                }
            }),
            provenance: history.and_then(|h| h.attested),
            previous_provenance: previous.and_then(|p| p.attested),
            withdrawn: planned.is_some_and(|p| p.withdrawn.is_some()),
            executes,
            advisories: Listed::of(advisories, 8),
            named_by_user: naming.word(),
            in_tool_output: self.printed(&id.name),
            naming,
        }
    }

    /// How the user's messages name a release, the best of them.
    fn named(&self, id: &PackageId) -> Naming {
        let all = self.sources.transcript.map_or(&[][..], |t| t.messages.as_slice());
        all.iter().map(|m| messages::naming(m, &id.name, &id.version)).max().unwrap_or_default()
    }

    /// Whether a tool's output holds a name.
    fn printed(&self, name: &PackageName) -> Option<bool> {
        let printed = self.sources.transcript?.printed.as_deref()?;
        Some(messages::mentions(printed, name))
    }

    fn findings(&mut self, flagged: &[PackageId]) -> Vec<FindingFacts> {
        let judgement = self.sources.judgement;
        let told = judgement.findings.iter().enumerate().filter(|(_, f)| f.level >= Level::Warn);
        told.map(|(n, f)| FindingFacts {
            id: finding_id(n),
            rule: f.rule,
            level: f.level.word(),
            category: f.category.word(),
            package: f
                .package
                .as_ref()
                .and_then(|id| flagged.iter().position(|p| p == id))
                .map(|n| format!("p{}", n + 1)),
            lowered_by_consent: rules::soft(f.rule)
                .filter(|_| f.level.verdict() == Verdict::Ask && f.package.is_some())
                .map(Consent::word),
            facts: self.evidence(f),
        })
        .collect()
    }

    /// The typed facts of a finding: numbers and flags as they are, texts only where their grammar is known.
    fn evidence(&mut self, finding: &Finding) -> BTreeMap<&'static str, serde_json::Value> {
        let ecosystem = finding.package.as_ref().map(|p| p.name.ecosystem());
        let mut out = BTreeMap::new();
        for (key, value) in &finding.evidence {
            let admitted: Option<serde_json::Value> = match value {
                Value::Integer(n) => Some((*n).into()),
                Value::Flag(b) => Some((*b).into()),
                Value::Number(n) => serde_json::Number::from_f64(*n).map(Into::into),
                Value::Text(text) => match *key {
                    "severity" | "pinning" | "cause" | "state" | "likeness" | "issue" | "source"
                    | "without_exception" => admit::word(text).map(Into::into),
                    "previous" | "resolved" | "older" | "last_good" | "fixed" => {
                        ecosystem.and_then(|e| admit::version(e, text)).map(Into::into)
                    }
                    "imitates" => ecosystem.and_then(|e| admitted_name(e, text)).map(Into::into),
                    "registry" | "url" | "host" => {
                        let host = admit::host(text).or_else(|| admit::bare_host(text));
                        if let Some(host) = host {
                            out.insert("host", host.into());
                        }
                        None
                    }
                    "flag" => admit::flag(text).map(Into::into),
                    "operation" => admit::program(text).map(Into::into),
                    _ => None,
                },
                Value::List(list) => match *key {
                    "scripts" | "executes" => {
                        let words: Vec<&str> = list.iter().filter_map(|w| closed_word(w)).collect();
                        Some(words.into())
                    }
                    "added" | "new" => ecosystem.map(|e| {
                        let names: Vec<String> = list.iter().take(8).filter_map(|n| admitted_name(e, n)).collect();
                        names.into()
                    }),
                    "advisories" => {
                        let ids: Vec<&str> = list.iter().take(8).filter_map(|id| admit::advisory(id)).collect();
                        Some(ids.into())
                    }
                    _ => None,
                },
            };
            if let Some(value) = admitted {
                out.insert(*key, value);
            }
        }
        out
    }

    fn signals(&self) -> Vec<SignalFacts> {
        let gaps = self.sources.judgement.plan.signal_gaps.iter();
        let mut out: Vec<SignalFacts> =
            gaps.map(|g| SignalFacts { signal: g.signal, host: admit::host(&g.registry) }).collect();
        out.sort();
        out.dedup();
        out
    }

    /// The messages that name what would come in, the first and the latest: the task.
    fn messages(&self, packages: &[PackageFacts]) -> MessageFacts {
        let Some(transcript) = self.sources.transcript else {
            return MessageFacts { known: false, count: 0, items: Vec::new() };
        };
        let judgement = self.sources.judgement;
        let flagged: Vec<(String, &PackageId)> = packages
            .iter()
            .zip(flagged_ids(judgement))
            .map(|(p, id)| (p.id.clone(), id))
            .take(self.caps.packages)
            .collect();
        let direct: Vec<&PackageId> =
            judgement.plan.packages.iter().filter(|p| p.direct).map(|p| &p.id).take(200).collect();
        let last = transcript.messages.len().saturating_sub(2);
        let mut chosen: Vec<(usize, u8, Message)> = Vec::new();
        for (n, text) in transcript.messages.iter().enumerate() {
            let mut message =
                Message { id: String::new(), text: String::new(), names: vec![], names_version_of: vec![] };
            let mut at = None;
            for (id, package) in &flagged {
                let naming = messages::naming(text, &package.name, &package.version);
                if naming >= Naming::Package {
                    message.names.push(id.clone());
                    at = at.or_else(|| text.to_ascii_lowercase().find(&package.name.written().to_ascii_lowercase()));
                }
                if naming == Naming::Version {
                    message.names_version_of.push(id.clone());
                }
            }
            let names_direct = || direct.iter().any(|id| messages::mentions(&text.to_ascii_lowercase(), &id.name));
            let weight = match () {
                () if !message.names.is_empty() => 0,
                () if n == 0 || n >= last => 1,
                () if names_direct() => 2,
                () => continue,
            };
            message.text = admit::own(excerpt(text, at, self.caps.message), self.caps.message);
            chosen.push((n, weight, message));
        }
        // Of those that weigh the same the latest are kept, and all are told in their order.
        chosen.sort_by_key(|(n, weight, _)| (*weight, std::cmp::Reverse(*n)));
        chosen.truncate(self.caps.messages);
        chosen.sort_by_key(|(n, _, _)| *n);
        let items = chosen.into_iter().enumerate();
        let items = items.map(|(n, (_, _, m))| Message { id: format!("u{}", n + 1), ..m }).collect();
        MessageFacts { known: true, count: transcript.messages.len(), items }
    }
}

/// The packages of findings that are told, in the order of [`Builder::packages`].
fn flagged_ids(judgement: &Judgement) -> Vec<&PackageId> {
    let mut out: Vec<&PackageId> = Vec::new();
    for id in judgement.findings.iter().filter(|f| f.level >= Level::Warn).filter_map(|f| f.package.as_ref()) {
        if !out.contains(&id) {
            out.push(id);
        }
    }
    out
}

/// The part of a long message that names something.
fn excerpt(text: &str, at: Option<usize>, most: usize) -> &str {
    let Some(at) = at.filter(|_| text.len() > most) else { return text };
    let mut start = at.saturating_sub(most / 2);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or(text)
}

fn admitted_name(ecosystem: Ecosystem, text: &str) -> Option<String> {
    admit::name(&PackageName::new(ecosystem, text)).map(str::to_owned)
}

fn advisories(finding: &Finding) -> Vec<String> {
    match finding.evidence.get("advisories") {
        Some(Value::List(ids)) => ids.iter().filter_map(|id| admit::advisory(id)).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A word of the closed list of what runs at install.
fn closed_word(text: &str) -> Option<&'static str> {
    const ALL: [&str; 14] = [
        "preinstall",
        "install",
        "postinstall",
        "prepare",
        "preprepare",
        "postprepare",
        "prepublish",
        "preprepack",
        "install-script",
        "node-gyp",
        "build-backend",
        "build.rs",
        "proc-macro",
        "startup-hook",
    ];
    ALL.into_iter().find(|w| *w == text)
}

fn closed(text: &str) -> &'static str {
    closed_word(text).unwrap_or("install-script")
}

fn source(source: &Source) -> SourceFacts {
    match source {
        Source::Registry { url } => {
            SourceFacts { kind: source.kind(), host: admit::host(url), default: rules::is_default_registry(url) }
        }
        Source::Git { url, .. } | Source::Url { url } => {
            SourceFacts { kind: source.kind(), host: admit::host(url), default: false }
        }
        Source::Path { .. } | Source::Workspace { .. } => {
            SourceFacts { kind: source.kind(), host: None, default: false }
        }
    }
}

const fn pinning(pinning: Pinning) -> &'static str {
    match pinning {
        Pinning::Floating => "floating",
        Pinning::Range => "range",
        Pinning::Exact => "exact",
        Pinning::ExactHash => "exact-hash",
    }
}

const fn cause(cause: UnresolvedCause) -> &'static str {
    match cause {
        UnresolvedCause::UnknownPackage => "unknown-package",
        UnresolvedCause::NoMatchingVersion => "no-matching-version",
        UnresolvedCause::Conflict => "conflict",
        UnresolvedCause::NeedsExecution => "needs-execution",
        UnresolvedCause::PrivateName => "private-name",
        UnresolvedCause::Unreachable => "unreachable",
        UnresolvedCause::Malformed => "malformed",
        UnresolvedCause::Unsupported => "unsupported",
        UnresolvedCause::LimitExceeded => "limit-exceeded",
    }
}
