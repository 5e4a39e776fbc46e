//! What a contained process may open and connect to, as a Landlock domain: places in, the restricted process out.
//!
//! Landlock lists what is allowed, and what is allowed for a directory is allowed for all below it. So "everything but
//! these" is granted by granting the siblings of these, all the way down to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::super::{Profile, Reach};

/// The newest interface that this module was written against.
const TESTED: ABI = ABI::V6;

/// Devices that programs open; all others are hidden.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// The version of the kernel's Landlock interface, as far as it is used here (0: none).
pub(super) fn abi() -> u8 {
    let has = |abi: ABI| {
        let set = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let asked = match abi {
            ABI::V6 => set.scope(Scope::from_all(abi)),
            ABI::V4 => set.handle_access(AccessNet::from_all(abi)),
            _ => set.handle_access(AccessFs::from_all(abi)),
        };
        asked.is_ok()
    };
    [(6, ABI::V6), (5, ABI::V5), (4, ABI::V4), (3, ABI::V3), (2, ABI::V2), (1, ABI::V1)]
        .into_iter()
        .find_map(|(number, abi)| has(abi).then_some(number))
        .unwrap_or(0)
}

/// What a process may do with files.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// To be read and executed, each with all below it.
    pub read: Vec<PathBuf>,
    /// To be written too.
    pub write: Vec<PathBuf>,
}

/// Everything but what is hidden is to be read; `write` is to be written. `carve`: leave out of that what is kept or
/// hidden, where no mount does it. In a directory that is carved nothing new can be made, so that is done for the home
/// directory's places alone: an installer has to make things in a project.
pub(super) fn grants(profile: &Profile, write: &[PathBuf], carve: bool) -> Grants {
    let write = real(write);
    let untouched = real(profile.kept.iter().chain(&profile.hidden));
    // What may be written may be read. To carve around a secret in there would cost a rule for each of its neighbours
    // and protect nothing: a mount covers it, or nothing does.
    let written = |path: &Path| write.iter().any(|w| path.starts_with(w));
    let mut avoid = real(&profile.hidden);
    if !carve {
        avoid.retain(|path| !written(path));
    }
    avoid.extend(real(&profile.project_hidden).into_iter().filter(|path| !written(path)));
    avoid.retain(|path| within_reach(path));
    avoid.insert(PathBuf::from("/dev"));
    let mut out = Grants::default();
    around(Path::new("/"), &avoid, &mut out.read);
    for path in write {
        if carve {
            // Under another name it may be one of them, or lie in one.
            if !untouched.iter().any(|shut| path.starts_with(shut)) {
                around(&path, &untouched, &mut out.write);
            }
        } else {
            out.write.push(path);
        }
    }
    out
}

/// Whether file permissions leave a place open to this user, or to be opened: an owner may change them, and Landlock
/// does not look at that. What is out of reach anyway needs no rule against it.
fn within_reach(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let may = |access| rustix::fs::access(path, access).is_ok();
    let owned = || path.metadata().map_or(true, |m| m.uid() == rustix::process::getuid().as_raw());
    may(rustix::fs::Access::READ_OK) || may(rustix::fs::Access::EXEC_OK) || owned()
}

/// Those that are there, by their own names.
fn real<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> BTreeSet<PathBuf> {
    super::real(paths).collect()
}

/// `path`, or what lies in it beside `avoid`. A directory that cannot be listed grants nothing.
fn around(path: &Path, avoid: &BTreeSet<PathBuf>, out: &mut Vec<PathBuf>) {
    if avoid.contains(path) {
        return;
    }
    // Paths are ordered by their components: the first at or after this one is in it if any is.
    if !avoid.range(path.to_owned()..).next().is_some_and(|first| first.starts_with(path)) {
        out.push(path.to_owned());
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
        // A link leads somewhere that has its own rule, or none.
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            around(&entry.path(), avoid, out);
        }
    }
}

/// Restricts this thread, and what it starts.
pub(super) fn restrict(grants: &Grants, reach: Reach) -> Result<(), String> {
    let failed = |e: RulesetError| format!("Landlock: {e}");
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let mut set = Ruleset::default().handle_access(AccessFs::from_all(TESTED)).map_err(failed)?;
    if reach != Reach::Open {
        set = set.handle_access(AccessNet::from_all(TESTED)).map_err(failed)?;
    }
    let set = set.scope(Scope::from_all(TESTED)).map_err(failed)?;
    let mut set = set.create().map_err(failed)?;
    // Names everywhere: programs list the directories above their own. Contents only where granted.
    set = set.add_rules(path_beneath_rules(["/"], AccessFs::ReadDir)).map_err(failed)?;
    set = set.add_rules(path_beneath_rules(&grants.read, read)).map_err(failed)?;
    set = set.add_rules(path_beneath_rules(&grants.write, writable())).map_err(failed)?;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    set = set.add_rules(path_beneath_rules(DEVICES, device)).map_err(failed)?;
    if let Reach::Gateway { port } = reach {
        set = set.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(failed)?;
    }
    match set.restrict_self().map_err(failed)?.ruleset {
        RulesetStatus::NotEnforced => Err("Landlock is not available".to_owned()),
        _ => Ok(()),
    }
}

/// Everything below a directory but making devices.
fn writable() -> BitFlags<AccessFs> {
    AccessFs::from_all(TESTED) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn siblings_are_granted_all_the_way_down() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for file in ["home/.ssh/id", "home/.config/gh/hosts", "home/.config/app/x", "home/code/a", "other/b"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("home/.ssh"), root.join("other/link")).unwrap();
        let avoid = BTreeSet::from([root.join("home/.config/gh"), root.join("home/.ssh")]);
        let mut out = Vec::new();
        around(&root, &avoid, &mut out);
        out.sort();
        let expected = ["home/.config/app", "home/code", "other"].map(|p| root.join(p));
        assert_eq!(out, expected);
    }

    #[test]
    fn what_is_hidden_is_not_granted_by_its_other_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("vault")).unwrap();
        std::os::unix::fs::symlink(root.join("vault"), root.join(".aws")).unwrap();
        let profile = Profile { hidden: vec![root.join(".aws"), root.join("missing")], ..Profile::empty() };
        let grants = grants(&profile, &[], false);
        assert!(!grants.read.iter().any(|p| root.join("vault").starts_with(p)), "{:?}", grants.read);
        assert!(grants.read.contains(&PathBuf::from("/usr")));
    }
}
