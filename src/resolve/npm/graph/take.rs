//! What an edge brings in: a node for its package, and the edges of that package in turn.

use std::path::PathBuf;
use std::sync::Arc;

use super::text::*;
use super::*;

impl<'a> Graph<'a> {
    pub(super) fn take(&mut self, edge: Edge, step: Step, next: &mut Vec<Edge>) {
        if self.stopped {
            return;
        }
        match step {
            Step::Node(node) => self.connect(&edge, node),
            Step::Locked(at) => self.take_locked(&edge, at, next),
            Step::Registry(name, spec) => self.take_registry(&edge, &name, &spec, next),
            Step::Elsewhere(spec) => self.take_elsewhere(&edge, spec, next),
        }
    }

    pub(super) fn connect(&mut self, edge: &Edge, node: usize) {
        match edge.by {
            Some(by) if by != node => {
                if let Some(parent) = self.nodes.get_mut(by)
                    && !parent.out.contains(&(node, edge.kind))
                {
                    parent.out.push((node, edge.kind));
                }
            }
            Some(_) => {}
            None => {
                if !self.direct.contains(&(node, edge.kind)) {
                    self.direct.push((node, edge.kind));
                }
                if let Some(name) = &edge.name {
                    let settled = self.top.entry(name.clone()).or_default();
                    if !settled.contains(&node) {
                        settled.push(node);
                    }
                }
            }
        }
    }

    /// The node of a package; the first requirement that brought it in stays its origin.
    pub(super) fn node(&mut self, package: Package) -> usize {
        let key = (package.id.clone(), package.source.clone());
        if let Some(known) = self.index.get(&key) {
            let known = *known;
            if let Some(node) = self.nodes.get_mut(known) {
                for artifact in package.artifacts {
                    match node.package.artifacts.iter_mut().find(|a| a.url == artifact.url) {
                        Some(same) => release::join_digests(&mut same.digests, artifact.digests),
                        None => node.package.artifacts.push(artifact),
                    }
                }
                node.package.executes.extend(package.executes);
            }
            return known;
        }
        self.index.insert(key, self.nodes.len());
        self.nodes.push(Node { package, out: Vec::new() });
        self.nodes.len() - 1
    }

    pub(super) fn take_registry(&mut self, edge: &Edge, name: &PackageName, spec: &Spec, next: &mut Vec<Edge>) {
        let text = &edge.text;
        let packument = match self.registry.packument(name) {
            Ok(packument) => packument,
            Err(error) => {
                let (cause, reason) = release::cause(&error);
                self.fail_named(edge, text, name, spec, cause, reason);
                return;
            }
        };
        let mut versions: Vec<String> = Vec::new();
        match self.picker.pick(&packument, name, spec) {
            Some(pick) => {
                self.held_back.extend(pick.held_back);
                versions.push(pick.version);
            }
            None => {
                let reason = if packument.versions.is_empty() {
                    "it has no versions".to_owned()
                } else {
                    "no published version matches".to_owned()
                };
                self.fail_named(edge, text, name, spec, UnresolvedCause::NoMatchingVersion, reason);
            }
        }
        let hint = self.hinted(name, text);
        if let Some(hint) = hint.filter(|v| packument.versions.contains(v) && !versions.contains(v)) {
            versions.push(hint);
        }
        for version in versions {
            let Some(about) = packument.versions.version(&version) else { continue };
            let origin = self.origin(edge, name, spec);
            let package = release::picked(name, &version, &about, &packument, origin, pinning(spec));
            let node = self.node(package);
            self.connect(edge, node);
            let context = self.context_below(edge);
            if edge.alone {
                continue;
            }
            // Peers depend on who asks; everything else is the same for all.
            let first = self.expanded.insert((node, Arc::clone(&context)));
            let new_parent = self.peers_seen.insert((node, edge.by));
            if first || new_parent {
                let mut below = self.edges_of_version(node, &about, edge, &context);
                below.retain(|e| first || e.kind == Kind::Peer);
                next.extend(below);
            }
        }
    }

