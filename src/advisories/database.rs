//! Every installed index and the embedded records as one: a release in, what stands against it out.
//!
//! Records of one alias group are one [`Match`]: MAL, GHSA, PYSEC and RUSTSEC records of one incident are joined.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use super::affected::{self, Query, Reading};
use super::entry::{Entry, EventKind};
use super::index::{Index, IndexError};
use super::{Advisories, Coverage, Kind, Match, embedded, state};
use crate::model::{Ecosystem, PackageId, PackageName, Timestamp};

/// How an index file's name ends.
pub const INDEX_EXTENSION: &str = "index";
/// A feed that is older is stale.
const STALE_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// Every installed index, and the embedded records.
#[derive(Debug)]
pub struct Database {
    sources: Vec<Source>,
    embedded: bool,
    now: Timestamp,
    problems: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Source {
    index: Index,
    updated_at: Timestamp,
}

/// One installed source, for `advisories status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// The file's name without its ending: an ecosystem's feed (`npm`), or an import (`import-…`).
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Records, withdrawn ones included.
    pub records: u64,
    /// Of those, withdrawn.
    pub withdrawn: u64,
    /// Names with at least one record.
    pub names: u64,
    /// When it was last fetched (or found unchanged), or imported.
    pub updated_at: Timestamp,
    /// The newest change in any record.
    pub newest: Option<Timestamp>,
    /// Older than seven days.
    pub stale: bool,
    /// The ecosystems it speaks of.
    pub ecosystems: Vec<Ecosystem>,
}

/// One stored record, for `advisories show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The source's name, or `built-in`.
    pub source: String,
    /// The record's JSON as it came (a stranger's text: renderers escape it).
    pub json: String,
}

impl Database {
    /// Opens every index in `dir` (none when there is no such directory) and the embedded records.
    ///
    /// Never fails: an index that cannot be opened is one of [`Coverage::problems`], so that nothing is called clean
    /// for want of it.
    pub fn open(dir: &Path, now: Timestamp) -> Self {
        let mut database = Self::embedded_only(now);
        let mut problems = Vec::new();
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(dir) {
            Ok(entries) => entries.filter_map(Result::ok).map(|e| e.path()).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                problems.push(format!("cannot read {}: {e}", dir.display()));
                Vec::new()
            }
        };
        paths.retain(|p| p.extension().is_some_and(|e| e == INDEX_EXTENSION));
        paths.sort();
        for path in paths {
            match Index::open(&path) {
                Ok(index) => {
                    let fetched = state::read(&path).and_then(|s| s.updated_at);
                    let updated_at = fetched.max(Some(index.summary().updated_at)).unwrap_or_default();
                    database.sources.push(Source { index, updated_at });
                }
                Err(e) => problems.push(e.to_string()),
            }
        }
        database.problems = Mutex::new(problems);
        database
    }

    /// The embedded records alone.
    pub fn embedded_only(now: Timestamp) -> Self {
        Self { sources: Vec::new(), embedded: true, now, problems: Mutex::default() }
    }

    /// Only the indexes given, without the embedded records: for measuring one source.
    pub fn of_indexes(indexes: Vec<Index>, now: Timestamp) -> Self {
        let sources =
            indexes.into_iter().map(|index| Source { updated_at: index.summary().updated_at, index }).collect();
        Self { sources, embedded: false, now, problems: Mutex::default() }
    }

    /// What is installed, by name.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.sources
            .iter()
            .map(|s| {
                let summary = s.index.summary();
                SourceStatus {
                    name: source_name(s.index.path()),
                    path: s.index.path().to_owned(),
                    records: summary.records,
                    withdrawn: summary.withdrawn,
                    names: summary.names,
                    updated_at: s.updated_at,
                    newest: summary.newest,
                    stale: self.is_stale(s.updated_at),
                    ecosystems: Ecosystem::ALL.into_iter().filter(|e| s.index.covers(*e)).collect(),
                }
            })
            .collect()
    }

    /// Every stored record with this id or alias.
    pub fn show(&self, id: &str) -> Vec<Shown> {
        let mut out = Vec::new();
        for source in &self.sources {
            for json in self.or_problem(source.index.records(id)).unwrap_or_default() {
                let json = String::from_utf8_lossy(&json).into_owned();
                out.push(Shown { source: source_name(source.index.path()), json });
            }
        }
        if self.embedded {
            out.extend(embedded::by_id(id).map(|json| Shown { source: "built-in".to_owned(), json: json.to_owned() }));
        }
        out
    }

    fn is_stale(&self, updated_at: Timestamp) -> bool {
        self.now.duration_since(updated_at) > STALE_AFTER
    }

    fn or_problem<T>(&self, result: Result<T, IndexError>) -> Option<T> {
        result
            .map_err(|e| {
                let text = e.to_string();
                let mut problems = self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if !problems.contains(&text) {
                    problems.push(text);
                }
            })
            .ok()
    }

    /// Every entry about a name.
    fn entries(&self, name: &PackageName) -> Vec<Entry> {
        let mut all: Vec<Entry> =
            self.sources.iter().filter_map(|s| self.or_problem(s.index.entries(name))).flatten().collect();
        if self.embedded {
            all.extend(embedded::entries(name));
        }
        all
    }
}

