//! The indexes in `uv-receipt.toml`, where uv notes what a tool was installed from and asks it again beside what it is
//! told. During a run they are the gateway's; then the receipt says what it said, or would have without the gateway:
//! nothing of an index that nobody named, and of the others that uv had to be given credentials only where it had.
//!
//! uv writes the list on one line, each index as an inline table.

use std::path::PathBuf;

use crate::enforce::EnforceError;
use crate::enforce::gateway::{Gateway, mended_of_any, replace};
use crate::registry::index::IndexSpec;

/// The table that the list stands in.
const OPTIONS: &str = "[tool.options]\n";

/// A receipt during a run.
#[derive(Debug)]
pub struct Receipt {
    /// Where it is, or will be.
    pub path: PathBuf,
    before: Vec<String>,
}

impl Receipt {
    /// Has a receipt, if there is one, name the gateway.
    pub(super) fn open(path: PathBuf, gateway: &Gateway) -> Result<Self, EnforceError> {
        let Ok(bytes) = std::fs::read(&path) else { return Ok(Self { path, before: Vec::new() }) };
        // What a run that was killed has left.
        let clean = mended_of_any(&bytes).unwrap_or_else(|| bytes.clone());
        let text = String::from_utf8_lossy(&clean).into_owned();
        let Some(list) = List::of(&text) else { return Ok(Self { path, before: Vec::new() }) };
        let carried = |entry: &String| match field(entry, "url") {
            Some(url) => entry.replace(
                &format!("url = \"{url}\""),
                &format!("url = \"{}\"", gateway.carry_without_secret("pypi/index", url)),
            ),
            None => entry.clone(),
        };
        let new = list.with(&list.entries.iter().map(carried).collect::<Vec<_>>());
        if new.as_bytes() != bytes {
            replace(&path, new.as_bytes()).map_err(EnforceError::io(&path))?;
        }
        Ok(Self { path, before: list.entries })
    }

    /// Puts back what all of them said, when their URLs are mended. `page`: an index's URL as its user wrote it. What could
    /// not be put back, and why.
    pub(in crate::enforce::tool) fn close_all(
        all: &[&Self],
        indexes: &[IndexSpec],
        page: impl Fn(&IndexSpec) -> String,
    ) -> Vec<String> {
        // uv was told of the indexes of each, and notes them for all.
        let noted: Vec<&str> = all.iter().flat_map(|r| &r.before).filter_map(|entry| field(entry, "url")).collect();
        let failed = |receipt: &&Self| receipt.close(&noted, indexes, &page).err().map(|e| (receipt.path.clone(), e));
        let failed = all.iter().filter_map(failed);
        failed.map(|(path, error)| format!("{} still names the gateway: {error}", path.display())).collect()
    }

    fn close(&self, noted: &[&str], indexes: &[IndexSpec], page: impl Fn(&IndexSpec) -> String) -> std::io::Result<()> {
        let text = match std::fs::read_to_string(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text?,
        };
        let Some(list) = List::of(&text) else { return Ok(()) };
        let mut entries: Vec<String> = Vec::new();
        for entry in &list.entries {
            let url = field(entry, "url").unwrap_or_default();
            if entries.iter().any(|known| field(known, "url") == Some(url)) {
                continue;
            }
            let spec = indexes.iter().find(|spec| page(spec) == url);
            match (self.before.iter().find(|known| field(known, "url") == Some(url)), spec) {
                (Some(known), _) => entries.push(known.clone()),
                (None, _) if noted.contains(&url) => {}
                (None, Some(spec)) if spec.assumed => {}
                (None, Some(spec)) => entries.push(as_told(entry, spec)),
                (None, None) => entries.push(entry.clone()),
            }
        }
        let new = list.with(&entries);
        if new == text { Ok(()) } else { replace(&self.path, new.as_bytes()) }
    }
}

/// The entry with the words that the index's own settings give it.
fn as_told(entry: &str, spec: &IndexSpec) -> String {
    let mut out = entry.to_owned();
    let word = format!("\"{}\"", spec.authenticate.word());
    let explicit = spec.explicit.to_string();
    for (key, value) in [("authenticate", word.as_str()), ("explicit", &explicit)] {
        if let Some((before, rest)) = out.split_once(&format!("{key} = ")) {
            let end = rest.find([',', ' ', '}']).unwrap_or(rest.len());
            out = format!("{before}{key} = {value}{}", rest.get(end..).unwrap_or_default());
        }
    }
    out
}

/// The text in quotes behind a key of an inline table.
fn field<'t>(entry: &'t str, key: &str) -> Option<&'t str> {
    entry.split_once(&format!("{key} = \""))?.1.split('"').next()
}

/// The list of indexes in a receipt's text.
struct List<'t> {
    before: &'t str,
    entries: Vec<String>,
    after: &'t str,
}