    pub(super) fn context_below(&self, edge: &Edge) -> Context {
        match &edge.name {
            Some(name) => self.overrides.apply(&edge.context, name, &edge.text).1,
            None => Arc::clone(&edge.context),
        }
    }

    /// The version that yarn.lock names for this requirement: npm takes it where it has no lockfile of its own.
    pub(super) fn hinted(&self, name: &PackageName, text: &str) -> Option<String> {
        let lock = self.project.hints.as_ref()?;
        let at = lock.by_key(&format!("{}@{text}", name.written()))?;
        lock.packages.get(at)?.version.clone()
    }

    pub(super) fn edges_of_version(
        &self,
        node: usize,
        about: &crate::registry::npm::Version,
        edge: &Edge,
        context: &Context,
    ) -> Vec<Edge> {
        let bundled = |name: &String| about.bundled.iter().any(|b| b == name);
        let tables = [
            (&about.dependencies, Kind::Production),
            (&about.optional_dependencies, Kind::Optional),
            (&about.peer_dependencies, Kind::Peer),
        ];
        let mut out = Vec::new();
        for (table, kind) in tables {
            for (name, text) in table {
                let optional_too = kind == Kind::Production && about.optional_dependencies.contains_key(name);
                // A dependency wins over a peer of the same name.
                let required_too = kind == Kind::Peer && about.dependencies.contains_key(name);
                if bundled(name) || optional_too || required_too {
                    continue;
                }
                let kind = match kind {
                    Kind::Peer if about.optional_peers.contains(name) => Kind::OptionalPeer,
                    kind => kind,
                };
                if self.settings.wants(kind)
                    && (self.settings.installs_peers || !matches!(kind, Kind::Peer | Kind::OptionalPeer))
                {
                    out.push(self.below(node, name, text, kind, edge, context));
                }
            }
        }
        out
    }

    pub(super) fn below(
        &self,
        node: usize,
        name: &str,
        text: &str,
        kind: Kind,
        edge: &Edge,
        context: &Context,
    ) -> Edge {
        Edge {
            by: Some(node),
            above: edge.by,
            from: From::Fresh,
            name: Some(name.to_owned()),
            text: text.to_owned(),
            spec: None,
            kind,
            location: edge.location.clone(),
            directory: edge.directory.clone(),
            context: Arc::clone(context),
            explicit: false,
            alone: false,
        }
    }

    pub(super) fn origin(&self, edge: &Edge, name: &PackageName, spec: &Spec) -> Origin {
        let shown = edge.name.as_deref().unwrap_or(name.written());
        let text = match (&edge.spec, edge.by) {
            // A word of the command line is its own text.
            (Some(_), None) => edge.text.clone(),
            _ => format!("{shown}@{}", edge.text),
        };
        Origin { text, range: range_of(spec), location: edge.location.clone() }
    }

    /// A package of the lockfile, and what it asks for there.
    pub(super) fn take_locked(&mut self, edge: &Edge, at: usize, next: &mut Vec<Edge>) {
        let Some(package) = self.lock().and_then(|lock| lock.packages.get(at)) else { return };
        if let Some(node) = self.locked.get(&at).copied() {
            self.connect(edge, node);
            return;
        }
        let node = self.locked_node(at, package, Some(edge));
        self.connect(edge, node);
        if !edge.alone {
            next.extend(self.edges_of_locked(node, at, package, edge));
        }
    }