/// A [`Database`] that is opened by the first question: a judgement that asks none opens no index.
#[derive(Debug)]
pub struct Lazy {
    directory: PathBuf,
    now: Timestamp,
    database: OnceLock<Database>,
    /// Answers given already: several rules ask the same of every release of a plan.
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    answers: FxHashMap<Asked, Vec<Match>>,
    /// Names of which no record speaks, as of most: whatever the version, the answer is the same.
    unknown: FxHashSet<PackageName>,
}

/// A release, and the moment at which it is asked about.
type Asked = (PackageId, Option<Timestamp>);

impl Lazy {
    /// Touches nothing. See [`Database::open`].
    pub fn new(directory: PathBuf, now: Timestamp) -> Self {
        Self { directory, now, database: OnceLock::new(), given: Mutex::default() }
    }

    fn database(&self) -> &Database {
        self.database.get_or_init(|| Database::open(&self.directory, self.now))
    }
}

impl Advisories for Lazy {
    fn find(&self, id: &PackageId, as_of: Option<Timestamp>) -> Vec<Match> {
        let given = || self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given().unknown.contains(&id.name) {
            return Vec::new();
        }
        let asked = (id.clone(), as_of);
        if let Some(known) = given().answers.get(&asked) {
            return known.clone();
        }
        let entries = self.database().entries(&id.name);
        if entries.is_empty() {
            given().unknown.insert(asked.0.name);
            return Vec::new();
        }
        let found = matches(id, &held(entries, as_of));
        given().answers.insert(asked, found.clone());
        found
    }

    fn malicious_versions(&self, name: &PackageName, as_of: Option<Timestamp>) -> Vec<(String, String)> {
        self.database().malicious_versions(name, as_of)
    }

    fn coverage(&self) -> Coverage {
        self.database().coverage()
    }
}

