//! Project pages of the simple repository API: PEP 503 HTML and PEP 691 JSON, with PEP 592 (yanked), 629 (version),
//! 658 and 714 (metadata files), 700 (size, upload time) and 792 (status). Bytes in, a [`Page`] out; total.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use url::Url;

use super::codec::{Reader, Stored, Writer};
use super::file_list::{Packer, PageFiles};
use super::pieces::Pieces;
use super::python::{Advertised, File};
use crate::ecosystem::python::direct::is_archive;
use crate::model::{Digest, DigestAlgorithm, Timestamp};

/// What is asked for: JSON first, as pip and uv do.
pub const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// A project page, or a page of links (`--find-links`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The files.
    pub files: Arc<PageFiles>,
    /// PEP 792 status; empty when not said.
    pub status: String,
}

/// The text of a page.
pub enum Body<'b> {
    /// All of it.
    Whole(&'b [u8]),
    /// A long one, as it comes.
    Pieces(&'b mut dyn Read),
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Whole(_)) { "Whole" } else { "Pieces" })
    }
}

/// Reads a page by its media type. The error is for people.
pub fn read(media_type: &str, body: Body<'_>, base: &str) -> Result<Page, String> {
    let base = Url::parse(base).map_err(|_| "its own address is no URL".to_owned())?;
    match media_type {
        "application/vnd.pypi.simple.v1+json" | "application/vnd.pypi.simple.latest+json" => match body {
            Body::Whole(mut body) => json(&mut body, &base),
            Body::Pieces(from) => json(from, &base),
        },
        "application/vnd.pypi.simple.v1+html" | "application/vnd.pypi.simple.latest+html" => html(body, &base),
        t if t.starts_with("text/html") || t == "application/xhtml+xml" => html(body, &base),
        "" => Err("it does not say what the page is (no content type)".to_owned()),
        other => Err(format!("`{}` is no project page", crate::model::printable(other, 60))),
    }
}

#[derive(Deserialize)]
struct JsonMeta<'a> {
    #[serde(borrow, default, rename = "api-version")]
    version: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonStatus<'a> {
    Object {
        #[serde(borrow, default)]
        status: Option<Cow<'a, str>>,
    },
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile<'a> {
    #[serde(borrow)]
    filename: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, default)]
    hashes: Option<JsonHashes<'a>>,
    #[serde(borrow, default)]
    requires_python: Option<Cow<'a, str>>,
    #[serde(default)]
    size: Option<Lenient<u64>>,
    #[serde(borrow, default)]
    upload_time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    yanked: Option<FlagOrText<'a>>,
    // PEP 714: `core-metadata` is the name, `dist-info-metadata` the older one; some say both.
    #[serde(borrow, default)]
    core_metadata: Option<FlagOrHashes<'a>>,
    #[serde(borrow, default)]
    dist_info_metadata: Option<FlagOrHashes<'a>>,
}

