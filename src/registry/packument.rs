//! A packument's JSON to [`Packument`]: tolerant of the shapes that twenty years of publishers left in it, and never
//! holding more than the document and what is kept of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::codec::{Reader, Stored, Writer};
use super::npm::{Packument, Version};
use super::pieces::{Broken, Pieces};
use super::version_list::{Packer, VersionList};
use crate::model::{Digest, DigestAlgorithm, Ecosystem, PackageName, Timestamp};

/// The scripts npm runs for a dependency, or for one that it prepares from git.
const LIFECYCLE: [&str; 6] = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];

/// Reads the packument of `name`. The error is for people.
pub fn read(body: &[u8], name: &PackageName) -> Result<Packument, String> {
    let document: Document<'_> = serde_json::from_slice(body).map_err(|e| format!("JSON: {e}"))?;
    let Document { name: own, dist_tags, versions, time } = document;
    let times = time.0.into_iter().filter_map(|(text, time)| moment(text.into_owned(), &time)).collect();
    packed(name, own.text(), dist_tags.texts(), versions, times)
}

/// Reads a long packument without holding it.
pub fn read_pieces(from: &mut dyn Read, name: &PackageName) -> Result<Packument, String> {
    let (mut own, mut tags) = (None, None);
    let (mut versions, mut times) = (None, None);
    let mut document = Pieces::new(from);
    let read = document.object(|document, key| {
        let twice = match key {
            "name" => own.replace(document.value::<Loose<'_>>()?.text().map(str::to_owned)).is_some(),
            "dist-tags" => tags.replace(document.value::<Loose<'_>>()?.texts()).is_some(),
            "time" => {
                let mut all = BTreeMap::new();
                if document.is_object()? {
                    document.object(|document, text| {
                        all.extend(moment(text.to_owned(), &document.value()?));
                        Ok(())
                    })?;
                } else {
                    document.value::<Times<'_>>()?;
                }
                times.replace(all).is_some()
            }
            "versions" => {
                let mut all = Versions::default();
                if document.is_object()? {
                    document.object(|document, text| {
                        all.add(text, document.value()?);
                        Ok(())
                    })?;
                } else {
                    all = document.value()?;
                }
                versions.replace(all).is_some()
            }
            _ => {
                document.value::<IgnoredAny>()?;
                false
            }
        };
        if twice { Err(Broken::Json(format!("duplicate field `{key}`"))) } else { Ok(()) }
    });
    read.and_then(|()| document.end()).map_err(|broken| broken.to_string())?;
    let own = own.flatten();
    packed(name, own.as_deref(), tags.unwrap_or_default(), versions.unwrap_or_default(), times.unwrap_or_default())
}

/// An entry of `time`, when it is one.
fn moment(version: String, time: &Loose<'_>) -> Option<(String, Timestamp)> {
    Some((version, time.text()?.parse().ok()?))
}

/// The packument, once all of the document was read; `own`: the name that it has there.
fn packed(
    name: &PackageName,
    own: Option<&str>,
    dist_tags: BTreeMap<String, String>,
    versions: Versions,
    times: BTreeMap<String, Timestamp>,
) -> Result<Packument, String> {
    match own {
        Some(own) if own == name.written() => {}
        Some(own) => return Err(format!("it answered for `{}`", crate::model::printable(own, 80))),
        // An unpublished package keeps its `time` and little else.
        None if times.is_empty() && versions.count == 0 => {
            return Err("it has neither a name nor versions".to_owned());
        }
        None => {}
    }
    Ok(Packument {
        name: name.clone(),
        dist_tags,
        created: times.get("created").copied(),
        versions: versions.packer.finish(&times),
        registry: String::new(),
    })
}

/// What is kept of it is borrowed from the document, until it is packed.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default, borrow)]
    name: Loose<'a>,
    #[serde(default, borrow, rename = "dist-tags")]
    dist_tags: Loose<'a>,
    #[serde(default)]
    versions: Versions,
    #[serde(default, borrow)]
    time: Times<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    #[serde(default, borrow)]
    dependencies: Loose<'a>,
    #[serde(default, borrow)]
    optional_dependencies: Loose<'a>,
    #[serde(default, borrow)]
    peer_dependencies: Loose<'a>,
    #[serde(default, borrow)]
    peer_dependencies_meta: Loose<'a>,
    #[serde(default, borrow)]
    bundle_dependencies: Loose<'a>,
    #[serde(default, borrow)]
    bundled_dependencies: Loose<'a>,
    #[serde(default, borrow)]
    os: Loose<'a>,
    #[serde(default, borrow)]
    cpu: Loose<'a>,
    #[serde(default, borrow)]
    libc: Loose<'a>,
    #[serde(default, borrow)]
    engines: Loose<'a>,
    #[serde(default, borrow)]
    deprecated: Loose<'a>,
    #[serde(default, borrow)]
    scripts: Loose<'a>,
    #[serde(default, borrow)]
    has_install_script: Loose<'a>,
    #[serde(default, borrow)]
    gypfile: Loose<'a>,
    #[serde(default, borrow)]
    bin: Loose<'a>,
    #[serde(default, borrow)]
    name: Loose<'a>,
    #[serde(default, borrow)]
    dist: Loose<'a>,
    #[serde(default, borrow, rename = "_npmUser")]
    user: Loose<'a>,
}

impl Manifest<'_> {
    fn reduce(self) -> Version {
        let dist = |key: &str| self.dist.get(key);
        let mut digests = Digest::parse_sri_list(dist("integrity").and_then(Loose::text).unwrap_or_default());
        let shasum = dist("shasum").and_then(Loose::text);
        digests.extend(shasum.and_then(|hex| Digest::from_hex(DigestAlgorithm::Sha1, hex).ok()));
        digests.sort_by(|a, b| b.cmp(a));
        digests.dedup();
        let dependencies = self.dependencies.texts();
        let mut bundled = Vec::new();
        for list in [&self.bundle_dependencies, &self.bundled_dependencies] {
            match list {
                Loose::Flag(true) => bundled.extend(dependencies.keys().cloned()),
                Loose::Map(entries) => bundled.extend(entries.iter().map(|(name, _)| name.clone().into_owned())),
                other => bundled.extend(other.list()),
            }
        }
        bundled.sort();
        bundled.dedup();
        // Whole shell scripts, of which only those that are not empty count.
        let has = |script: &str| self.scripts.get(script).and_then(Loose::text).is_some_and(|t| !t.trim().is_empty());
        let lifecycle: Vec<String> = LIFECYCLE.iter().filter(|s| has(s)).map(|s| (*s).to_owned()).collect();
        let has_script = |names: &[&str]| lifecycle.iter().any(|l| names.contains(&l.as_str()));
        let gyp = self.gypfile.is_true() && !has_script(&["preinstall", "install"]);
        Version {
            has_install_script: self.has_install_script.is_true() || gyp,
            optional_dependencies: self.optional_dependencies.texts(),
            peer_dependencies: self.peer_dependencies.texts(),
            optional_peers: match &self.peer_dependencies_meta {
                Loose::Map(entries) => entries
                    .iter()
                    .filter(|(_, m)| m.get("optional").is_some_and(Loose::is_true))
                    .map(|e| e.0.clone().into_owned())
                    .collect(),
                _ => Vec::new(),
            },
            os: self.os.list(),
            cpu: self.cpu.list(),
            libc: self.libc.list(),
            engines_node: self.engines.get("node").and_then(Loose::text).map(str::to_owned),
            // `true` is no text, but it says the same.
            deprecated: match &self.deprecated {
                Loose::Text(reason) if !reason.is_empty() => Some(reason.clone().into_owned()),
                Loose::Flag(true) => Some("deprecated".to_owned()),
                _ => None,
            },
            bin: match &self.bin {
                Loose::Map(entries) => entries.iter().map(|(name, _)| name.clone().into_owned()).collect(),
                // One command, named after the package.
                Loose::Text(_) => {
                    let name = self.name.text().unwrap_or_default();
                    vec![name.rsplit('/').next().unwrap_or(name).to_owned()]
                }
                _ => Vec::new(),
            },
            tarball: dist("tarball").and_then(Loose::text).unwrap_or_default().to_owned(),
            unpacked_size: dist("unpackedSize").and_then(Loose::number),
            publisher: self.user.get("name").and_then(Loose::text).map(str::to_owned),
            attested: dist("attestations").is_some_and(|a| matches!(a, Loose::Map(m) if !m.is_empty())),
            lifecycle_scripts: lifecycle,
            dependencies,
            bundled,
            digests,
        }
    }
}

