//! What a shell would remember while it follows a text: variables, functions, directory. Cheap to copy: a branch and a
//! subshell have copies of their own, and [`State::merge`] keeps of two what both agree on.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::syntax::Command;
use super::{Directory, Opaque, Origin, Stream};

/// More variables, functions or files than this are not remembered.
const MOST: usize = 256;
/// A file may have two names.
const MOST_NAMES: usize = 2 * MOST;

/// A variable that the text sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variable {
    /// Its value, when it is known.
    pub text: Option<Rc<str>>,
    /// Its elements, when it is an array and they are known.
    pub list: Option<Rc<Vec<String>>>,
    /// Commands see it.
    pub exported: bool,
    /// It is not known, but made by the shell or a program that prints no code: a number, a file name, a date.
    pub plain: bool,
    /// It is not known, but is the name of a file that this pattern names.
    pub pattern: Option<Rc<str>>,
    /// It was taken away: commands do not see the caller's either.
    pub removed: bool,
}

/// Variables by name.
pub type Variables = BTreeMap<Rc<str>, Variable>;

/// What a text leaves in a file that it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(Rc<str>),
    /// What a program printed or fetched.
    Made,
    /// A file of the disk, copied or edited.
    Changed,
    /// No file: a directory that was made empty.
    Directory,
    /// No file: a directory in which a program may have replaced any.
    Replaced,
}

/// Files that a text writes, by their place (see [`place`]).
pub type Written = BTreeMap<String, Content>;

#[derive(Clone)]
pub(super) struct Function {
    pub body: Rc<Command>,
    /// It stands whatever happened before.
    pub definite: bool,
}

#[derive(Clone)]
pub(super) struct State {
    pub variables: Rc<Variables>,
    pub functions: Rc<BTreeMap<String, Function>>,
    pub aliases: Rc<BTreeMap<String, String>>,
    pub positional: Option<Rc<Vec<String>>>,
    /// The absolute directory in which the text starts.
    pub start: Option<Rc<str>>,
    pub directory: Directory,
    pub previous: Rc<Directory>,
    pub stack: Rc<Vec<Directory>>,
    pub input: Stream,
    pub written: Rc<Written>,
    pub doubts: Rc<Vec<Opaque>>,
    pub origin: Origin,
    /// `exit`, `return`, `break`: nothing after it runs here.
    pub ended: bool,
}

impl State {
    /// What setting a variable costs: a shared map is copied first.
    pub fn copying(&self) -> u32 {
        if Rc::strong_count(&self.variables) > 1 { u32::try_from(self.variables.len()).unwrap_or(u32::MAX) } else { 1 }
    }

    pub fn set(&mut self, name: &str, variable: Variable) {
        if self.variables.len() >= MOST && !self.variables.contains_key(name) {
            return;
        }
        let before = self.variables.get(name).is_some_and(|v| v.exported && !v.removed);
        let exported = variable.exported || (before && !variable.removed);
        Rc::make_mut(&mut self.variables).insert(Rc::from(name), Variable { exported, ..variable });
    }