type JsonHashes<'a> = std::collections::BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// A field whose wrong type only means that it is not known.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Known(T),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FlagOrText<'a> {
    Flag(bool),
    Text(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FlagOrHashes<'a> {
    Flag(bool),
    Hashes(#[serde(borrow)] JsonHashes<'a>),
    Other(IgnoredAny),
}

/// Reads a page's object. Each file is packed as soon as it was read: a page may list tens of thousands.
fn json(from: &mut dyn Read, base: &Url) -> Result<Page, String> {
    let (mut version, mut files, mut status) = (None, None, String::new());
    let mut document = Pieces::new(from);
    let read = document.object(|document, key| {
        match key {
            "meta" => {
                let meta = document.value::<Option<JsonMeta<'_>>>()?;
                version = meta.and_then(|meta| meta.version).map(Cow::into_owned);
            }
            "files" => {
                let mut packer = Packer::default();
                document.list(|document| {
                    if let Some(file) = document.value::<JsonFile<'_>>()?.reduce(base) {
                        packer.add(&file);
                    }
                    Ok(())
                })?;
                files = Some(packer.finish());
            }
            "project-status" => status = said(document.value()?),
            _ => drop(document.value::<IgnoredAny>()?),
        }
        Ok(())
    });
    read.and_then(|()| document.end()).map_err(|broken| broken.to_string())?;
    let files = Arc::new(files.ok_or("JSON: missing field `files`")?);
    supported(version.as_deref())?;
    Ok(Page { files, status })
}

/// PEP 792.
fn said(status: Option<JsonStatus<'_>>) -> String {
    match status {
        Some(JsonStatus::Object { status: Some(s) } | JsonStatus::Text(s)) => s.into_owned(),
        _ => String::new(),
    }
}

impl JsonFile<'_> {
    fn reduce(self, base: &Url) -> Option<File> {
        if !is_filename(&self.filename) {
            return None;
        }
        let metadata = self.core_metadata.or(self.dist_info_metadata);
        Some(File {
            filename: self.filename.into_owned(),
            url: absolute(base, &self.url)?,
            digests: digests(self.hashes.iter().flatten().map(|(k, v)| (k.as_ref(), v.as_ref()))),
            requires_python: self.requires_python.map(Cow::into_owned).filter(|t| !t.trim().is_empty()),
            size: match self.size {
                Some(Lenient::Known(n)) => Some(n),
                _ => None,
            },
            upload_time: self.upload_time.and_then(|t| t.parse().ok()),
            yanked: match self.yanked {
                Some(FlagOrText::Flag(true)) => Some(String::new()),
                Some(FlagOrText::Text(reason)) => Some(reason.into_owned()),
                _ => None,
            },
            core_metadata: match metadata {
                Some(FlagOrHashes::Flag(true)) => Advertised::Yes,
                Some(FlagOrHashes::Hashes(hashes)) => {
                    let found = digests(hashes.iter().map(|(k, v)| (k.as_ref(), v.as_ref())));
                    found.into_iter().next().map_or(Advertised::Yes, Advertised::Hashed)
                }
                _ => Advertised::No,
            },
            index: Arc::from(""),
        })
    }
}

/// PEP 629: a higher major version is not to be read.
fn supported(version: Option<&str>) -> Result<(), String> {
    let Some(version) = version else { return Ok(()) };
    match version.trim().split('.').next().map(str::parse::<u32>) {
        Some(Ok(1)) => Ok(()),
        _ => Err(format!("the page is of version {}, and 1 is understood", crate::model::printable(version, 20))),
    }
}

/// Digests that can be read, strongest first.
fn digests<'t>(pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<Digest> {
    let mut all: Vec<Digest> =
        pairs.filter_map(|(name, hex)| Digest::from_hex(DigestAlgorithm::from_name(name)?, hex.trim()).ok()).collect();
    all.sort_by(|a, b| b.cmp(a));
    all
}

/// Without directories, and short enough for a file system.
fn is_filename(name: &str) -> bool {
    !name.is_empty() && name.len() <= 400 && !name.contains(['/', '\\']) && !name.chars().any(char::is_control)
}

/// A link made absolute, without fragment and user information.
fn absolute(base: &Url, link: &str) -> Option<String> {
    let mut url = base.join(link.trim()).ok()?;
    url.set_fragment(None);
    matches!(url.scheme(), "http" | "https" | "file").then(|| super::http::split_user_info(url).0.into())
}

fn html(body: Body<'_>, base: &Url) -> Result<Page, String> {
    let mut whole = Vec::new();
    let body = match body {
        Body::Whole(body) => body,
        Body::Pieces(from) => {
            from.read_to_end(&mut whole).map_err(|e| e.to_string())?;
            &whole
        }
    };
    let text = String::from_utf8_lossy(body);
    let (mut files, mut status) = (Vec::new(), String::new());
    let mut base = Cow::Borrowed(base);
    let mut based = false;
    for tag in Tags(&text) {
        let attribute = |name: &str| tag.attribute(name);
        match tag.name.as_str() {
            "base" if !based => {
                if let Some(url) = attribute("href").and_then(|h| base.join(h.trim()).ok()) {
                    based = true;
                    base = Cow::Owned(url);
                }
            }
            "meta" => match attribute("name").as_deref() {
                Some("pypi:repository-version") => supported(attribute("content").as_deref())?,
                Some("pypi:project-status") => status = attribute("content").unwrap_or_default(),
                _ => {}
            },
            "a" => files.extend(anchor(&tag, &base)),
            _ => {}
        }
    }
    Ok(Page { files: Arc::new(PageFiles::new(&files)), status })
}

