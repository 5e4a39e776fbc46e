//! Which code at every start of the interpreter a project is known to ship: a project, a file's name and its digest in,
//! yes or no out. The table is a text of its own, `startup.txt`, which says how it was gathered.

use crate::model::{Digest, DigestAlgorithm};

/// The lines of the table: project, file, digest.
fn table() -> impl Iterator<Item = (&'static str, &'static str, Digest)> {
    include_str!("startup.txt").lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        let (project, file, hex) = (words.next()?, words.next()?, words.next()?);
        Some((project, file, Digest::from_hex(DigestAlgorithm::Sha256, hex).ok()?))
    })
}

/// Whether a project (canonical name) is known to ship this very `.pth` file directly in site-packages.
pub fn is_known(project: &str, file: &str, sha256: &Digest) -> bool {
    table().any(|(known, name, digest)| known == project && name == file && digest == *sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ecosystem, normalise_name};

    #[test]
    fn every_line_is_read_once_and_in_order() {
        let lines: Vec<&str> = include_str!("startup.txt").lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(table().count(), lines.len());
        assert!(lines.is_sorted_by(|a, b| a < b), "{lines:?}");
        for (project, file, digest) in table() {
            assert_eq!(project, normalise_name(Ecosystem::PyPI, project));
            assert!(file.ends_with(".pth") && !file.contains('/'), "{file}");
            assert!(is_known(project, file, &digest));
            assert!(!is_known("litellm", file, &digest));
            assert!(!is_known(project, "litellm_init.pth", &digest));
            assert!(!is_known(project, file, &Digest::sha256_of(b"import evil\n")));
        }
    }
}