    /// The variable may hold anything from here on.
    pub fn forget(&mut self, name: &str) {
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.set(name, Variable::default());
        }
    }

    /// Forgets every variable for which `which` holds.
    pub fn forget_all(&mut self, which: impl Fn(&str) -> bool) {
        if self.variables.keys().any(|name| which(name)) {
            for (_, variable) in Rc::make_mut(&mut self.variables).iter_mut().filter(|(name, _)| which(name)) {
                *variable = Variable { exported: variable.exported, ..Variable::default() };
            }
        }
    }

    pub fn define(&mut self, name: &str, body: &Rc<Command>) {
        if self.functions.len() < MOST || self.functions.contains_key(name) {
            let function = Function { body: Rc::clone(body), definite: true };
            Rc::make_mut(&mut self.functions).insert(name.to_owned(), function);
        }
    }

    /// A file at a place relative to the command's directory is written.
    pub fn write(&mut self, path: &str, content: Content) {
        let place = place(&self.directory, path);
        // What stands there already is no change: the map may be shared with every command before.
        if self.written.get(&place) == Some(&content) {
            return;
        }
        if let Some(other) = self.other_name(&place) {
            self.note(other, content.clone());
        }
        self.note(place, content);
    }

    fn note(&mut self, place: String, content: Content) {
        if self.written.len() < MOST_NAMES || self.written.contains_key(&place) {
            Rc::make_mut(&mut self.written).insert(place, content);
        }
    }

    /// The place from where the text starts of one that is absolute, and the other way round.
    fn other_name(&self, place: &str) -> Option<String> {
        let start = self.start.as_deref().filter(|_| !place.starts_with('~') && !place.is_empty())?;
        if !place.starts_with('/') {
            return matches!(self.directory, Directory::Known(_))
                .then(|| self::place(&Directory::Known(start.to_owned()), place));
        }
        place.strip_prefix(start)?.strip_prefix('/').filter(|rest| !rest.is_empty()).map(str::to_owned)
    }

    /// Where the shell stands after it went to a directory: `$PWD`.
    pub fn absolute(&self, directory: &Directory) -> Option<String> {
        let Directory::Known(known) = directory else { return None };
        if known.starts_with(['/', '~']) {
            return Some(place(directory, ""));
        }
        self.start.as_deref().map(|start| place(&Directory::Known(start.to_owned()), known))
    }

    pub fn doubt(&mut self, doubt: Opaque) {
        if !self.doubts.contains(&doubt) && self.doubts.len() < 16 {
            Rc::make_mut(&mut self.doubts).push(doubt);
        }
    }

    /// What holds when it is not known which of two happened.
    pub fn merge(self, other: Self) -> Self {
        if self.ended && !other.ended {
            return other;
        }
        if other.ended && !self.ended {
            return self;
        }
        let mut out = self;
        if !Rc::ptr_eq(&out.variables, &other.variables) {
            let all: Vec<Rc<str>> = out.variables.keys().chain(other.variables.keys()).cloned().collect();
            for name in all {
                let (mine, theirs) = (out.variables.get(&name), other.variables.get(&name));
                if mine != theirs {
                    let exported = mine.is_some_and(|v| v.exported) || theirs.is_some_and(|v| v.exported);
                    out.set(&name, Variable { exported, ..Variable::default() });
                }
            }
        }
        if !Rc::ptr_eq(&out.functions, &other.functions) {
            let mine = Rc::make_mut(&mut out.functions);
            for (name, function) in &*other.functions {
                match mine.get_mut(name) {
                    Some(same) if Rc::ptr_eq(&same.body, &function.body) => same.definite &= function.definite,
                    Some(differs) => differs.definite = false,
                    None => {
                        mine.insert(name.clone(), Function { body: Rc::clone(&function.body), definite: false });
                    }
                }
            }
            for (name, function) in mine.iter_mut() {
                function.definite &= other.functions.contains_key(name);
            }
        }
        if !Rc::ptr_eq(&out.aliases, &other.aliases) {
            let mine = Rc::make_mut(&mut out.aliases);
            mine.extend(other.aliases.iter().map(|(n, v)| (n.clone(), v.clone())));
        }
        if !Rc::ptr_eq(&out.written, &other.written) {
            let mine = Rc::make_mut(&mut out.written);
            for (path, content) in &*other.written {
                if mine.get(path) != Some(content) {
                    let replaced = *content == Content::Replaced || mine.get(path) == Some(&Content::Replaced);
                    let either = if replaced { Content::Replaced } else { Content::Made };
                    mine.insert(path.clone(), either);
                }
            }
        }
        if !Rc::ptr_eq(&out.doubts, &other.doubts) {
            other.doubts.iter().for_each(|d| out.doubt(d.clone()));
        }
        if out.positional != other.positional {
            out.positional = None;
        }
        let depends = || Directory::Unknown("what happens before".to_owned());
        if out.directory != other.directory {
            out.directory = depends();
        }
        if out.previous != other.previous {
            out.previous = Rc::new(depends());
        }
        if out.stack != other.stack {
            out.stack = Rc::default();
        }
        out
    }
}

/// A directory given after another.
pub fn joined(before: &str, then: &str) -> String {
    if before.is_empty() || then.starts_with(['/', '~']) {
        then.to_owned()
    } else {
        format!("{}/{then}", before.trim_end_matches('/'))
    }
}

/// A path without `.` and without what `..` takes back, from where the text starts.
pub fn place(directory: &Directory, path: &str) -> String {
    let whole = match directory {
        Directory::Known(directory) => joined(directory, path),
        Directory::Unknown(_) => path.to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("{}{}", if whole.starts_with('/') { "/" } else { "" }, parts.join("/"))
}