/// One `<a>`: its file, when the link leads to something with a file's name.
fn anchor(tag: &Tag<'_>, base: &Url) -> Option<File> {
    let href = tag.attribute("href")?;
    let url = base.join(href.trim()).ok()?;
    let last = url.path_segments()?.next_back()?;
    let filename = percent_encoding::percent_decode_str(last).decode_utf8().ok()?.into_owned();
    // A link to a directory, or to a page about the project, is no file.
    if !is_filename(&filename) || !is_archive(&filename) {
        return None;
    }
    let fragment = url.fragment().unwrap_or_default();
    let hashes = fragment.split('&').filter_map(|pair| pair.split_once('='));
    let metadata = tag.attribute("data-core-metadata").or_else(|| tag.attribute("data-dist-info-metadata"));
    Some(File {
        filename,
        url: absolute(base, &href)?,
        digests: digests(hashes),
        requires_python: tag.attribute("data-requires-python").filter(|t| !t.trim().is_empty()),
        size: None,
        upload_time: None,
        yanked: tag.attribute("data-yanked"),
        core_metadata: match metadata.as_deref() {
            None | Some("false") => Advertised::No,
            Some(text) => Digest::parse_named_hex(text).map_or(Advertised::Yes, Advertised::Hashed),
        },
        index: Arc::from(""),
    })
}

/// The start tags of an HTML text, comments and raw text passed over. Linear: every step moves forward.
struct Tags<'t>(&'t str);

struct Tag<'t> {
    name: String,
    attributes: Vec<(&'t str, &'t str)>,
}

impl Tag<'_> {
    /// The first attribute of this name, its character references replaced.
    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| unescape(v))
    }
}

impl<'t> Iterator for Tags<'t> {
    type Item = Tag<'t>;

    fn next(&mut self) -> Option<Tag<'t>> {
        loop {
            let at = self.0.find('<')?;
            let after = &self.0[at + 1..];
            if let Some(comment) = after.strip_prefix("!--") {
                // An unclosed comment swallows the rest, as in a browser.
                self.0 = comment.find("-->").map_or("", |end| &comment[end + 3..]);
                continue;
            }
            let length = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
            if length == 0 || length > 20 {
                self.0 = after;
                continue;
            }
            let name = after[..length].to_ascii_lowercase();
            let (attributes, rest) = attributes(&after[length..]);
            self.0 = rest;
            if matches!(name.as_str(), "script" | "style" | "textarea" | "title") {
                self.0 = after_raw_text(self.0, &name);
                continue;
            }
            return Some(Tag { name, attributes });
        }
    }
}

/// What follows the end tag of an element whose content is text.
fn after_raw_text<'t>(text: &'t str, name: &str) -> &'t str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            return rest;
        }
    }
    ""
}

/// The attributes of a tag, and what follows its `>`.
fn attributes(mut text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut out = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(rest) = text.strip_prefix('>') {
            return (out, rest);
        }
        let length = text
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(text.len())
            // A stray `=` begins a name (HTML's own rule); so every step moves forward.
            .max(text.chars().next().map_or(0, char::len_utf8));
        if length == 0 {
            return (out, "");
        }
        let name = &text[..length];
        text = text[length..].trim_start_matches(|c: char| c.is_ascii_whitespace());
        let mut value = "";
        if let Some(rest) = text.strip_prefix('=') {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            (value, text) = match quote {
                Some(q) => rest[1..].split_once(q).unwrap_or((&rest[1..], "")),
                None => rest.split_at(rest.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(rest.len())),
            };
        }
        if out.len() < 64 {
            out.push((name, value));
        }
    }
}