fn source_name(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Advisories for Database {
    fn find(&self, id: &PackageId, as_of: Option<Timestamp>) -> Vec<Match> {
        matches(id, &held(self.entries(&id.name), as_of))
    }

    fn malicious_versions(&self, name: &PackageName, as_of: Option<Timestamp>) -> Vec<(String, String)> {
        let held = held(self.entries(name), as_of);
        let mut out: Vec<(String, String)> = Vec::new();
        let groups = groups(&held);
        let malware = groups.iter().flat_map(|group| {
            let own = group.iter().copied().filter(|e| e.kind == Kind::Malware);
            own.chain(promoted(group))
        });
        for entry in malware {
            let id = shown_id(entry).to_owned();
            let whole = affected::reading(name.ecosystem(), entry) == Reading::WholePackage;
            if whole && entry.kind == Kind::Malware {
                out.push(("*".to_owned(), id.clone()));
            }
            out.extend(entry.versions.iter().map(|(_, written)| (written.to_owned(), id.clone())));
            let ends = entry.ranges.iter().filter(|r| !affected::is_catch_all(r)).flatten();
            let ends = ends.filter(|e| matches!(e.kind, EventKind::Introduced | EventKind::LastAffected));
            out.extend(ends.filter(|e| e.version != "0").map(|e| (without_dash_zero(&e.version), id.clone())));
        }
        out.sort();
        out.dedup_by(|later, first| later.0 == first.0);
        out
    }

    fn coverage(&self) -> Coverage {
        let newest = |e: Ecosystem| self.sources.iter().filter(|s| s.index.covers(e)).map(|s| s.updated_at).max();
        let covered: Vec<(Ecosystem, Timestamp)> =
            Ecosystem::ALL.into_iter().filter_map(|e| Some((e, newest(e)?))).collect();
        let records: u64 = self.sources.iter().map(|s| s.index.summary().records).sum();
        Coverage {
            records: records + if self.embedded { embedded::TABLE.len() as u64 } else { 0 },
            updated_at: self.sources.iter().map(|s| s.updated_at).max(),
            stale: covered.is_empty() || covered.iter().any(|(_, t)| self.is_stale(*t)),
            ecosystems: covered.iter().map(|(e, _)| e.osv().to_owned()).collect(),
            problems: self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
        }
    }
}

/// Of a name's entries those that were held at `as_of` (now, without one): of one id the newest, withdrawn ones left out.
fn held(mut all: Vec<Entry>, as_of: Option<Timestamp>) -> Vec<Entry> {
    // Of one id the newest statement counts, also when it is the one that withdraws.
    all.sort_by(|a, b| a.id.cmp(&b.id).then(b.modified.cmp(&a.modified)));
    all.dedup_by(|later, first| later.id == first.id);
    all.retain(|e| match as_of {
        None => e.withdrawn.is_none(),
        // A record without any time is held: that nothing is known of its age clears nobody.
        Some(t) => e.knowable.is_none_or(|k| k <= t) && e.withdrawn.is_none_or(|w| w > t),
    });
    all
}

/// What a name's entries say of one of its releases, worst first.
fn matches(id: &PackageId, held: &[Entry]) -> Vec<Match> {
    if held.is_empty() {
        return Vec::new();
    }
    let query = Query::new(id.name.ecosystem(), &id.version);
    let mut out: Vec<Match> =
        groups(held).iter().filter_map(|group| join(id.name.ecosystem(), group, &query)).collect();
    out.sort_by(|a, b| {
        let worst = (b.kind, b.severity).cmp(&(a.kind, a.severity));
        worst.then_with(|| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0))).then_with(|| a.id.cmp(&b.id))
    });
    out
}

/// RustSec writes `1.4.1-0` for "1.4.1 and its pre-releases".
fn without_dash_zero(version: &str) -> String {
    version.strip_suffix("-0").unwrap_or(version).to_owned()
}

/// The entries in groups: two are of one group when one's id or alias is the other's.
fn groups(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    if let [only] = entries {
        return vec![vec![only]];
    }
    let mut parent: Vec<usize> = (0..entries.len()).collect();
    fn root(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    let mut first: FxHashMap<&str, usize> = FxHashMap::default();
    for (i, entry) in entries.iter().enumerate() {
        for id in std::iter::once(&entry.id).chain(&entry.aliases) {
            let other = *first.entry(id).or_insert(i);
            let (a, b) = (root(&mut parent, i), root(&mut parent, other));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut out: Vec<Vec<&Entry>> = Vec::new();
    let mut place: FxHashMap<usize, usize> = FxHashMap::default();
    for (i, entry) in entries.iter().enumerate() {
        let at = *place.entry(root(&mut parent, i)).or_insert(out.len());
        match out.get_mut(at) {
            Some(group) => group.push(entry),
            None => out.push(vec![entry]),
        }
    }
    out
}

/// The group's entries that do not say "malware" themselves but are called an alias by a `MAL-` record: what they
/// name is the same malware. Only what they name narrowly: a catch-all there is no whole-package record.
fn promoted<'e>(group: &[&'e Entry]) -> impl Iterator<Item = &'e Entry> {
    let named = |e: &Entry| group.iter().any(|m| m.id.starts_with("MAL-") && m.aliases.contains(&e.id));
    group.iter().copied().filter(move |e| e.kind != Kind::Malware && named(e))
}