    /// The node of a locked package. Without an edge it is one that nothing asked for.
    pub(super) fn locked_node(&mut self, at: usize, package: &'a LockedPackage, edge: Option<&Edge>) -> usize {
        if let Some(node) = self.locked.get(&at).copied() {
            return node;
        }
        if let LockedSource::Directory { path, .. } = &package.source
            && let Some(member) = self.member_at(path)
        {
            self.locked.insert(at, member);
            return member;
        }
        let location = match edge {
            Some(Edge { by: None, location, .. }) => location.clone(),
            _ => self.lock_location(package.offset),
        };
        let asked = edge.map(|e| {
            let spec = spec::resolve(e.name.as_deref(), &e.text);
            (e.text.clone(), spec)
        });
        let shown = package.alias.as_deref().unwrap_or(&package.name);
        let origin = Origin {
            text: asked.as_ref().map_or_else(|| shown.to_owned(), |(text, _)| format!("{shown}@{text}")),
            range: asked.as_ref().and_then(|(_, spec)| range_of(spec)),
            location,
        };
        let pinned = asked.as_ref().map_or(Pinning::Exact, |(_, spec)| pinning(spec));
        let lock_location = self.lock_location(package.offset);
        let shape = release::LockedShape {
            package,
            origin,
            pinning: pinned,
            remote: matches!(asked, Some((_, Spec::Remote(_) | Spec::Git(_)))),
            location: lock_location,
            root: &self.project.root,
        };
        let (package, issues) = self.verifier.locked(&shape);
        self.lock_issues.extend(issues.into_iter().filter(|i| !self.lock_issues.contains(i)).collect::<Vec<_>>());
        let node = self.node(package);
        self.locked.insert(at, node);
        node
    }

