//! Files as they would be after an edit: a few contents over the disk. Nothing is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{FileError, Files, lexical};

/// Contents over other files, by absolute path.
#[derive(Clone)]
pub struct Overlay {
    base: Arc<dyn Files>,
    cwd: PathBuf,
    /// What is there instead; `None`: nothing.
    changed: BTreeMap<PathBuf, Option<Arc<[u8]>>>,
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("changed", &self.changed.keys()).finish_non_exhaustive()
    }
}

impl Overlay {
    /// Nothing changed yet. Relative paths are meant from `cwd`.
    pub fn new(base: Arc<dyn Files>, cwd: &Path) -> Self {
        Self { base, cwd: cwd.to_owned(), changed: BTreeMap::new() }
    }

    /// A file's new content; `None` takes it away.
    pub fn put(&mut self, path: &Path, content: Option<&str>) {
        self.changed.insert(self.absolute(path), content.map(|c| Arc::from(c.as_bytes())));
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        lexical(&self.cwd.join(path))
    }

    fn over(&self, path: &Path) -> Option<&Option<Arc<[u8]>>> {
        self.changed.get(&self.absolute(path))
    }
}

impl Files for Overlay {
    fn read(&self, path: &Path) -> Result<Arc<[u8]>, FileError> {
        match self.over(path) {
            Some(Some(content)) => Ok(Arc::clone(content)),
            Some(None) => Err(FileError::NotFound),
            None => self.base.read(path),
        }
    }

    fn is_file(&self, path: &Path) -> bool {
        self.over(path).map_or_else(|| self.base.is_file(path), Option::is_some)
    }

    fn is_dir(&self, path: &Path) -> bool {
        let absolute = self.absolute(path);
        let inside =
            |(p, content): (&PathBuf, &Option<_>)| content.is_some() && p.starts_with(&absolute) && *p != absolute;
        self.base.is_dir(path) || self.changed.iter().any(inside)
    }

    fn is_link(&self, path: &Path) -> bool {
        self.base.is_link(path)
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        self.base.read_link(path)
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        self.base.real(path)
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        let mut out = self.base.list(dir);
        out.retain(|p| self.over(p).is_none_or(Option::is_some));
        let absolute = self.absolute(dir);
        for (path, content) in &self.changed {
            let below = path.strip_prefix(&absolute).ok().and_then(|p| p.components().next());
            if let (Some(first), true) = (below, content.is_some()) {
                out.push(dir.join(first));
            }
        }
        out.sort();
        out.dedup();
        out
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::Overlay;
    use crate::model::{FileError, Files as _, MemoryFiles};

    #[test]
    fn new_contents_hide_the_old_ones() {
        let disk: MemoryFiles = [("/w/a", "old"), ("/w/b", "b")].into_iter().collect();
        let mut files = Overlay::new(Arc::new(disk), Path::new("/w"));
        files.put(Path::new("./x/../a"), Some("new"));
        files.put(Path::new("/w/b"), None);
        files.put(Path::new("sub/c"), Some("c"));
        assert_eq!(files.read_text(Path::new("/w/a")).as_deref(), Ok("new"));
        assert_eq!(files.read_text(Path::new("a")).as_deref(), Ok("new"));
        assert_eq!(files.read(Path::new("/w/b")), Err(FileError::NotFound));
        assert!(!files.is_file(Path::new("b")) && files.is_file(Path::new("sub/c")) && files.is_dir(Path::new("sub")));
        assert_eq!(files.list(Path::new("/w")), ["/w/a", "/w/sub"].map(PathBuf::from));
    }
}