/// What one alias group says about a version; `None` when nothing.
fn join(ecosystem: Ecosystem, group: &[&Entry], query: &Query<'_>) -> Option<Match> {
    let own = || group.iter().copied().filter(|e| e.kind == Kind::Malware);
    let is_whole = |e: &Entry| affected::reading(ecosystem, e) == Reading::WholePackage;
    let mut bad: Vec<&Entry> = own().filter(|e| is_whole(e) || query.narrowly_affected_by(e)).collect();
    let whole = bad.iter().any(|e| is_whole(e));
    bad.extend(promoted(group).filter(|e| query.narrowly_affected_by(e)));
    let others: Vec<&Entry> = group
        .iter()
        .copied()
        .filter(|e| e.kind != Kind::Malware && query.affected_by(e) && !bad.iter().any(|b| std::ptr::eq(*b, *e)))
        .collect();
    if !bad.is_empty() {
        // Every record of the incident is cited, also those that speak of it only as a vulnerability.
        bad.extend(others);
        return compose(ecosystem, group, &bad, Kind::Malware, None, whole);
    }
    if let Some(kind) = others.iter().map(|e| e.kind).max() {
        let informational = others.iter().find_map(|e| e.informational.clone());
        let whole = others.iter().any(|e| e.versions.is_empty() && e.ranges.iter().any(|r| affected::is_catch_all(r)));
        return compose(ecosystem, group, &others, kind, informational.filter(|_| kind == Kind::Informational), whole);
    }
    // Set aside, but said: a record names every version, and its narrower statement does not name this one.
    let broad: Vec<&Entry> = own().filter(|e| query.affected_by(e)).collect();
    if broad.is_empty() {
        return None;
    }
    compose(ecosystem, group, &broad, Kind::Informational, Some(CONTESTED.to_owned()), false)
}

/// [`Match::informational`] of a release that only the catch-all of an otherwise narrower malware record names.
pub const CONTESTED: &str = "contested-malware-range";

/// An id for people: this program's own ids give way to the public one of the same incident.
fn shown_id(entry: &Entry) -> &str {
    let public = entry.aliases.iter().filter(|a| !a.starts_with("x_")).min_by_key(|a| rank(a));
    match public {
        Some(alias) if entry.id.starts_with("x_") => alias,
        _ => &entry.id,
    }
}

/// Which id of a group is shown: the malware record's, then the ecosystem's own database, then the others.
fn rank(id: &str) -> (u8, &str) {
    let database = match id.split('-').next().unwrap_or("") {
        "MAL" => 0,
        "RUSTSEC" | "PYSEC" => 1,
        "GHSA" => 2,
        "CVE" => 3,
        _ if id.starts_with("x_") => 9,
        _ => 4,
    };
    (database, id)
}

