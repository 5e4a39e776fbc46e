//! Where an edge leads: to a package of the lockfile that satisfies it, to a member, to the registry, or elsewhere. What
//! manifest and lockfile disagree on is noted on the way.

use std::path::Path;

use super::text::*;
use super::*;

impl<'a> Graph<'a> {
    /// An optional peer is not installed for its own sake; but where something else brought a version that the range
    /// refuses, npm looks for one that it admits.
    pub(super) fn disputed_optional_peers(&mut self) -> Vec<Edge> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .filter(|edge| {
                let (Some(name), spec) = (&edge.name, spec::resolve(edge.name.as_deref(), &edge.text)) else {
                    return false;
                };
                let versions: Vec<&str> = self
                    .nodes
                    .iter()
                    .filter(|n| n.package.id.name.canonical() == name)
                    .map(|n| &*n.package.id.version)
                    .collect();
                !versions.is_empty() && !versions.iter().any(|v| satisfied(&spec, v))
            })
            .map(|edge| Edge { kind: Kind::Peer, from: From::Fresh, ..edge })
            .collect()
    }

    /// What an edge is to get: overrides, then the lockfile, then the sources outside it.
    pub(super) fn route(&mut self, edge: &Edge) -> Vec<Step> {
        let (text, spec) = self.read(edge);
        let Some(spec) = spec else { return Vec::new() };
        if let Spec::Invalid(reason) = &spec {
            self.fail(edge, &text, &spec, UnresolvedCause::Unsupported, reason.clone());
            return Vec::new();
        }
        let mut steps = Vec::new();
        let from_lock = self.lock().filter(|_| !edge.explicit && !self.settings.updates(edge.name.as_deref()));
        if let Some(lock) = from_lock {
            if self.route_locked(lock, edge, &text, &spec, &mut steps) {
                return steps;
            }
            if self.settings.frozen {
                return steps;
            }
        }
        if edge.kind == Kind::OptionalPeer {
            self.waiting.push(edge.clone());
            return steps;
        }
        steps.extend(self.route_fresh(edge, &text, spec));
        steps
    }

    /// The edge's text after overrides, and what it is. `None`: an override takes the edge away.
    pub(super) fn read(&mut self, edge: &Edge) -> (String, Option<Spec>) {
        if let Some(spec) = &edge.spec {
            return (edge.text.clone(), Some(spec.clone()));
        }
        let name = edge.name.as_deref().unwrap_or("");
        let (value, _) = self.overrides.apply(&edge.context, name, &edge.text);
        match value {
            Some(value) if value == "-" && self.settings.is_pnpm() => (value, None),
            Some(value) => {
                let root = matches!(&edge.from, From::Importer(path) if path.is_empty()) && edge.by.is_none();
                if root && value != edge.text && self.settings.is_npm() {
                    let reason = format!("the manifest overrides its own dependency `{}` with `{value}`", edge.text);
                    let spec = spec::resolve(Some(name), &edge.text);
                    self.fail(edge, &edge.text, &spec, UnresolvedCause::Conflict, reason);
                }
                let spec = spec::resolve(Some(name), &value);
                (value, Some(spec))
            }
            None => (edge.text.clone(), Some(spec::resolve(Some(name), &edge.text))),
        }
    }

    /// The lockfile's answer. `true`: the edge is settled by it.
    pub(super) fn route_locked(
        &mut self,
        lock: &'a Lockfile,
        edge: &Edge,
        text: &str,
        spec: &Spec,
        steps: &mut Vec<Step>,
    ) -> bool {
        let Some(name) = edge.name.as_deref() else { return false };
        let here = match &edge.from {
            From::Importer(path) => lock.importer_dependency(path, &asked(lock, path, name, text, edge.kind)),
            From::Locked(package, dependency) => lock
                .package_dependency(
                    *package,
                    &LockedDependency { spec: locked_text(dependency, text), ..dependency.clone() },
                )
                .or_else(|| lock.package_dependency(*package, dependency)),
            From::Fresh => lock
                .importer_dependency("", &asked(lock, "", name, text, edge.kind))
                .filter(|at| lock.packages.get(*at).is_some_and(|p| self.locked_satisfies(spec, p, &edge.directory))),
        };
        let fresh = matches!(edge.from, From::Fresh);
        match here.and_then(|at| Some((at, lock.packages.get(at)?))) {
            Some((at, package)) => {
                if fresh || self.locked_satisfies(spec, package, &edge.directory) {
                    steps.push(Step::Locked(at));
                    self.compare_source(edge, spec, package, name);
                    return !self.settings.both;
                }
                let peer = matches!(edge.kind, Kind::Peer | Kind::OptionalPeer);
                if peer && matches!(edge.from, From::Locked(..)) {
                    // A peer that was overruled when the lockfile was written stays so.
                    steps.push(Step::Locked(at));
                    return true;
                }
                let found = package.version.clone().unwrap_or_else(|| "another source".to_owned());
                self.drift(edge, text, Some(package), &format!("{name} {found}"));
                if self.settings.frozen {
                    steps.push(Step::Locked(at));
                }
                false
            }
            None => {
                let silent = matches!(edge.kind, Kind::Peer | Kind::OptionalPeer) || fresh;
                let workspace = self.members.contains_key(name);
                if !silent && !workspace {
                    self.drift(edge, text, None, "nothing");
                }
                edge.kind == Kind::OptionalPeer && !fresh
            }
        }
    }

    pub(super) fn drift(&mut self, edge: &Edge, text: &str, package: Option<&LockedPackage>, found: &str) {
        let name = edge.name.as_deref().unwrap_or("");
        let location = match &edge.from {
            From::Locked(_, dependency) => self.lock_location(dependency.offset),
            _ => edge.location.clone(),
        };
        let issue = LockIssue {
            kind: LockIssueKind::Drift,
            package: package.and_then(locked_id),
            location,
            expected: format!("{name}@{text}"),
            found: found.to_owned(),
        };
        if !self.lock_issues.contains(&issue) {
            self.lock_issues.push(issue);
        }
    }

    /// A registry requirement that the lockfile meets from elsewhere, or under another package's name.
    pub(super) fn compare_source(&mut self, edge: &Edge, spec: &Spec, package: &LockedPackage, name: &str) {
        let wanted = match spec {
            Spec::Version(_) | Spec::Range(_) | Spec::Tag(_) => name,
            Spec::Alias { name, .. } | Spec::Jsr { name, .. } => name.as_str(),
            _ => return,
        };
        // An override below this edge may have put something else here.
        if edge.spec.is_none() && !self.overrides.is_empty() && matches!(edge.from, From::Locked(..)) {
            return;
        }
        let elsewhere = match &package.source {
            LockedSource::Git { url, .. } | LockedSource::Remote { url } => Some(url.clone()),
            LockedSource::File { path } => Some(path.clone()),
            _ => None,
        };
        let (kind, expected, found) = match elsewhere {
            Some(found) => (LockIssueKind::ForeignUrl, format!("{wanted} from its registry"), found),
            None if package.name != wanted && matches!(package.source, LockedSource::Registry { .. }) => {
                (LockIssueKind::NameMismatch, wanted.to_owned(), package.name.clone())
            }
            None => return,
        };
        let location = self.lock_location(package.offset);
        let issue = LockIssue { kind, package: locked_id(package), location, expected, found: redact_url(&found) };
        if !self.lock_issues.contains(&issue) {
            self.lock_issues.push(issue);
        }
    }

    /// Whether a locked package is what a spec asks for, as npm decides it.
    pub(super) fn locked_satisfies(&self, spec: &Spec, package: &LockedPackage, directory: &Path) -> bool {
        let version = match (&package.version, &package.source) {
            (Some(version), _) => Some(version.clone()),
            (None, LockedSource::Directory { path, .. }) => {
                self.member_at(path).and_then(|at| self.nodes.get(at)).map(|n| n.package.id.version.to_string())
            }
            _ => None,
        };
        let directory_source = matches!(package.source, LockedSource::Directory { .. });
        match spec {
            Spec::Version(_) | Spec::Range(_) => match version {
                Some(version) => satisfied(spec, &version),
                None => directory_source || matches!(spec, Spec::Range(text) if text == "*" || text.is_empty()),
            },
            Spec::Tag(_) => !directory_source,
            Spec::Alias { name: real, spec } | Spec::Jsr { name: real, spec } => {
                package.name == *real && self.locked_satisfies(spec, package, directory)
            }
            Spec::Git(wanted) => match &package.source {
                LockedSource::Git { url, commit } => {
                    same_repository(wanted, url) && same_commit(wanted, commit.as_deref())
                }
                // yarn and pnpm fetch known hosts' repositories as archives.
                LockedSource::Registry { tarball: Some(url) } | LockedSource::Remote { url } => {
                    wanted.commit().is_none_or(|commit| url.contains(commit)) && same_project(wanted, url)
                }
                _ => false,
            },
            Spec::Remote(wanted) => match &package.source {
                LockedSource::Registry { tarball: Some(url) } | LockedSource::Remote { url } => {
                    url == wanted.split('#').next().unwrap_or(wanted)
                }
                _ => false,
            },
            Spec::File(_) => matches!(package.source, LockedSource::File { .. }),
            Spec::Directory(path) => match &package.source {
                LockedSource::Directory { path: locked, .. } => {
                    let locked = crate::model::lexical(&self.project.root.join(locked));
                    locked == path.resolve(directory, self.home)
                }
                // `install-links` packs the directory.
                LockedSource::File { .. } => true,
                _ => false,
            },
            Spec::Link(_) | Spec::Workspace(_) => directory_source,
            Spec::Catalog(_) | Spec::Patch(_) => true,
            Spec::Invalid(_) => false,
        }
    }

    pub(super) fn member_at(&self, relative: &str) -> Option<usize> {
        let relative = relative.trim_start_matches("./").trim_end_matches('/');
        let member = self.project.members.iter().find(|m| m.relative == relative)?;
        self.members.get(member.name()).copied()
    }

    /// Sources outside the lockfile.
    pub(super) fn route_fresh(&mut self, edge: &Edge, text: &str, spec: Spec) -> Option<Step> {
        let name = edge.name.as_deref();
        let registry_spec = matches!(spec, Spec::Version(_) | Spec::Range(_));
        if let Some(member) = name.and_then(|n| self.members.get(n)).copied()
            && !edge.explicit
        {
            let version = self.nodes.get(member).map(|n| n.package.id.version.to_string()).unwrap_or_default();
            let unversioned = version == "0" && matches!(&spec, Spec::Range(t) if t == "*" || t.is_empty());
            if matches!(spec, Spec::Workspace(_)) || (registry_spec && (satisfied(&spec, &version) || unversioned)) {
                return Some(Step::Node(member));
            }
        }
        match spec {
            Spec::Version(_) | Spec::Range(_) | Spec::Tag(_) => match name {
                Some(name) => {
                    if edge.kind == Kind::Peer
                        && let Some(settled) = self.top_for(name, &spec).or_else(|| self.beside(edge, name, &spec))
                    {
                        return Some(Step::Node(settled));
                    }
                    Some(Step::Registry(npm_name(name), spec))
                }
                None => {
                    self.fail(edge, text, &spec, UnresolvedCause::Unsupported, "no package is named".to_owned());
                    None
                }
            },
            Spec::Alias { name, spec } => Some(Step::Registry(npm_name(&name), *spec)),
            Spec::Jsr { ref name, spec: ref inner } if !self.settings.is_npm() => {
                let real = npm_name(name);
                // jsr's packages are at a registry of their own; the default one must not be asked for them.
                if self.registry.registry_of(&real) == self.registry.registry_of(&npm_name("jsr")) {
                    let reason = "no registry is configured for the scope @jsr".to_owned();
                    self.fail(edge, text, &spec, UnresolvedCause::Unsupported, reason);
                    return None;
                }
                Some(Step::Registry(real, (**inner).clone()))
            }
            Spec::Catalog(ref catalog) if !self.settings.is_npm() => {
                let range = name.and_then(|n| self.project.catalogs.get(catalog_name(catalog))?.get(n)).cloned();
                match range {
                    Some(range) => {
                        let spec = spec::resolve(name, &range);
                        if matches!(spec, Spec::Catalog(_)) { None } else { self.route_fresh(edge, &range, spec) }
                    }
                    None => {
                        let reason = "the workspace's catalog has no such entry".to_owned();
                        self.fail(edge, text, &spec, UnresolvedCause::Unsupported, reason);
                        None
                    }
                }
            }
            Spec::Patch(ref inner) if self.settings.is_yarn() => {
                let requirement = (**inner).clone();
                let named = Edge { name: requirement.name.or_else(|| edge.name.clone()), ..edge.clone() };
                self.route_fresh(&named, text, requirement.spec)
            }
            Spec::Jsr { .. } | Spec::Catalog(_) | Spec::Patch(_) | Spec::Workspace(_) => {
                let reason = match spec {
                    Spec::Workspace(_) if !self.settings.is_npm() => "the workspace has no such member".to_owned(),
                    _ => format!("{} does not know this protocol", self.settings.tool.name()),
                };
                self.fail(edge, text, &spec, UnresolvedCause::Unsupported, reason);
                None
            }
            other => Some(Step::Elsewhere(other)),
        }
    }

    /// What the project itself asked for under a peer's name, when the peer admits it: npm never fetches another then.
    pub(super) fn top_for(&self, name: &str, spec: &Spec) -> Option<usize> {
        let settled = self.top.get(name)?;
        settled.iter().copied().find(|at| {
            self.nodes
                .get(*at)
                .is_some_and(|n| n.package.id.name.canonical() == name && satisfied(spec, &n.package.id.version))
        })
    }

    /// What the package that asked for this one asked for under a peer's name: npm loads a package's peers among the
    /// choices of the one that brought it, so that is what serves the peer.
    pub(super) fn beside(&self, edge: &Edge, name: &str, spec: &Spec) -> Option<usize> {
        let above = self.nodes.get(edge.above?)?;
        above.out.iter().map(|(to, _)| *to).find(|to| {
            self.nodes
                .get(*to)
                .is_some_and(|n| n.package.id.name.canonical() == name && satisfied(spec, &n.package.id.version))
        })
    }
}
