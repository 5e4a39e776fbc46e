//! One policy file: its text → values with their places, and everything that is wrong with it.
//!
//! Nothing is merged or weighed here. A file with one error is not used at all (see [`super::layers`]), so this
//! reads on after an error only to name them all.

use std::ops::Range;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{
    Api, ClassifierKind, Exception, HostPattern, Layer, NamePattern, Network, OptionKind, OptionValue, PackagePattern,
    Prices, Programs, RegistryPrefix, RemotePattern, RuleInfo, Valued, nearest,
};
use crate::model::{Diagnostic, Level, LineIndex, Location, Timestamp};

/// The only version of the format.
pub(super) const VERSION: u32 = 1;
/// Larger files are refused.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// More patterns in one list, or more exceptions, are refused: each is compiled, and compared with the others.
const MAX_ENTRIES: usize = 1000;
/// The days that an option may ask for.
const MAX_DAYS: u32 = 3650;

/// Settings beside the rules that a layer can hand on with `[delegate] settings`.
pub(super) const SETTINGS: [&str; 7] =
    ["on-unavailable", "trust.registries", "trust.git-remotes", "trust.hosts", "classifier", "sandbox", "agent"];

const TOP: [&str; 8] = ["version", "on-unavailable", "rules", "allow", "trust", "classifier", "sandbox", "agent"];

const CLASSIFIER: [&str; 13] = [
    "kind",
    "timeout-ms",
    "model",
    "base-url",
    "api",
    "key-env",
    "key-command",
    "command",
    "stages",
    "price-input",
    "price-output",
    "price-cache-read",
    "price-cache-write",
];

/// What one file says of one rule.
#[derive(Debug, Clone)]
pub(super) struct RuleEntry {
    pub rule: RuleInfo,
    pub level: Option<Valued<Level>>,
    pub options: Vec<(&'static str, Valued<OptionValue>)>,
}

/// What one file says in `[classifier]`.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassifierEntry {
    pub kind: Option<Valued<ClassifierKind>>,
    pub timeout_ms: Option<Valued<u32>>,
    pub model: Option<Valued<String>>,
    pub base_url: Option<Valued<String>>,
    pub api: Option<Valued<Api>>,
    pub key_env: Option<Valued<String>>,
    pub key_command: Option<Valued<Vec<String>>>,
    pub command: Option<Valued<Vec<String>>>,
    pub stages: Option<Valued<u32>>,
    pub prices: Prices,
}

/// What one file says.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyFile {
    pub rules: Vec<RuleEntry>,
    pub on_unavailable: Option<Valued<Level>>,
    pub allow: Vec<Exception>,
    pub registries: Vec<Valued<RegistryPrefix>>,
    pub private_names: Vec<Valued<NamePattern>>,
    pub git_remotes: Vec<Valued<RemotePattern>>,
    pub hosts: Vec<Valued<HostPattern>>,
    pub classifier: ClassifierEntry,
    pub network: Option<Valued<Network>>,
    pub programs: Option<Valued<Programs>>,
    pub write: Option<Valued<Vec<String>>>,
    pub read_deny: Option<Valued<Vec<String>>>,
    pub sandbox_unavailable: Option<Valued<Level>>,
    pub auto: Option<Valued<bool>>,
    pub denials_in_a_row: Option<Valued<u32>>,
    pub denials_in_all: Option<Valued<u32>>,
    /// Rule names and [`SETTINGS`] that the layers below may loosen.
    pub delegate: Vec<Valued<&'static str>>,
    /// What deserves a look and is no error.
    pub warnings: Vec<Diagnostic>,
}

type Value<'t> = Spanned<DeValue<'t>>;
type Key<'t> = Spanned<DeString<'t>>;