fn compose(
    ecosystem: Ecosystem,
    group: &[&Entry],
    cited: &[&Entry],
    kind: Kind,
    informational: Option<String>,
    whole_package: bool,
) -> Option<Match> {
    let first = *cited.iter().min_by_key(|e| (e.kind != kind, rank(shown_id(e))))?;
    let id = shown_id(first).to_owned();
    let mut aliases: Vec<String> =
        group.iter().flat_map(|e| std::iter::once(&e.id).chain(&e.aliases)).filter(|a| **a != id).cloned().collect();
    aliases.sort();
    aliases.dedup();
    let score = cited.iter().filter_map(|e| e.score).max_by(f64::total_cmp);
    let summary = std::iter::once(&first).chain(cited).map(|e| &e.summary).find(|s| !s.is_empty());
    Some(Match {
        id,
        aliases,
        kind,
        informational,
        severity: cited.iter().map(|e| e.severity).max()?,
        score,
        summary: summary.cloned().unwrap_or_default(),
        fixed: affected::fixed_versions(ecosystem, cited),
        whole_package,
        published: cited.iter().filter_map(|e| e.published).min(),
        modified: cited.iter().filter_map(|e| e.modified).max(),
        url: first.url.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::super::Severity;
    use super::super::build::Builder;
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A database of one index a slice, newest last.
    fn database(sources: &[&[&str]]) -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        for (n, records) in sources.iter().enumerate() {
            let mut builder = Builder::default();
            for record in *records {
                builder.add("r", record.as_bytes());
            }
            let report = builder.write(&dir.path().join(format!("{n}.index")), at("2026-01-01T00:00:00Z")).unwrap();
            assert_eq!(report.skipped, []);
        }
        let db = Database::open(dir.path(), at("2026-01-02T00:00:00Z"));
        (dir, db)
    }

    fn record(id: &str, more: &str) -> String {
        format!(
            r#"{{"id":"{id}",{more},"affected":[{{"package":{{"ecosystem":"npm","name":"p"}},"versions":["1.0.0"]}}]}}"#
        )
    }

    fn find(db: &Database, as_of: Option<&str>) -> Vec<Match> {
        db.find(&PackageId::new(PackageName::new(Ecosystem::Npm, "p"), "1.0.0"), as_of.map(at))
    }

    #[test]
    fn records_of_one_incident_are_one_match_the_worst_of_them() {
        let a = record(
            "GHSA-1",
            r#""aliases":["CVE-1"],"published":"2026-01-03T00:00:00Z","database_specific":{"severity":"MODERATE"}"#,
        );
        let b = record(
            "PYSEC-1",
            r#""aliases":["CVE-1"],"published":"2026-01-02T00:00:00Z","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]"#,
        );
        let c = record("MAL-1", r#""aliases":["GHSA-1"],"summary":"bad""#);
        let d = record("GHSA-2", r#""aliases":["CVE-2"]"#);
        let (_dir, db) = database(&[&[&a, &b], &[&c, &d]]);
        let found = find(&db, None);
        assert_eq!(
            found.iter().map(|m| (m.id.as_str(), m.kind)).collect::<Vec<_>>(),
            [("MAL-1", Kind::Malware), ("GHSA-2", Kind::Vulnerability)]
        );
        let first = &found[0];
        assert_eq!((first.severity, first.score, first.summary.as_str()), (Severity::Critical, Some(9.8), "bad"));
        assert_eq!(first.aliases, ["CVE-1", "GHSA-1", "PYSEC-1"]);
        assert_eq!(first.published, Some(at("2026-01-02T00:00:00Z")));
    }

    #[test]
    fn of_one_id_the_newest_statement_counts_also_a_withdrawal_and_its_end() {
        let old = record("MAL-1", r#""modified":"2026-01-01T00:00:00Z""#);
        let gone = record("MAL-1", r#""modified":"2026-01-02T00:00:00Z","withdrawn":"2026-01-02T00:00:00Z""#);
        let back = record("MAL-1", r#""modified":"2026-01-03T00:00:00Z""#);
        assert_eq!(find(&database(&[&[&old]]).1, None).len(), 1);
        assert_eq!(find(&database(&[&[&old], &[&gone]]).1, None).len(), 0);
        assert_eq!(find(&database(&[&[&gone], &[&old]]).1, None).len(), 0);
        assert_eq!(find(&database(&[&[&gone, &old], &[&back]]).1, None).len(), 1);
        // A withdrawal whose time cannot be read is a withdrawal.
        let odd = record("MAL-1", r#""withdrawn":"yesterday""#);
        assert_eq!(find(&database(&[&[&odd]]).1, None).len(), 0);
    }

    #[test]
    fn at_an_earlier_moment_only_what_could_be_known_then() {
        let published = record("MAL-1", r#""published":"2026-01-02T00:00:00Z","withdrawn":"2026-01-09T00:00:00Z""#);
        let (_dir, db) = database(&[&[&published]]);
        assert_eq!(find(&db, Some("2026-01-01T23:59:59Z")).len(), 0);
        assert_eq!(find(&db, Some("2026-01-02T00:00:00Z")).len(), 1);
        assert_eq!(find(&db, Some("2026-01-09T00:00:00Z")).len(), 0);
        // The import time, where there is one: `published` is the origin's and can precede it.
        let imported = record(
            "MAL-1",
            r#""published":"2026-01-02T00:00:00Z","database_specific":{"malicious-packages-origins":[
                {"import_time":"2026-01-05T00:00:00.123456789Z"},{"import_time":"2026-01-04T00:00:00Z"},7]}"#,
        );
        let (_dir, db) = database(&[&[&imported]]);
        assert_eq!(find(&db, Some("2026-01-03T23:59:59Z")).len(), 0);
        assert_eq!(find(&db, Some("2026-01-04T00:00:00Z")).len(), 1);
        // Nothing is known of its age: it is held.
        let (_dir, db) = database(&[&[&record("MAL-1", r#""summary":"x""#)]]);
        assert_eq!(find(&db, Some("2000-01-01T00:00:00Z")).len(), 1);
    }

    #[test]
    fn every_database_s_word_for_malware_is_heard() {
        for (id, more) in [
            ("MAL-1", r#""summary":"x""#),
            ("GHSA-1", r#""aliases":["MAL-1"]"#),
            ("GHSA-1", r#""database_specific":{"cwe_ids":["CWE-79","CWE-506"]}"#),
            ("GHSA-1", r#""database_specific":{"cwes":[{"cweId":"CWE-506"}]}"#),
            ("GHSA-1", r#""database_specific":{"type":"malware"}"#),
            ("OSV-1", r#""database_specific":{"malicious-packages-origins":[]}"#),
        ] {
            let (_dir, db) = database(&[&[&record(id, more)]]);
            assert_eq!(find(&db, None)[0].kind, Kind::Malware, "{id} {more}");
        }
        let rustsec = r#"{"id":"RUSTSEC-1","affected":[{"package":{"ecosystem":"crates.io","name":"a_b"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0.0.0-0"}]}],
            "database_specific":{"categories":["malicious"],"informational":null}}]}"#;
        let notice = rustsec.replace("\"malicious\"", "").replace("null", "\"unmaintained\"");
        let ask = |record: &str| {
            let (_dir, db) = database(&[&[record]]);
            db.find(&PackageId::new(PackageName::new(Ecosystem::CratesIo, "a-b"), "7.0.0"), None).remove(0)
        };
        assert_eq!((ask(rustsec).kind, ask(rustsec).whole_package), (Kind::Malware, true));
        assert_eq!(
            (ask(&notice).kind, ask(&notice).informational.as_deref()),
            (Kind::Informational, Some("unmaintained"))
        );
        for (id, more) in [
            ("GHSA-1", r#""database_specific":{"cwe_ids":["CWE-510"],"type":"reviewed"}"#),
            ("GHSA-1", r#""related":["MAL-1"],"database_specific":"malicious""#),
            ("GHSA-1", r#""database_specific":{"malicious-packages-origins":null}"#),
        ] {
            let (_dir, db) = database(&[&[&record(id, more)]]);
            assert_eq!(find(&db, None)[0].kind, Kind::Vulnerability, "{id} {more}");
        }
    }

    /// A vulnerability record that a malware record calls its alias names the same malware where it is narrow; its
    /// "every version" stays a vulnerability.
    #[test]
    fn an_alias_of_a_malware_record_is_malware_where_it_is_narrow() {
        let mal = record("MAL-1", r#""aliases":["GHSA-1"]"#);
        let ghsa = |affected: &str| {
            format!(r#"{{"id":"GHSA-1","affected":[{{"package":{{"ecosystem":"npm","name":"p"}},{affected}}}]}}"#)
        };
        let kind = |affected: &str, version: &str| {
            let (_dir, db) = database(&[&[&mal, &ghsa(affected)]]);
            db.find(&PackageId::new(PackageName::new(Ecosystem::Npm, "p"), version), None).first().map(|m| m.kind)
        };
        assert_eq!(kind(r#""versions":["2.0.0"]"#, "2.0.0"), Some(Kind::Malware));
        let all = r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]"#;
        assert_eq!((kind(all, "1.0.0"), kind(all, "0.9.0")), (Some(Kind::Malware), Some(Kind::Vulnerability)));
    }

    #[test]
    fn an_unreadable_directory_or_index_is_a_problem_not_a_clean_bill() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("npm.index"), b"junk").unwrap();
        std::fs::write(dir.path().join("notes.txt"), b"junk").unwrap();
        let db = Database::open(dir.path(), at("2026-01-01T00:00:00Z"));
        assert_eq!(db.coverage().problems.len(), 1);
        assert!(db.coverage().stale);
        assert_eq!(Database::open(&dir.path().join("none"), at("2026-01-01T00:00:00Z")).coverage().problems.len(), 0);
        assert_eq!(
            Database::open(&dir.path().join("notes.txt"), at("2026-01-01T00:00:00Z")).coverage().problems.len(),
            1
        );
    }
}