/// A text of the document; owned only where it had to be unescaped.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

/// Any JSON value. What has an unexpected shape is as if it were not there.
#[derive(Debug, Clone, Default, PartialEq)]
enum Loose<'a> {
    #[default]
    Nothing,
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
    List(Vec<Loose<'a>>),
    Map(Vec<(Cow<'a, str>, Loose<'a>)>),
}

impl Loose<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            _ => None,
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(n) => Some(*n),
            _ => None,
        }
    }

    fn is_true(&self) -> bool {
        matches!(self, Self::Flag(true))
    }

    /// The value of a key; of several, the last one, as `JSON.parse` has it.
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().rfind(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The entries of a map whose values are texts.
    fn texts(self) -> BTreeMap<String, String> {
        match self {
            Self::Map(entries) => entries
                .into_iter()
                .filter_map(|(k, v)| match v {
                    Self::Text(t) => Some((k.into_owned(), t.into_owned())),
                    _ => None,
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The texts of a list, or a text alone.
    fn list(&self) -> Vec<String> {
        match self {
            Self::Text(t) => vec![t.clone().into_owned()],
            Self::List(items) => items.iter().filter_map(|i| i.text().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Loose::Flag(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Loose::Number(value))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element()? {
            out.push(item);
        }
        Ok(Loose::List(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some((Text(key), value)) = map.next_entry()? {
            out.push((key, value));
        }
        Ok(Loose::Map(out))
    }
}

/// `time`: texts by version. Nothing where it is no map.
#[derive(Default)]
struct Times<'a>(Vec<(Cow<'a, str>, Loose<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Times<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Loose::deserialize(from)? {
            Loose::Map(entries) => Self(entries),
            _ => Self::default(),
        })
    }
}

/// `versions`: each is packed as soon as it was read, so that of a document with thousands only one at a time is held as
/// it was. None where it is no map; an entry that is `null` is left out.
#[derive(Default)]
struct Versions {
    packer: Packer,
    count: usize,
}

impl Versions {
    fn add(&mut self, text: &str, manifest: Option<Manifest<'_>>) {
        self.count += 1;
        if let Some(manifest) = manifest {
            self.packer.add(text, &manifest.reduce());
        }
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct VersionsVisitor;
        impl<'de> Visitor<'de> for VersionsVisitor {
            type Value = Versions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Versions, E> {
                Ok(Versions::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Versions, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Versions::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Versions, A::Error> {
                let mut out = Versions::default();
                while let Some((Text(text), manifest)) = map.next_entry::<Text<'de>, Option<Manifest<'de>>>()? {
                    out.add(&text, manifest);
                }
                Ok(out)
            }
        }
        from.deserialize_any(VersionsVisitor)
    }
}

impl Stored for Packument {
    fn encode(&self, out: &mut Writer) {
        out.text(self.name.written());
        out.list(self.dist_tags.iter(), |out, (tag, version)| {
            out.text(tag);
            out.text(version);
        });
        out.option(self.created, Writer::time);
        self.versions.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            name: PackageName::new(Ecosystem::Npm, from.text()?),
            dist_tags: from.list(|from| Some((from.string()?, from.string()?)))?,
            created: from.option(Reader::time)?,
            versions: VersionList::decode(from)?,
            registry: String::new(),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    /// Whole and in pieces it reads the same.
    fn read(body: &[u8], name: &PackageName) -> Result<Packument, String> {
        let whole = super::read(body, name);
        let pieces = read_pieces(&mut &*body, name);
        assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "{whole:?} and {pieces:?}");
        whole
    }

    fn name() -> PackageName {
        PackageName::new(Ecosystem::Npm, "@s/x")
    }

    const ODD: &str = r#"{"_id":"@s/x","name":"@s/x","dist-tags":{"latest":"2.0.0","odd":1},
      "time":{"created":"2015-01-01T00:00:00.000Z","modified":"x","1.0.0":"2015-01-01T00:00:00.000Z","9.9.9":"2016-01-01T00:00:00Z","unpublished":{"a":1}},
      "versions":{
       "1.0.0":{"name":"@s/x","dependencies":["a"],"bin":"./cli.js","os":"linux","engines":["node"],"deprecated":false,"scripts":"none",
                "bundledDependencies":true,"dist":{"shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709","tarball":"https://r.example/x.tgz"}},
       "2.0.0":{"name":"@s/x","dependencies":{"a":"^1","b":2},"optionalDependencies":{"a":"^1"},"peerDependencies":{"p":"*","q":"*"},
                "peerDependenciesMeta":{"p":{"optional":true},"q":{}},"bundleDependencies":["a"],"cpu":["x64","!arm"],
                "engines":{"node":">=18"},"deprecated":"use y","scripts":{"postinstall":"node x","test":"t","prepare":""},"gypfile":true,
                "bin":{"x":"x.js"},"_npmUser":{"name":"u","email":"e"},
                "dist":{"integrity":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
                        "shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709","unpackedSize":3,"attestations":{"url":"u"}}},
       "3.0.0":null}}"#;

    #[test]
    fn odd_shapes_are_read() {
        let p = read(ODD.as_bytes(), &name()).unwrap();
        assert_eq!(p.dist_tags, BTreeMap::from([("latest".to_owned(), "2.0.0".to_owned())]));
        let timed: Vec<&str> = p.versions.iter().filter(|v| v.published().is_some()).map(|v| v.text()).collect();
        assert_eq!(timed, ["1.0.0"]);
        assert!(p.created.is_some());
        let one = p.versions.version("1.0.0").unwrap();
        assert!(one.dependencies.is_empty() && one.deprecated.is_none() && one.bundled.is_empty());
        assert_eq!((one.bin.as_slice(), one.os.as_slice()), (&["x".to_owned()][..], &["linux".to_owned()][..]));
        assert_eq!(one.digests.len(), 1);
        let two = p.versions.version("2.0.0").unwrap();
        assert_eq!(two.dependencies.len(), 1);
        assert_eq!(
            (two.optional_peers.as_slice(), two.bundled.as_slice()),
            (&["p".to_owned()][..], &["a".to_owned()][..])
        );
        assert_eq!(two.lifecycle_scripts, ["postinstall"]);
        assert!(two.has_install_script && two.attested);
        assert_eq!(two.digests[0].algorithm(), DigestAlgorithm::Sha512);
        assert_eq!((two.publisher.as_deref(), two.engines_node.as_deref()), (Some("u"), Some(">=18")));
        let mut out = Writer::default();
        p.encode(&mut out);
        assert_eq!(Packument::decode(&mut Reader(&out.0)), Some(p));
    }

    #[test]
    fn of_what_stands_twice_the_last_counts_and_escapes_are_read() {
        let text = r#"{"name":"@s\u002fx","versions":{"2.0.0":{},"1.0.0":{"deprecated":"a","dist":{"tarball":"u","tarball":"v"}},
            "1.0.\u0030":{"deprecated":"b\nc","engines":{"node":"1","node":"2"}}},"time":{"1.0.0":"2015-01-01T00:00:00Z"}}"#;
        let p = read(text.as_bytes(), &name()).unwrap();
        assert_eq!(p.versions.iter().map(|v| v.text()).collect::<Vec<_>>(), ["1.0.0", "2.0.0"]);
        let one = p.versions.version("1.0.0").unwrap();
        assert_eq!((one.deprecated.as_deref(), one.engines_node.as_deref()), (Some("b\nc"), Some("2")));
        assert!(one.tarball.is_empty() && p.versions.published("1.0.0").is_some());
    }

    #[test]
    fn another_packages_answer_is_refused() {
        assert!(read(br#"{"name":"other","versions":{}}"#, &name()).unwrap_err().contains("other"));
        assert!(read(br#"{"error":"not found"}"#, &name()).is_err());
        assert!(read(b"[]", &name()).is_err());
        assert!(read(b"<html>", &name()).is_err());
        let unpublished = br#"{"name":"@s/x","time":{"unpublished":{"time":"2020-01-01T00:00:00Z"}}}"#;
        assert!(read(unpublished, &name()).unwrap().versions.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn hostile_packuments_never_panic(cut in 0_usize..ODD.len(), junk in "[\\[{\"a:,]{0,20}", bytes: Vec<u8>) {
            let mut text = ODD.as_bytes()[..cut].to_vec();
            text.extend(junk.bytes());
            let _ = read(&text, &name());
            let _ = read(&bytes, &name());
            let _ = Packument::decode(&mut Reader(&bytes));
        }
    }
}
