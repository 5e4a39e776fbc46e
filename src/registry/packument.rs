//! A packument's JSON to [`Packument`]: tolerant of the shapes that twenty years of publishers left in it, and never
//! holding more than the document and what is kept of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::codec::{Reader, Stored, Writer};
use super::npm::{Packument, Version};
use super::version_list::VersionList;
use crate::model::{Digest, DigestAlgorithm, Ecosystem, PackageName, Timestamp};

/// The scripts npm runs for a dependency, or for one that it prepares from git.
const LIFECYCLE: [&str; 6] = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];

/// Reads the packument of `name`. The error is for people.
pub fn read(body: &[u8], name: &PackageName) -> Result<Packument, String> {
    let document: Document = serde_json::from_slice(body).map_err(|e| format!("JSON: {e}"))?;
    match document.name.text() {
        Some(own) if own == name.written() => {}
        Some(own) => return Err(format!("it answered for `{}`", crate::model::printable(own, 80))),
        // An unpublished package keeps its `time` and little else.
        None if document.time.0.is_empty() && document.versions.0.is_empty() => {
            return Err("it has neither a name nor versions".to_owned());
        }
        None => {}
    }
    let times: BTreeMap<String, Timestamp> =
        document.time.0.into_iter().filter_map(|(k, v)| Some((k, v.text()?.parse().ok()?))).collect();
    let versions: BTreeMap<String, Version> =
        document.versions.0.into_iter().filter_map(|(text, manifest)| Some((text, manifest?.reduce()))).collect();
    Ok(Packument {
        name: name.clone(),
        dist_tags: document.dist_tags.texts(),
        created: times.get("created").copied(),
        versions: VersionList::new(&versions, &times),
        registry: String::new(),
    })
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    name: Loose,
    #[serde(default, rename = "dist-tags")]
    dist_tags: Loose,
    #[serde(default)]
    versions: Entries<Option<Manifest>>,
    #[serde(default)]
    time: Entries<Loose>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    dependencies: Loose,
    #[serde(default)]
    optional_dependencies: Loose,
    #[serde(default)]
    peer_dependencies: Loose,
    #[serde(default)]
    peer_dependencies_meta: Loose,
    #[serde(default)]
    bundle_dependencies: Loose,
    #[serde(default)]
    bundled_dependencies: Loose,
    #[serde(default)]
    os: Loose,
    #[serde(default)]
    cpu: Loose,
    #[serde(default)]
    libc: Loose,
    #[serde(default)]
    engines: Loose,
    #[serde(default)]
    deprecated: Loose,
    #[serde(default)]
    scripts: Keys,
    #[serde(default)]
    has_install_script: Loose,
    #[serde(default)]
    gypfile: Loose,
    #[serde(default)]
    bin: Loose,
    #[serde(default)]
    name: Loose,
    #[serde(default)]
    dist: Dist,
    #[serde(default, rename = "_npmUser")]
    user: Loose,
}

#[derive(Default)]
struct Dist(BTreeMap<String, Loose>);

impl<'de> Deserialize<'de> for Dist {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Loose::deserialize(from)? {
            Loose::Map(entries) => Self(entries.into_iter().collect()),
            _ => Self::default(),
        })
    }
}

impl Manifest {
    fn reduce(self) -> Version {
        let dist = |key: &str| self.dist.0.get(key);
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
                Loose::Map(entries) => bundled.extend(entries.iter().map(|(name, _)| name.clone())),
                other => bundled.extend(other.list()),
            }
        }
        bundled.sort();
        bundled.dedup();
        let lifecycle: Vec<String> =
            LIFECYCLE.iter().filter(|s| self.scripts.0.iter().any(|k| k == *s)).map(|s| (*s).to_owned()).collect();
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
                    .map(|e| e.0.clone())
                    .collect(),
                _ => Vec::new(),
            },
            os: self.os.list(),
            cpu: self.cpu.list(),
            libc: self.libc.list(),
            engines_node: self.engines.get("node").and_then(Loose::text).map(str::to_owned),
            // `true` is no text, but it says the same.
            deprecated: match &self.deprecated {
                Loose::Text(reason) if !reason.is_empty() => Some(reason.clone()),
                Loose::Flag(true) => Some("deprecated".to_owned()),
                _ => None,
            },
            bin: match &self.bin {
                Loose::Map(entries) => entries.iter().map(|(name, _)| name.clone()).collect(),
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

/// Any JSON value. What has an unexpected shape is as if it were not there.
#[derive(Debug, Clone, Default, PartialEq)]
enum Loose {
    #[default]
    Nothing,
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<Loose>),
    Map(Vec<(String, Loose)>),
}

impl Loose {
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

    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The entries of a map whose values are texts.
    fn texts(self) -> BTreeMap<String, String> {
        match self {
            Self::Map(entries) => entries
                .into_iter()
                .filter_map(|(k, v)| match v {
                    Self::Text(t) => Some((k, t)),
                    _ => None,
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The texts of a list, or a text alone.
    fn list(&self) -> Vec<String> {
        match self {
            Self::Text(t) => vec![t.clone()],
            Self::List(items) => items.iter().filter_map(|i| i.text().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Flag(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Number(value))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }
    fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element()? {
            out.push(item);
        }
        Ok(Loose::List(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut out = Vec::new();
        while let Some(entry) = map.next_entry()? {
            out.push(entry);
        }
        Ok(Loose::Map(out))
    }
}

/// The keys of a map whose values are texts that are not empty; the texts (whole shell scripts) are not kept.
#[derive(Debug, Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Loose::deserialize(from)? {
            Loose::Map(entries) => Self(
                entries
                    .into_iter()
                    .filter(|(_, v)| v.text().is_some_and(|t| !t.trim().is_empty()))
                    .map(|(k, _)| k)
                    .collect(),
            ),
            _ => Self::default(),
        })
    }
}

/// A map, or nothing where something else stands. Entries that are no objects have their default.
struct Entries<T>(Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Entries<T>, E> {
                Ok(Entries::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<T>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entries::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Entries(out))
            }
        }
        from.deserialize_any(EntriesVisitor(std::marker::PhantomData))
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