/// Character references that index pages use replaced; others are left as they are.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let decoded = end.and_then(|end| {
            let name = &rest[..end];
            let found = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some(' '),
                _ => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)
                }
            };
            found.map(|c| (c, end))
        });
        match decoded {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

impl Stored for Page {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.status);
        self.files.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { status: from.string()?, files: Arc::new(PageFiles::decode(from)?) })
    }
}

/// Upload times by file name from the per-project JSON document (`/pypi/NAME/json`), where an index offers one.
pub fn upload_times(body: &[u8]) -> Result<Vec<(String, Timestamp)>, String> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        releases: std::collections::BTreeMap<Cow<'a, str>, Vec<Upload<'a>>>,
    }
    #[derive(Deserialize)]
    struct Upload<'a> {
        #[serde(borrow)]
        filename: Cow<'a, str>,
        #[serde(borrow, default, rename = "upload_time_iso_8601")]
        time: Option<Cow<'a, str>>,
    }
    let document: Document<'_> = serde_json::from_slice(body).map_err(|e| format!("JSON: {e}"))?;
    Ok(document
        .releases
        .into_values()
        .flatten()
        .filter_map(|u| Some((u.filename.into_owned(), u.time?.parse().ok()?)))
        .collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    /// Whole and in pieces it reads the same.
    fn read(media_type: &str, body: &[u8], base: &str) -> Result<Page, String> {
        let whole = super::read(media_type, Body::Whole(body), base);
        let pieces = super::read(media_type, Body::Pieces(&mut &*body), base);
        assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "{whole:?} and {pieces:?}");
        whole
    }
    use crate::registry::file_list::FileList;

    const SHA: &str = "sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn page(body: &str) -> Page {
        read("text/html", body.as_bytes(), "https://h.example/simple/foo/").unwrap()
    }

    fn files(page: &Page) -> Vec<File> {
        let mut list = FileList::default();
        list.add(Arc::clone(&page.files), Arc::from(""));
        list.to_vec()
    }

    #[test]
    fn html_in_every_dress() {
        let text = format!(
            r##"<!DOCTYPE html><HTML><head><meta name="pypi:repository-version" content="1.3">
            <meta content='archived' name='pypi:project-status'><title><a href=no.whl></title>
            <script>var a = "<a href='evil-1.whl'>"</script></head><body><!-- <a href="old-1.whl"> -->
            <a href="../../packages/foo-1.0-py3-none-any.whl#{SHA}" data-requires-python="&gt;=3.8,&#60;4"
               data-core-metadata="{SHA}" data-yanked="it &amp; that">foo</a>
            <A HREF='https://user:pw@files.example/foo%2D1.1.tar.gz?x=1' data-yanked>x</A>
            <a href=foo-2.zip data-dist-info-metadata=true><a href="../">up</a><a href="docs/">docs</a>
            <a href="javascript:alert(1)">no</a>"##
        );
        let page = page(&text);
        let files = files(&page);
        let short: Vec<_> = files.iter().map(|f| (f.filename.as_str(), f.url.as_str())).collect();
        assert_eq!(
            short,
            [
                ("foo-1.0-py3-none-any.whl", "https://h.example/packages/foo-1.0-py3-none-any.whl"),
                ("foo-1.1.tar.gz", "https://files.example/foo%2D1.1.tar.gz?x=1"),
                ("foo-2.zip", "https://h.example/simple/foo/foo-2.zip"),
            ]
        );
        assert_eq!(page.status, "archived");
        let [first, second, third] = files.as_slice() else { panic!("three") };
        assert_eq!(first.requires_python.as_deref(), Some(">=3.8,<4"));
        assert_eq!(first.yanked.as_deref(), Some("it & that"));
        assert!(matches!(&first.core_metadata, Advertised::Hashed(d) if *d == first.digests[0]));
        assert_eq!(second.yanked.as_deref(), Some(""));
        assert_eq!(third.core_metadata, Advertised::Yes);
    }

    #[test]
    fn the_first_base_counts() {
        let page = page(r#"<base href="/a/"><base href="/b/"><a href="foo-1.tar.gz">"#);
        assert_eq!(files(&page)[0].url, "https://h.example/a/foo-1.tar.gz");
    }

    #[test]
    fn json_of_both_generations() {
        let body = format!(
            r#"{{"meta":{{"api-version":"1.4"}},"name":"foo","versions":["1"],"project-status":{{"status":"quarantined"}},
            "files":[
             {{"filename":"foo-1-py3-none-any.whl","url":"/f/foo-1-py3-none-any.whl","hashes":{{"sha256":"{sha}","crc":"1"}},
               "requires-python":null,"size":12,"upload-time":"2024-05-29T15:37:49.123Z","yanked":false,
               "core-metadata":{{"sha256":"{sha}"}},"dist-info-metadata":true,"provenance":null}},
             {{"filename":"foo-1.tar.gz","url":"https://x.example/foo-1.tar.gz","hashes":{{}},"yanked":"why","size":"big","upload-time":"yesterday"}},
             {{"filename":"../foo-2.tar.gz","url":"https://x.example/foo-2.tar.gz","hashes":{{}}}}]}}"#,
            sha = &SHA[7..]
        );
        let page =
            read("application/vnd.pypi.simple.v1+json", body.as_bytes(), "https://h.example/simple/foo/").unwrap();
        assert_eq!(page.status, "quarantined");
        let all = files(&page);
        let [wheel, sdist] = all.as_slice() else { panic!("two: {page:?}") };
        assert_eq!(wheel.url, "https://h.example/f/foo-1-py3-none-any.whl");
        assert_eq!(wheel.upload_time, Some("2024-05-29T15:37:49.123Z".parse().unwrap()));
        assert_eq!((wheel.size, wheel.digests.len(), &wheel.yanked), (Some(12), 1, &None));
        assert!(matches!(wheel.core_metadata, Advertised::Hashed(_)));
        assert_eq!((sdist.size, sdist.upload_time, sdist.yanked.as_deref()), (None, None, Some("why")));
        let mut out = Writer::default();
        page.encode(&mut out);
        assert_eq!(Page::decode(&mut Reader(&out.0)), Some(page));
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        let base = "https://h.example/simple/foo/";
        assert!(
            read("application/vnd.pypi.simple.v1+json", br#"{"meta":{"api-version":"2.0"},"files":[]}"#, base).is_err()
        );
        assert!(read("application/vnd.pypi.simple.v1+json", b"<html>", base).is_err());
        assert!(read("image/png", b"", base).is_err());
        assert!(read("", b"", base).is_err());
        assert!(read("text/html", br#"<meta name="pypi:repository-version" content="2.0">"#, base).is_err());
    }

    #[test]
    fn per_project_documents_give_times() {
        let body = br#"{"info":{},"releases":{"1":[{"filename":"a-1.tar.gz","upload_time_iso_8601":"2020-01-01T00:00:00.5Z"}],"2":[]}}"#;
        let times = upload_times(body).unwrap();
        assert_eq!(times, [("a-1.tar.gz".to_owned(), "2020-01-01T00:00:00.5Z".parse().unwrap())]);
    }

    proptest::proptest! {
        #[test]
        fn pages_never_panic(text in "(?s)[<>a-z\"'=/ &#;!-]{0,200}", any in "(?s).{0,80}") {
            for body in [&text, &any] {
                let _ = read("text/html", body.as_bytes(), "https://h.example/");
                let _ = read("application/vnd.pypi.simple.v1+json", body.as_bytes(), "https://h.example/");
            }
        }

        #[test]
        fn foreign_stored_pages_never_panic(bytes: Vec<u8>) {
            let _ = Page::decode(&mut Reader(&bytes));
        }
    }
}
