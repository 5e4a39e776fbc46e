//! What a host's edit tools would do to files: the change as the host tells it, and what the file holds afterwards.
//!
//! In: the arguments of an edit, and the file as it is. Out: the file as it would be, or why that cannot be told. The
//! forms are whole contents, replacements of text, SEARCH/REPLACE blocks, and `apply_patch` patches.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file that would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// As the host names it: absolute, or relative to the working directory.
    pub path: String,
    /// What happens to it.
    pub change: Change,
}

/// The file that a path means to a host: blanks around it are none of it, and it may begin with the home directory.
pub fn place(path: &str, home: Option<&Path>) -> PathBuf {
    let path = path.trim();
    let below = ["~", "$HOME", "${HOME}"].iter().find_map(|sign| path.strip_prefix(sign));
    match (below, home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

/// What happens to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It gets this content.
    Write(String),
    /// Parts of it are replaced, one after the other.
    Replace(Vec<Replacement>),
    /// It is taken away.
    Remove,
    /// Not known, and why.
    Unknown(String),
}

/// A text and what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What is looked for; empty stands for a file that is new.
    pub old: String,
    /// What comes in its place.
    pub new: String,
    /// Wherever it is found, not only once.
    pub all: bool,
}

/// The longest file that is put together, in bytes.
pub const LONGEST: usize = 64 << 20;
/// The first line of a patch.
pub const PATCH_BEGINS: &str = "*** Begin Patch";
const PATCH_ENDS: &str = "*** End Patch";

/// Whether two contents of a manifest ask for the same, by what they say beside: a version, a description, settings of
/// linters. What is not known to be beside the point counts.
pub fn asks_the_same(name: &str, before: &str, after: &str) -> bool {
    let (Some(mut before), Some(mut after)) = (tree(name, before), tree(name, after)) else { return before == after };
    for pointer in BESIDE.iter().filter(|(n, _)| *n == name).flat_map(|(_, keys)| *keys) {
        for document in [&mut before, &mut after] {
            let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
            if let Some(fields) = document.pointer_mut(parent).and_then(Value::as_object_mut) {
                fields.shift_remove(key);
            }
        }
    }
    for document in [&mut before, &mut after] {
        if let Some(scripts) = document.get_mut("scripts").and_then(Value::as_object_mut) {
            scripts.retain(|script, _| LIFECYCLE.contains(&script.as_str()));
        }
    }
    before == after
}

/// npm's scripts that an install runs.
const LIFECYCLE: &[&str] = &[
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "prepublish",
    "dependencies",
    "pnpm:devPreinstall",
];

/// What manifests say that brings nothing in.
const BESIDE: &[(&str, &[&str])] = &[
    (
        "package.json",
        &[
            "/version",
            "/description",
            "/keywords",
            "/homepage",
            "/bugs",
            "/license",
            "/author",
            "/contributors",
            "/funding",
            "/main",
            "/module",
            "/types",
            "/typings",
            "/exports",
            "/repository",
            "/private",
            "/sideEffects",
            "/type",
            "/eslintConfig",
            "/prettier",
            "/jest",
            "/browserslist",
            "/lint-staged",
            "/files",
        ],
    ),
    (
        "Cargo.toml",
        &[
            "/package/version",
            "/package/description",
            "/package/authors",
            "/package/license",
            "/package/readme",
            "/package/keywords",
            "/package/categories",
            "/package/homepage",
            "/package/repository",
            "/package/documentation",
            "/package/publish",
            "/package/include",
            "/package/exclude",
            "/lints",
            "/workspace/lints",
            "/badges",
            "/package/default-run",
        ],
    ),
    (
        "pyproject.toml",
        &[
            "/project/version",
            "/project/description",
            "/project/readme",
            "/project/authors",
            "/project/maintainers",
            "/project/license",
            "/project/keywords",
            "/project/classifiers",
            "/project/urls",
            "/project/scripts",
            "/tool/ruff",
            "/tool/black",
            "/tool/isort",
            "/tool/mypy",
            "/tool/pytest",
            "/tool/coverage",
            "/tool/pyright",
            "/tool/pylint",
            "/tool/bandit",
            "/tool/flake8",
            "/tool/basedpyright",
            "/tool/codespell",
            "/tool/poetry/version",
            "/tool/poetry/description",
            "/tool/poetry/authors",
        ],
    ),
];