    pub(super) fn edges_of_locked(
        &mut self,
        node: usize,
        at: usize,
        package: &'a LockedPackage,
        edge: &Edge,
    ) -> Vec<Edge> {
        let Some(lock) = self.lock() else { return Vec::new() };
        let context = self.context_below(edge);
        let mut out = Vec::new();
        let mut push = |dependency: &LockedDependency, from: From, directory: PathBuf, location: Location| {
            out.push(Edge {
                by: Some(node),
                above: edge.by,
                from,
                name: Some(dependency.name.clone()),
                text: dependency.spec.clone(),
                spec: None,
                kind: Kind::of(dependency.kind, dependency.optional_peer),
                location,
                directory,
                context: Arc::clone(&context),
                explicit: false,
                alone: false,
            });
        };
        for dependency in &package.dependencies {
            let location = self.lock_location(dependency.offset);
            push(dependency, From::Locked(at, dependency.clone()), edge.directory.clone(), location);
        }
        // A linked directory that is no member: the lockfile has its manifest's tables under its path.
        if let LockedSource::Directory { path, .. } = &package.source
            && self.member_at(path).is_none()
            && let Some(importer) = lock.importers.iter().find(|i| i.path == *path && !path.is_empty())
        {
            let directory = crate::model::lexical(&self.project.root.join(path));
            for dependency in importer.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
                let location = self.lock_location(dependency.offset);
                push(dependency, From::Importer(path.clone()), directory.clone(), location);
            }
        }
        out.retain(|e| self.settings.wants(e.kind));
        if !self.settings.installs_peers {
            out.retain(|e| !matches!(e.kind, Kind::Peer | Kind::OptionalPeer));
        }
        out
    }

    /// Git, URLs, files and directories that no lockfile tells about.
    pub(super) fn take_elsewhere(&mut self, edge: &Edge, spec: Spec, next: &mut Vec<Edge>) {
        match spec {
            Spec::Git(git) => {
                let source = Source::Git {
                    url: redact_url(&git.url),
                    reference: git.reference(),
                    commit: git.commit().map(str::to_owned),
                };
                let name = edge.name.clone().unwrap_or_else(|| last_segment(&git.url));
                let mut package = self.unread_package(edge, &name, source, pinning(&Spec::Git(git)));
                package.executes.push(Execution::LifecycleScript(Arc::from("prepare")));
                let reason = "what a git repository asks for is known only when it is fetched and prepared";
                self.stranger(edge, package, UnresolvedCause::NeedsExecution, reason);
            }
            Spec::Remote(url) => {
                let source = Source::Url { url: redact_url(&url) };
                let released = registry_release(&url);
                let named = released.as_ref().map(|id| id.name.written().to_owned()).or_else(|| edge.name.clone());
                let name = named.unwrap_or_else(|| last_segment(&url));
                let mut package = self.unread_package(edge, &name, source, Pinning::Exact);
                if let Some(id) = released {
                    package.id = id;
                }
                self.stranger(
                    edge,
                    package,
                    UnresolvedCause::Unsupported,
                    "what a tarball by URL asks for is not read",
                );
            }
            Spec::File(path) => {
                let path = path.resolve(&edge.directory, self.home);
                let name = edge.name.clone().unwrap_or_else(|| last_segment(&path.display().to_string()));
                let package = self.unread_package(edge, &name, Source::Path { path }, Pinning::Exact);
                self.stranger(edge, package, UnresolvedCause::Unsupported, "what a local tarball asks for is not read");
            }
            Spec::Directory(path) | Spec::Link(path) => {
                self.take_directory(edge, path.resolve(&edge.directory, self.home), next)
            }
            _ => {}
        }
    }

    pub(super) fn unread_package(&self, edge: &Edge, name: &str, source: Source, pinned: Pinning) -> Package {
        let text = match (&edge.spec, &edge.name) {
            (None, Some(name)) => format!("{name}@{}", edge.text),
            _ => edge.text.clone(),
        };
        let origin = Origin { text: redact_spec(&text), range: None, location: edge.location.clone() };
        release::bare(PackageId::new(npm_name(name), "0"), source, origin, pinned, LockState::Unlocked)
    }

    pub(super) fn stranger(&mut self, edge: &Edge, package: Package, cause: UnresolvedCause, reason: &str) {
        let unresolved = Unresolved {
            requirement: package.origin.text.clone(),
            name: Some(package.id.name.clone()),
            range: None,
            location: Some(edge.location.clone()),
            cause,
            reason: reason.to_owned(),
        };
        let alone = edge.alone;
        let node = self.node(package);
        self.connect(edge, node);
        if !alone {
            // Optional or not, it is fetched: what it asks for stays unknown.
            self.unresolved.push(unresolved);
        }
    }

    pub(super) fn take_directory(&mut self, edge: &Edge, directory: PathBuf, next: &mut Vec<Edge>) {
        if let Some(member) = self.project.members.iter().find(|m| m.directory == directory)
            && let Some(node) = self.members.get(member.name()).copied()
        {
            self.connect(edge, node);
            return;
        }
        let mut problems = Vec::new();
        let manifest = self.finder.manifest(&directory.join("package.json"), &mut problems);
        self.unresolved.append(&mut problems);
        let Some(manifest) = manifest else {
            let reason = "the directory has no package.json that can be read".to_owned();
            self.fail(edge, &edge.text, &Spec::Tag(String::new()), UnresolvedCause::Malformed, reason);
            return;
        };
        let name = manifest.name.clone().or_else(|| edge.name.clone());
        let name = name.unwrap_or_else(|| last_segment(&directory.display().to_string()));
        let shown = self.finder.shown(&directory);
        let mut package = self.unread_package(edge, &name, Source::Path { path: shown }, Pinning::Exact);
        if let Some(version) = &manifest.version {
            package.id.version = Arc::from(version.as_str());
        }
        let lifecycle = ["preinstall", "install", "postinstall", "prepare"];
        let scripts = manifest.scripts.iter().filter(|s| lifecycle.contains(&s.as_str()));
        package.executes = scripts.map(|s| Execution::LifecycleScript(Arc::from(s.as_str()))).collect();
        let node = self.node(package);
        self.connect(edge, node);
        let context = self.context_below(edge);
        if edge.alone || !self.expanded.insert((node, Arc::clone(&context))) {
            return;
        }
        // npm installs the development dependencies of a linked directory only inside the project.
        let inside = directory.starts_with(&self.project.root);
        let edges = self.importer_edges(&manifest, "", &directory, &[]);
        for mut below in edges {
            let development = below.kind == Kind::Development;
            if (development && !inside) || !self.settings.wants(below.kind) {
                continue;
            }
            below.by = Some(node);
            below.from = From::Fresh;
            below.context = Arc::clone(&context);
            next.push(below);
        }
    }
}