impl<'t> List<'t> {
    fn of(text: &'t str) -> Option<Self> {
        const OPENS: &str = "index = [";
        let options = text.find(OPTIONS)? + OPTIONS.len();
        let at = options
            + text
                .get(options..)?
                .split_inclusive('\n')
                .take_while(|l| !l.starts_with(OPENS))
                .map(str::len)
                .sum::<usize>();
        let rest = text.get(at..)?.strip_prefix(OPENS)?;
        let mut length = OPENS.len();
        let mut entries = Vec::new();
        for line in rest.split_inclusive('\n') {
            length += line.len();
            let mut left = line.trim();
            while let Some((start, end)) = left.find('{').zip(left.find('}')).filter(|(start, end)| start < end) {
                entries.push(left.get(start..=end)?.to_owned());
                left = left.get(end + 1..)?.trim_start_matches([',', ' ']);
            }
            if left.starts_with(']') {
                let (before, after) = (text.get(..at)?, text.get(at + length..)?);
                return Some(Self { before, entries, after });
            }
        }
        None
    }

    /// The text with these entries, as uv lays them out; without a table that nothing else stands in.
    fn with(&self, entries: &[String]) -> String {
        let Self { before, after, .. } = self;
        match entries {
            [] => {
                let bare =
                    before.strip_suffix(OPTIONS).filter(|_| after.trim_start().is_empty() || after.starts_with("\n["));
                match bare {
                    Some(bare) => format!("{}\n{after}", bare.trim_end_matches('\n')),
                    None => format!("{before}{after}"),
                }
            }
            all => format!("{before}index = [{}]\n{after}", all.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;
    use crate::registry::index::Authenticate;

    const HEAD: &str = "[tool]\nrequirements = [{ name = \"x\" }]\n";

    fn entry(name: &str, url: &str, explicit: bool, authenticate: &str) -> String {
        let name = if name.is_empty() { String::new() } else { format!("name = \"{name}\", ") };
        format!(
            "{{ {name}url = \"{url}\", explicit = {explicit}, default = true, format = \"simple\", authenticate = \"{authenticate}\" }}"
        )
    }

    #[test]
    fn the_list_is_found_and_written_as_it_was() {
        let (a, b) =
            (entry("", "https://a.example/simple", false, "auto"), entry("b", "https://b.example/", true, "auto"));
        for text in [
            format!("{HEAD}\n[tool.options]\nindex = [{a}]\n"),
            format!("{HEAD}\n[tool.options]\nindex = [{a}, {b}]\nexclude-newer = \"x\"\n"),
            format!("{HEAD}\n[tool.options]\nprerelease = \"allow\"\nindex = [{b}]\n"),
        ] {
            let list = List::of(&text).unwrap();
            assert_eq!(list.with(&list.entries), text);
        }
        for none in
            [HEAD.to_owned(), format!("{HEAD}\n[tool.options]\nx = 1\n"), "index = [{ url = \"x\" }]\n".to_owned()]
        {
            assert!(List::of(&none).is_none(), "{none}");
        }
        let text = format!("{HEAD}\n[tool.options]\nindex = [{a}]\n");
        assert_eq!(List::of(&text).unwrap().with(&[]), HEAD);
        let text = format!("{HEAD}\n[tool.options]\nindex = [{a}]\nexclude-newer = \"x\"\n");
        assert_eq!(List::of(&text).unwrap().with(&[]), format!("{HEAD}\n[tool.options]\nexclude-newer = \"x\"\n"));
    }

    #[test]
    fn a_receipt_says_what_it_would_without_the_gateway() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("uv-receipt.toml");
        let spec = |url: &str| IndexSpec::new(url.parse().unwrap());
        let indexes = [
            IndexSpec { explicit: true, ..spec("https://own.example/simple/") },
            IndexSpec { authenticate: Authenticate::Always, ..spec("https://with.example/") },
            IndexSpec { assumed: true, ..spec("https://pypi.org/simple") },
        ];
        let page = |spec: &IndexSpec| {
            if spec.slash { spec.url.to_string() } else { spec.url.as_str().trim_end_matches('/').to_owned() }
        };
        let of = |entries: &[String]| format!("{HEAD}\n[tool.options]\nindex = [{}]\n", entries.join(", "));
        let (own, with, pypi, known) = (
            entry("own", "https://own.example/simple/", false, "always"),
            entry("", "https://with.example/", false, "always"),
            entry("", "https://pypi.org/simple", false, "always"),
            entry("", "https://known.example/", false, "never"),
        );
        let carried = entry("", "https://known.example/", false, "always");
        std::fs::write(&path, of(&[own, with.clone(), pypi.clone(), carried])).unwrap();
        let receipt = Receipt { path: path.clone(), before: vec![known.clone()] };
        receipt.close(&[], &indexes, page).unwrap();
        let own = entry("own", "https://own.example/simple/", true, "auto");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), of(&[own, with, known.clone()]));
        std::fs::write(&path, format!("{HEAD}\n[tool.options]\nindex = [{pypi}]\n")).unwrap();
        Receipt { path: path.clone(), before: Vec::new() }.close(&[], &indexes, page).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEAD);
        // Another tool's is its own.
        std::fs::write(&path, of(&[entry("", "https://known.example/", false, "always")])).unwrap();
        let one = Receipt { path: path.clone(), before: Vec::new() };
        let other = Receipt { path: directory.path().join("none"), before: vec![known.clone()] };
        assert_eq!(Receipt::close_all(&[&one, &other], &indexes, page), [""; 0]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEAD);
        std::fs::remove_file(&path).unwrap();
        Receipt { path, before: Vec::new() }.close(&[], &indexes, page).unwrap();
    }
}