fn tree(name: &str, text: &str) -> Option<Value> {
    match name {
        "package.json" => serde_json::from_str(text).ok(),
        "Cargo.toml" | "pyproject.toml" => serde_json::to_value(text.parse::<toml::Table>().ok()?).ok(),
        _ => None,
    }
}

/// What a file holds after a change: `Ok(None)` when it is gone. `before`: what it holds now, if it is there.
pub fn apply(before: Option<&str>, change: &Change) -> Result<Option<String>, String> {
    match change {
        Change::Write(content) => Ok(Some(content.clone())),
        Change::Remove => Ok(None),
        Change::Unknown(why) => Err(why.clone()),
        Change::Replace(all) => {
            let mut text = before.map(str::to_owned);
            for one in all {
                text = Some(replaced(text.as_deref(), one)?);
            }
            text.map(Some).ok_or_else(|| "there is nothing to replace".to_owned())
        }
    }
}

fn replaced(text: Option<&str>, one: &Replacement) -> Result<String, String> {
    if one.old.is_empty() {
        return match text {
            None | Some("") => Ok(one.new.clone()),
            Some(_) => Err("the text to replace is empty".to_owned()),
        };
    }
    let text = text.ok_or("the file to change is not there")?;
    // Files of Windows are shown to models without their carriage returns.
    let (old, new) = if text.contains(&one.old) || !text.contains("\r\n") {
        (one.old.clone(), one.new.clone())
    } else {
        (one.old.replace('\n', "\r\n"), one.new.replace('\n', "\r\n"))
    };
    let times = text.matches(old.as_str()).count();
    // The last line of a file may lack the line break that every line of a patch has.
    if times == 0
        && let Some(start) = old.strip_suffix('\n').and_then(|bare| text.strip_suffix(bare))
    {
        return Ok(format!("{start}{new}"));
    }
    if times == 0 {
        return Err("the text to replace is not in the file".to_owned());
    }
    let grown = text.len().saturating_add(new.len().saturating_mul(if one.all { times } else { 1 }));
    if grown > LONGEST {
        return Err("the file would be too long to read".to_owned());
    }
    Ok(if one.all { text.replace(&old, &new) } else { text.replacen(&old, &new, 1) })
}

/// `------- SEARCH` … `=======` … `+++++++ REPLACE`, as many as there are; `None` when the text is none.
pub fn blocks(text: &str) -> Option<Vec<Replacement>> {
    let is = |line: &str, sign: char, word: &str| {
        let rest = line.trim_start_matches(sign);
        line.len() - rest.len() >= 3 && rest.trim() == word
    };
    let mut out = Vec::new();
    let (mut old, mut new) = (String::new(), String::new());
    let mut part = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        match part {
            0 if is(bare, '-', "SEARCH") || is(bare, '<', "SEARCH") => part = 1,
            0 if bare.trim().is_empty() => {}
            0 => return None,
            1 if is(bare, '=', "") && !bare.is_empty() => part = 2,
            1 => old.push_str(line),
            _ if is(bare, '+', "REPLACE") || is(bare, '>', "REPLACE") => {
                out.push(Replacement { old: std::mem::take(&mut old), new: std::mem::take(&mut new), all: false });
                part = 0;
            }
            _ => new.push_str(line),
        }
    }
    (part == 0 && !out.is_empty()).then_some(out)
}