/// Reads a file's text. `path` is for the places.
pub(super) fn parse(path: &Path, text: &str, layer: Layer, rules: &[RuleInfo]) -> (PolicyFile, Vec<Diagnostic>) {
    let mut reader =
        Reader { path, index: LineIndex::new(text), layer, rules, errors: Vec::new(), warnings: Vec::new() };
    let mut file = PolicyFile::default();
    if text.len() > MAX_BYTES {
        let what = format!("the file is larger than {MAX_BYTES} bytes");
        return (file, vec![Diagnostic::new(Location::file(path), what)]);
    }
    match DeTable::parse(text) {
        Ok(table) => reader.file(table.get_ref(), &mut file),
        Err(error) => reader.error(error.span().unwrap_or(0..0), error.message().replace('\n', ", ")),
    }
    file.warnings = reader.warnings;
    let mut errors = reader.errors;
    errors.sort_by(|a, b| (&a.location, &a.message).cmp(&(&b.location, &b.message)));
    (file, errors)
}

struct Reader<'a> {
    path: &'a Path,
    index: LineIndex<'a>,
    layer: Layer,
    rules: &'a [RuleInfo],
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn file(&mut self, table: &DeTable<'_>, file: &mut PolicyFile) {
        let mut version = false;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "version" => {
                    version = true;
                    self.version(value);
                }
                "on-unavailable" => file.on_unavailable = self.on_unavailable(value, "on-unavailable"),
                "rules" => self.rules(value, file),
                "allow" => self.allow(value, file),
                "trust" => self.trust(value, file),
                "classifier" => self.classifier(value, file),
                "sandbox" => self.sandbox(value, file),
                "agent" => self.agent(value, file),
                "delegate" => self.delegate(value, file),
                _ => self.unknown_key(key, "a policy", TOP.into_iter().chain(["delegate"])),
            }
        }
        if !version {
            let missing = Diagnostic::new(Location::at(self.path, 1, 1), "`version` is missing");
            self.errors.push(missing.with_hint(format!("begin the file with `version = {VERSION}`")));
        }
    }

    fn version(&mut self, value: &Value<'_>) {
        if let Some(found) = self.integer(value, "version", 0..=u32::MAX)
            && found.value != VERSION
        {
            let hint = format!("this program reads version {VERSION}");
            self.error_hint(value.span(), format!("version {} is not supported", found.value), hint);
        }
    }

    fn on_unavailable(&mut self, value: &Value<'_>, name: &str) -> Option<Valued<Level>> {
        self.word(value, name, &["warn", "ask", "deny"]).and_then(|w| w.try_map(Level::from_word))
    }

    fn rules(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let Some(table) = self.table(value, "rules") else { return };
        for (key, value) in table {
            let Some(rule) = self.rule(key.get_ref(), key.span()) else { continue };
            let mut entry = RuleEntry { rule, level: None, options: Vec::new() };
            match value.get_ref() {
                DeValue::String(_) => entry.level = self.level(value, &rule),
                DeValue::Table(table) => {
                    for (key, value) in table {
                        self.rule_key(key, value, &mut entry);
                    }
                }
                other => {
                    let what = format!("`rules.{}` is a level or a table, not {}", rule.name, kind(other));
                    self.error(value.span(), what);
                }
            }
            file.rules.push(entry);
        }
    }

    fn rule_key(&mut self, key: &Key<'_>, value: &Value<'_>, entry: &mut RuleEntry) {
        let rule = entry.rule;
        if key.get_ref() == "level" {
            entry.level = self.level(value, &rule);
            return;
        }
        let Some(option) = rule.options.iter().find(|o| o.key == key.get_ref()) else {
            let known = std::iter::once("level").chain(rule.options.iter().map(|o| o.key));
            self.unknown_key(key, &format!("`rules.{}`", rule.name), known);
            return;
        };
        let name = format!("rules.{}.{}", rule.name, option.key);
        let read = match option.kind {
            OptionKind::Days { .. } => self.integer(value, &name, 0..=MAX_DAYS).map(|v| v.map(OptionValue::Days)),
            OptionKind::Choice { words, .. } => self.word(value, &name, words).map(|v| v.map(OptionValue::Choice)),
            OptionKind::Names => {
                let patterns = self.patterns(value, &name, NamePattern::new);
                Some(Valued { value: OptionValue::Names(patterns), location: self.at(value.span()) })
            }
        };
        entry.options.extend(read.map(|v| (option.key, v)));
    }

    fn level(&mut self, value: &Value<'_>, rule: &RuleInfo) -> Option<Valued<Level>> {
        let text = self.string(value, &format!("the level of `{}`", rule.name))?;
        match Level::from_word(text) {
            Some(Level::Hold) if !rule.takes_hold => {
                let hint = "`hold` is a level of `cooldown` alone";
                self.error_hint(value.span(), format!("`{}` cannot be held back", rule.name), hint);
                None
            }
            Some(level) => Some(Valued { value: level, location: self.at(value.span()) }),
            None => {
                let mut words = vec!["off", "note", "warn", "ask", "deny"];
                if rule.takes_hold {
                    words.insert(3, "hold");
                }
                let hint = format!("the levels are {}", words.join(", "));
                self.error_hint(value.span(), format!("{} is not a level", quoted(text)), hint);
                None
            }
        }
    }

    fn allow(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let DeValue::Array(entries) = value.get_ref() else {
            let what = format!("`allow` is a list of tables, not {}", kind(value.get_ref()));
            self.error_hint(value.span(), what, "write each exception as `[[allow]]`");
            return;
        };
        if entries.len() > MAX_ENTRIES {
            return self.error(value.span(), format!("`allow` has more than {MAX_ENTRIES} entries"));
        }
        for entry in entries.iter() {
            let exception = self.exception(entry);
            file.allow.extend(exception);
        }
    }

    fn exception(&mut self, value: &Value<'_>) -> Option<Exception> {
        let table = self.table(value, "allow")?;
        let (mut package, mut rule, mut reason, mut expires) = (None, None, None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "package" => {
                    package = Some(self.string(value, "package").and_then(|text| {
                        let read = PackagePattern::new(text);
                        self.taken(value, text, read).map(|p| (p, value.span()))
                    }));
                }
                "rule" => {
                    rule = Some(self.string(value, "rule").and_then(|name| self.rule(name, value.span())));
                }
                "reason" => {
                    reason = Some(self.string(value, "reason").and_then(|text| {
                        if text.trim().is_empty() {
                            self.error(value.span(), "the reason is empty");
                        }
                        (!text.trim().is_empty()).then(|| text.to_owned())
                    }));
                }
                "expires" => expires = Some(self.moment(value)),
                _ => self.unknown_key(key, "an exception", ["package", "rule", "reason", "expires"]),
            }
        }
        for (name, there) in [
            ("package", package.is_some()),
            ("rule", rule.is_some()),
            ("reason", reason.is_some()),
            ("expires", expires.is_some()),
        ] {
            if !there {
                self.error(value.span(), format!("an exception needs `{name}`"));
            }
        }
        let ((package, at), rule, reason, expires) = (package??, rule??, reason??, expires??);
        if rule.name == "malware" && !package.is_exact() {
            let hint = "name one release: `pkg:npm/NAME@VERSION`";
            self.error_hint(at, "an exception from `malware` covers exactly one release", hint);
            return None;
        }
        let location = self.at(at);
        Some(Exception { package, rule: rule.name, reason, expires, layer: self.layer, location })
    }

    /// A date (to its end, UTC) or a date-time with an offset; as TOML's own or as text.
    fn moment(&mut self, value: &Value<'_>) -> Option<Timestamp> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            other => {
                self.error(value.span(), format!("`expires` is a date, not {}", kind(other)));
                return None;
            }
        };
        let read = if text.len() == 10 {
            text.parse::<Date>()
                .and_then(|day| day.tomorrow())
                .and_then(|next| next.to_zoned(TimeZone::UTC))
                .map(|zoned| zoned.timestamp())
        } else {
            text.parse::<Timestamp>()
        };
        if read.is_err() {
            let hint = "write `2027-03-01`, or `2027-03-01T12:00:00Z`";
            self.error_hint(value.span(), format!("{} is not a date", quoted(&text)), hint);
        }
        read.ok()
    }

    fn trust(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let Some(table) = self.table(value, "trust") else { return };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "registries" => file.registries = self.patterns(value, "trust.registries", RegistryPrefix::new),
                "private-names" => file.private_names = self.patterns(value, "trust.private-names", NamePattern::new),
                "git-remotes" => file.git_remotes = self.patterns(value, "trust.git-remotes", RemotePattern::new),
                "hosts" => file.hosts = self.patterns(value, "trust.hosts", HostPattern::new),
                _ => self.unknown_key(key, "`trust`", ["registries", "private-names", "git-remotes", "hosts"]),
            }
        }
    }

    fn classifier(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let Some(table) = self.table(value, "classifier") else { return };
        let entry = &mut file.classifier;
        for (key, value) in table {
            let name = format!("classifier.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "kind" => {
                    let words = ClassifierKind::ALL.map(ClassifierKind::word);
                    entry.kind = self
                        .word(value, &name, &words)
                        .and_then(|w| w.try_map(|w| ClassifierKind::ALL.into_iter().find(|k| k.word() == w)));
                }
                "timeout-ms" => entry.timeout_ms = self.integer(value, &name, 1..=600_000),
                "model" => entry.model = self.named(value, &name),
                "base-url" => entry.base_url = self.base_url(value, &name),
                "api" => {
                    entry.api = self
                        .word(value, &name, &["chat", "responses"])
                        .map(|w| w.map(|w| if w == "chat" { Api::Chat } else { Api::Responses }));
                }
                "key-env" => entry.key_env = self.named(value, &name),
                "key-command" => entry.key_command = self.program(value, &name),
                "command" => entry.command = self.program(value, &name),
                "stages" => entry.stages = self.integer(value, &name, 1..=2),
                "price-input" => entry.prices.input = self.price(value, &name),
                "price-output" => entry.prices.output = self.price(value, &name),
                "price-cache-read" => entry.prices.cache_read = self.price(value, &name),
                "price-cache-write" => entry.prices.cache_write = self.price(value, &name),
                _ => self.unknown_key(key, "`classifier`", CLASSIFIER),
            }
        }
    }

    /// A name without spaces or anything else that is not visible ASCII.
    fn named(&mut self, value: &Value<'_>, name: &str) -> Option<Valued<String>> {
        let text = self.string(value, name)?;
        if text.is_empty() || text.len() > 200 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            self.error(value.span(), format!("{} is not a value of `{name}`", quoted(text)));
            return None;
        }
        Some(Valued { value: text.to_owned(), location: self.at(value.span()) })
    }

    /// Where an API is. Facts, messages and a key go there: not in the clear, unless it is this machine.
    fn base_url(&mut self, value: &Value<'_>, name: &str) -> Option<Valued<String>> {
        let text = self.string(value, name)?;
        let url = url::Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        let Some(url) = url else {
            self.error(value.span(), format!("{} is not an http or https URL", quoted(text)));
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            let hint = "a key belongs into a variable: `key-env`, or `key-command`";
            self.error_hint(value.span(), format!("`{name}` is a scheme, a host and a path, no more"), hint);
            return None;
        }
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !loopback {
            let hint = "use https, or reach it through a port of this machine";
            self.error_hint(value.span(), format!("`{name}` is plain http off this machine"), hint);
            return None;
        }
        Some(Valued { value: text.to_owned(), location: self.at(value.span()) })
    }

    /// A program and its arguments; there is no shell.
    fn program(&mut self, value: &Value<'_>, name: &str) -> Option<Valued<Vec<String>>> {
        let words: Vec<String> = self.strings(value, name).into_iter().map(|(word, _)| word).collect();
        if words.first().is_none_or(String::is_empty) || words.len() > 100 || words.iter().any(|w| w.contains('\0')) {
            let hint =
                format!("write `{} = [\"/path/to/program\", \"argument\"]`", name.trim_start_matches("classifier."));
            self.error_hint(value.span(), format!("`{name}` is a program and its arguments"), hint);
            return None;
        }
        Some(Valued { value: words, location: self.at(value.span()) })
    }

    /// Dollars for a million tokens.
    fn price(&mut self, value: &Value<'_>, name: &str) -> Option<Valued<u64>> {
        let dollars: Option<f64> = match value.get_ref() {
            DeValue::Integer(n) => {
                i64::from_str_radix(n.as_str(), n.radix()).ok().and_then(|n| u32::try_from(n).ok()).map(f64::from)
            }
            DeValue::Float(n) => n.as_str().parse().ok(),
            _ => None,
        };
        match dollars.filter(|d| d.is_finite() && (0.0..=100_000.0).contains(d)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1e11")]
            Some(dollars) => Some(Valued { value: (dollars * 1e6).round() as u64, location: self.at(value.span()) }),
            None => {
                self.error(value.span(), format!("`{name}` is a number of dollars for a million tokens"));
                None
            }
        }
    }

    fn sandbox(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let Some(table) = self.table(value, "sandbox") else { return };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "network" => {
                    file.network = self
                        .word(value, "sandbox.network", &["open", "gateway"])
                        .map(|w| w.map(|w| if w == "open" { Network::Open } else { Network::Gateway }));
                }
                "programs" => {
                    file.programs = self
                        .word(value, "sandbox.programs", &["open", "contained"])
                        .map(|w| w.map(|w| if w == "open" { Programs::Open } else { Programs::Contained }));
                }
                "write" => file.write = Some(self.paths(value, "sandbox.write")),
                "read-deny" => file.read_deny = Some(self.paths(value, "sandbox.read-deny")),
                "on-unavailable" => {
                    file.sandbox_unavailable = self.on_unavailable(value, "sandbox.on-unavailable");
                }
                _ => {
                    self.unknown_key(key, "`sandbox`", ["network", "programs", "write", "read-deny", "on-unavailable"])
                }
            }
        }
    }

    fn paths(&mut self, value: &Value<'_>, name: &str) -> Valued<Vec<String>> {
        let paths = self.patterns(value, name, |path| match path {
            "" => Err("an empty path".to_owned()),
            path if path.contains('\0') => Err("a path has no NUL".to_owned()),
            path => Ok(path.to_owned()),
        });
        Valued { value: paths.into_iter().map(|p| p.value).collect(), location: self.at(value.span()) }
    }

    fn agent(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let Some(table) = self.table(value, "agent") else { return };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "auto" => match value.get_ref() {
                    DeValue::Boolean(auto) => {
                        file.auto = Some(Valued { value: *auto, location: self.at(value.span()) });
                    }
                    other => self.error(value.span(), format!("`agent.auto` is true or false, not {}", kind(other))),
                },
                "denials-in-a-row" => {
                    file.denials_in_a_row = self.integer(value, "agent.denials-in-a-row", 1..=1000);
                }
                "denials-in-all" => file.denials_in_all = self.integer(value, "agent.denials-in-all", 1..=1000),
                _ => self.unknown_key(key, "`agent`", ["auto", "denials-in-a-row", "denials-in-all"]),
            }
        }
    }

    fn delegate(&mut self, value: &Value<'_>, file: &mut PolicyFile) {
        let Some(table) = self.table(value, "delegate") else { return };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "rules" => {
                    for (name, span) in self.strings(value, "delegate.rules") {
                        if let Some(rule) = self.rule(&name, span.clone()) {
                            file.delegate.push(Valued { value: rule.name, location: self.at(span) });
                        }
                    }
                }
                "settings" => {
                    for (name, span) in self.strings(value, "delegate.settings") {
                        match SETTINGS.into_iter().find(|s| *s == name) {
                            Some(value) => file.delegate.push(Valued { value, location: self.at(span) }),
                            None => {
                                let hint = format!("the settings are {}", SETTINGS.join(", "));
                                self.error_hint(span, format!("no setting is called {}", quoted(&name)), hint);
                            }
                        }
                    }
                }
                _ => self.unknown_key(key, "`delegate`", ["rules", "settings"]),
            }
        }
    }

    /// The known rule of this name.
    fn rule(&mut self, name: &str, span: Range<usize>) -> Option<RuleInfo> {
        let found = self.rules.iter().find(|r| r.name == name).copied();
        if found.is_none() {
            let message = format!("no rule is called {}", quoted(name));
            match nearest(name, self.rules.iter().map(|r| r.name)) {
                Some(near) => self.error_hint(span, message, format!("did you mean `{near}`?")),
                None => self.error(span, message),
            }
        }
        found
    }

    fn at(&self, span: Range<usize>) -> Location {
        self.index.location(self.path, span.start)
    }

    fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.errors.push(Diagnostic::new(self.at(span), message));
    }

    fn error_hint(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(Diagnostic::new(self.at(span), message).with_hint(hint));
    }

    fn unknown_key<'k>(&mut self, key: &Key<'_>, place: &str, known: impl IntoIterator<Item = &'k str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let message = format!("{place} has no key {}", quoted(key.get_ref()));
        let hint = match nearest(key.get_ref(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", known.join(", ")),
        };
        self.error_hint(key.span(), message, hint);
    }

    fn taken<T>(&mut self, value: &Value<'_>, text: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.error(value.span(), format!("{}: {why}", quoted(text)))).ok()
    }

    fn table<'v, 't>(&mut self, value: &'v Value<'t>, name: &str) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.error(value.span(), format!("`{name}` is a table, not {}", kind(value.get_ref())));
        }
        table
    }

    fn string<'v>(&mut self, value: &'v Value<'_>, name: &str) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let name = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
            self.error(value.span(), format!("{name} is a string, not {}", kind(value.get_ref())));
        }
        text
    }

    fn strings(&mut self, value: &Value<'_>, name: &str) -> Vec<(String, Range<usize>)> {
        let Some(list) = value.get_ref().as_array() else {
            self.error(value.span(), format!("`{name}` is a list of strings, not {}", kind(value.get_ref())));
            return Vec::new();
        };
        let mut out = Vec::new();
        for entry in list.iter() {
            match entry.get_ref().as_str() {
                Some(text) => out.push((text.to_owned(), entry.span())),
                None => {
                    let what = format!("`{name}` is a list of strings, and this is {}", kind(entry.get_ref()));
                    self.error(entry.span(), what);
                }
            }
        }
        out
    }

    fn patterns<T>(
        &mut self,
        value: &Value<'_>,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<Valued<T>> {
        let mut out = Vec::new();
        let texts = self.strings(value, name);
        if texts.len() > MAX_ENTRIES {
            self.error(value.span(), format!("`{name}` has more than {MAX_ENTRIES} entries"));
            return out;
        }
        for (text, span) in texts {
            match read(&text) {
                Ok(pattern) => out.push(Valued { value: pattern, location: self.at(span) }),
                Err(why) => self.error(span, format!("{}: {why}", quoted(&text))),
            }
        }
        out
    }

    fn integer(&mut self, value: &Value<'_>, name: &str, range: std::ops::RangeInclusive<u32>) -> Option<Valued<u32>> {
        let Some(found) = value.get_ref().as_integer() else {
            self.error(value.span(), format!("`{name}` is a whole number, not {}", kind(value.get_ref())));
            return None;
        };
        match i64::from_str_radix(found.as_str(), found.radix()).ok().and_then(|n| u32::try_from(n).ok()) {
            Some(n) if range.contains(&n) => Some(Valued { value: n, location: self.at(value.span()) }),
            _ => {
                self.error(value.span(), format!("`{name}` is between {} and {}", range.start(), range.end()));
                None
            }
        }
    }

    fn word<'w>(&mut self, value: &Value<'_>, name: &str, words: &[&'w str]) -> Option<Valued<&'w str>> {
        let text = self.string(value, name)?;
        let found = words.iter().find(|w| **w == text);
        if found.is_none() {
            let hint = format!("it is one of {}", words.join(", "));
            self.error_hint(value.span(), format!("{} is not a value of `{name}`", quoted(text)), hint);
        }
        found.map(|word| Valued { value: *word, location: self.at(value.span()) })
    }
}

impl<T> Valued<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Valued<U> {
        Valued { value: f(self.value), location: self.location }
    }

    fn try_map<U>(self, f: impl FnOnce(T) -> Option<U>) -> Option<Valued<U>> {
        f(self.value).map(|value| Valued { value, location: self.location })
    }
}

/// The file's own words in a message: a project's file is a stranger's.
fn quoted(text: &str) -> String {
    format!("`{}`", crate::model::printable(text, 80))
}

/// A value's type, for people.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