/// Reads an `apply_patch` patch: sections `*** Add File:`, `*** Update File:` (perhaps `*** Move to:`) and
/// `*** Delete File:`, between its first and last line.
pub fn patch(text: &str) -> Result<Vec<FileEdit>, String> {
    let begins = text.find(PATCH_BEGINS).ok_or("the patch has no beginning")?;
    let body = text.get(begins + PATCH_BEGINS.len()..).unwrap_or_default();
    let mut out: Vec<FileEdit> = Vec::new();
    let mut section: Option<Section> = None;
    let mut ended = false;
    for line in body.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)) {
        if line.trim_end() == PATCH_ENDS {
            ended = true;
            break;
        }
        let headed = ["*** Add File: ", "*** Update File: ", "*** Delete File: "]
            .iter()
            .find_map(|h| Some((*h, line.strip_prefix(h)?.trim())));
        if let Some((header, path)) = headed {
            out.extend(section.take().map(Section::done).unwrap_or_default());
            section = Some(Section::new(header, path));
        } else if let Some(section) = &mut section {
            section.line(line);
        }
    }
    out.extend(section.take().map(Section::done).unwrap_or_default());
    if out.is_empty() {
        return Err("the patch names no file".to_owned());
    }
    // Whoever applies it may obey it all the same.
    if !ended {
        let cut = |edit: FileEdit| FileEdit { change: Change::Unknown("the patch is cut off".to_owned()), ..edit };
        out = out.into_iter().map(cut).collect();
    }
    Ok(out)
}

/// A section of a patch, read line by line.
struct Section {
    path: String,
    kind: Kind,
    moved: Option<String>,
    hunks: Vec<Replacement>,
    old: String,
    new: String,
    changed: bool,
}

#[derive(PartialEq)]
enum Kind {
    Add,
    Update,
    Delete,
}

impl Section {
    fn new(header: &str, path: &str) -> Self {
        let kind = match header {
            "*** Add File: " => Kind::Add,
            "*** Delete File: " => Kind::Delete,
            _ => Kind::Update,
        };
        let (old, new) = (String::new(), String::new());
        Self { path: path.to_owned(), kind, moved: None, hunks: Vec::new(), old, new, changed: false }
    }

    fn line(&mut self, line: &str) {
        let add = |text: &mut String, line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        if self.kind == Kind::Add {
            if let Some(rest) = line.strip_prefix('+') {
                add(&mut self.new, rest);
            }
            return;
        }
        if let Some(path) = line.strip_prefix("*** Move to: ") {
            self.moved = Some(path.trim().to_owned());
        } else if line.starts_with("@@") || line == "*** End of File" {
            self.close();
        } else if let Some(rest) = line.strip_prefix('-') {
            add(&mut self.old, rest);
            self.changed = true;
        } else if let Some(rest) = line.strip_prefix('+') {
            add(&mut self.new, rest);
            self.changed = true;
        } else {
            let rest = line.strip_prefix(' ').unwrap_or(line);
            add(&mut self.old, rest);
            add(&mut self.new, rest);
        }
    }

    fn close(&mut self) {
        let (old, new) = (std::mem::take(&mut self.old), std::mem::take(&mut self.new));
        if std::mem::take(&mut self.changed) {
            self.hunks.push(Replacement { old, new, all: false });
        }
    }

    fn done(mut self) -> Vec<FileEdit> {
        match self.kind {
            Kind::Add => vec![FileEdit { path: self.path, change: Change::Write(self.new) }],
            Kind::Delete => vec![FileEdit { path: self.path, change: Change::Remove }],
            Kind::Update => {
                self.close();
                // A hunk without context is put where its header says, or at the end.
                let placed = self.hunks.iter().all(|h| !h.old.is_empty());
                let change = match (placed, self.moved.is_some()) {
                    (true, false) => Change::Replace(self.hunks),
                    (false, _) => Change::Unknown("the patch does not say where its lines go".to_owned()),
                    (true, true) => Change::Remove,
                };
                let mut out = vec![FileEdit { path: self.path, change }];
                let unknown = || Change::Unknown("another file is changed and moved there".to_owned());
                out.extend(self.moved.map(|path| FileEdit { path, change: unknown() }));
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Change, Replacement, apply, asks_the_same, blocks, patch, place};

    fn replace(old: &str, new: &str) -> Replacement {
        Replacement { old: old.to_owned(), new: new.to_owned(), all: false }
    }

    #[test]
    fn a_path_is_taken_as_hosts_take_it() {
        for (text, expected) in [
            ("a/b", "a/b"),
            (" /a ", "/a"),
            ("~/.claude/x", "/h/.claude/x"),
            ("~", "/h"),
            ("$HOME/x", "/h/x"),
            ("${HOME}/x", "/h/x"),
            ("~me/x", "~me/x"),
            ("$HOMES/x", "$HOMES/x"),
        ] {
            assert_eq!(place(text, Some(Path::new("/h"))), Path::new(expected), "{text}");
            assert_eq!(place(text, None), Path::new(text.trim()), "{text}");
        }
    }

    #[test]
    fn a_change_is_applied_as_hosts_apply_it() {
        let change = Change::Replace(vec![replace("b\n", "x\n"), replace("x", "y")]);
        assert_eq!(apply(Some("a\nb\nb\n"), &change), Ok(Some("a\ny\nb\n".to_owned())));
        let all = Change::Replace(vec![Replacement { all: true, ..replace("b", "c") }]);
        assert_eq!(apply(Some("b b"), &all), Ok(Some("c c".to_owned())));
        assert_eq!(apply(None, &Change::Replace(vec![replace("", "new")])), Ok(Some("new".to_owned())));
        assert_eq!(
            apply(Some("a\r\nb\r\n"), &Change::Replace(vec![replace("a\nb", "c\nd")])),
            Ok(Some("c\r\nd\r\n".to_owned()))
        );
        assert!(apply(Some("a"), &Change::Replace(vec![replace("z", "y")])).is_err());
        assert!(apply(None, &Change::Replace(vec![replace("z", "y")])).is_err());
        assert_eq!(apply(Some("a"), &Change::Remove), Ok(None));
    }

    #[test]
    fn what_brings_nothing_in_is_beside_the_point() {
        for (name, before, after, same) in [
            (
                "package.json",
                r#"{"version":"1","dependencies":{"a":"1"}}"#,
                r#"{"version":"2","dependencies":{"a":"1"}}"#,
                true,
            ),
            ("package.json", r#"{"dependencies":{"a":"1"}}"#, r#"{"dependencies":{"a":"2"}}"#, false),
            ("package.json", r#"{"scripts":{"test":"a"}}"#, r#"{"scripts":{"test":"b"}}"#, true),
            ("package.json", r#"{"scripts":{}}"#, r#"{"scripts":{"postinstall":"b"}}"#, false),
            ("package.json", "{}", "{", false),
            ("Cargo.toml", "[package]\nversion='1'", "[package]\nversion='2'", true),
            ("Cargo.toml", "[dependencies]\na='1'", "[dependencies]\na='1'\nb='1'", false),
            ("pyproject.toml", "[tool.ruff]\nx=1", "[tool.ruff]\nx=2", true),
            ("pyproject.toml", "[project]\ndependencies=[]", "[project]\ndependencies=['a']", false),
            ("requirements.txt", "a", "a\n", false),
        ] {
            assert_eq!(asks_the_same(name, before, after), same, "{name}: {after}");
        }
    }

    #[test]
    fn blocks_are_read() {
        let text = "------- SEARCH\na\n=======\nb\n+++++++ REPLACE\n\n<<<<<<< SEARCH\nc\n=======\n>>>>>>> REPLACE\n";
        assert_eq!(blocks(text), Some(vec![replace("a\n", "b\n"), replace("c\n", "")]));
        assert_eq!(blocks("------- SEARCH\na\n"), None);
        assert_eq!(blocks(""), None);
    }

    #[test]
    fn a_patch_is_read_by_its_sections() {
        let text = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a.txt\n+one\n+two\n*** Update File: b.txt\n@@ fn x\n keep\n-old\n+new\n*** Delete File: c.txt\n*** End Patch\nEOF\n";
        let edits = patch(text).unwrap_or_default();
        assert_eq!(edits.len(), 3);
        assert_eq!(edits[0].change, Change::Write("one\ntwo\n".to_owned()));
        assert_eq!(edits[1].change, Change::Replace(vec![replace("keep\nold\n", "keep\nnew\n")]));
        assert_eq!(edits[2].change, Change::Remove);
        assert!(patch("*** Begin Patch\n*** End Patch").is_err());
        assert!(matches!(
            patch("*** Begin Patch\n*** Add File: a\n+x").map(|e| e[0].change.clone()),
            Ok(Change::Unknown(_))
        ));
    }
}
