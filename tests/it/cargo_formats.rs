//! Cargo's formats against the suites of shared data.

use std::path::Path;

use serde_json::Value;
use tidewaiter::ecosystem::cargo::lock::Lockfile;
use tidewaiter::ecosystem::cargo::manifest::Manifest;
use tidewaiter::ecosystem::cargo::spec::{AddSpec, PackageSpec};
use tidewaiter::ecosystem::cargo::version;

use crate::support::shared_data;

fn json(part: &str) -> Option<Value> {
    let text = std::fs::read_to_string(shared_data(part)?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// The suite's texts were taken from source code: `\0` and bytes above 0x7f are spelt, not given.
fn spelt(text: &str) -> bool {
    text.contains("\\0") || !text.is_ascii()
}

#[test]
fn requirements_match_as_cargos_do() {
    let Some(suite) = json("suites/cargo-semver/version-req.json") else { return };
    let mut rows = 0;
    for row in suite["matches"].as_array().unwrap() {
        let (req, version) = (row["req"].as_str().unwrap(), row["version"].as_str().unwrap());
        assert_eq!(version::admits(req, version), row["expected"].as_bool(), "{req} {version}");
        rows += 1;
    }
    for row in suite["errors"].as_array().unwrap() {
        let req = row[0].as_str().unwrap();
        // The crate refuses empty text; here it is the absent requirement, which Cargo reads as any version.
        let expected = req.is_empty().then_some(true);
        assert_eq!(version::admits(req, "1.0.0"), expected, "{req}");
        rows += 1;
    }
    assert!(rows > 230, "{rows}");
}

#[test]
fn versions_parse_and_order_as_cargos_do() {
    let Some(suite) = json("suites/cargo-semver/version.json") else { return };
    for text in suite["parse_ok"].as_array().unwrap() {
        assert!(version::parse(text.as_str().unwrap()).is_some(), "{text}");
    }
    for row in suite["parse_err"].as_array().unwrap() {
        let text = row[0].as_str().unwrap();
        assert!(spelt(text) || version::parse(text).is_none(), "{text}");
    }
    for row in suite["compare"].as_array().unwrap() {
        let (a, op, b) = (row[0].as_str().unwrap(), row[1].as_str().unwrap(), row[2].as_str().unwrap());
        let order = version::compare(a, b).unwrap();
        let (negated, op) = op.strip_prefix('!').filter(|o| *o != "=").map_or((false, op), |o| (true, o));
        let holds = match op {
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            other => panic!("{other}"),
        };
        assert_eq!(holds, !negated, "{a} {op} {b}");
    }
}

#[test]
fn lockfiles_give_the_expected_packages() {
    let Some(root) = shared_data("suites/osv-lockfiles/cargolock") else { return };
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(root.join("expected.json")).unwrap()).unwrap();
    for case in cases.as_array().unwrap() {
        let path = root.join(case["Path"].as_str().unwrap());
        let (lock, diagnostics) = Lockfile::read(&path, &std::fs::read_to_string(&path).unwrap());
        if !case["Err"].as_str().unwrap().is_empty() {
            assert!(!diagnostics.is_empty(), "{}", path.display());
        }
        let found: Vec<(String, String)> =
            lock.packages.iter().map(|p| (p.name.to_string(), p.version.to_string())).collect();
        let expected: Vec<(String, String)> = case["Packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["Name"].as_str().unwrap().to_owned(), p["Version"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(found, expected, "{}", path.display());
        // The oracle's line is the first line after the header, comments included; ours is the line of `name`.
        for (package, oracle) in lock.packages.iter().zip(case["Packages"].as_array().unwrap()) {
            let line = oracle["Line"].as_u64().unwrap();
            assert!((line..line + 3).contains(&u64::from(package.line)), "{} {line}", package.line);
        }
    }
}

/// Every file under a folder whose name looks like a lockfile.
fn lockfiles(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lockfiles(&path, out);
        } else if path.file_name().unwrap().to_string_lossy().to_lowercase().contains("cargo.lock")
            || path.extension().is_some_and(|e| e == "lock") && path.to_string_lossy().contains("rustsec")
        {
            out.push(path);
        }
    }
}

#[test]
fn public_lockfiles_of_every_version_are_read_whole() {
    let mut paths = Vec::new();
    for part in ["suites/rustsec", "suites/osv-scanner", "bench"] {
        let Some(root) = shared_data(part) else { return };
        lockfiles(&root, &mut paths);
    }
    assert!(paths.len() > 20, "{}", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let (lock, diagnostics) = Lockfile::read(&path, &text);
        // Lockfiles cut down by hand for the scanners' tests name packages that were left out.
        // The same holds for the example of version 4, where edges name versions that are not in it.
        let cut =
            ["osv-scanner", "Cargo.lock.v4", "Cargo.lock.git-ref"].iter().any(|p| path.to_string_lossy().contains(p));
        let by_hand = path.to_string_lossy().contains("rustsec-support");
        let real: Vec<_> = diagnostics.iter().filter(|d| !(cut && d.message.contains("of this lockfile"))).collect();
        assert!(real.is_empty(), "{}: {real:?}", path.display());
        let headers = text.lines().filter(|l| *l == "[[package]]" || *l == "[root]").count();
        assert_eq!(lock.packages.len(), headers, "{}", path.display());
        for package in &lock.packages {
            let line = text.lines().nth(package.line as usize - 1).unwrap();
            assert_eq!(line, format!("name = \"{}\"", package.name), "{}", path.display());
            let crates_io = package.source_id().is_some_and(|s| s.is_crates_io());
            assert!(!crates_io || package.checksum.is_some() || cut || by_hand, "{} {}", path.display(), package.name);
        }
    }
}

#[test]
fn manifests_give_the_expected_packages() {
    let Some(root) = shared_data("suites/osv-lockfiles/cargotoml") else { return };
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(root.join("expected.json")).unwrap()).unwrap();
    for case in cases.as_array().unwrap() {
        let path = root.join(case["Path"].as_str().unwrap());
        let (manifest, diagnostics) = Manifest::read(&path, &std::fs::read_to_string(&path).unwrap());
        assert_eq!(!case["Err"].as_str().unwrap().is_empty(), !diagnostics.is_empty(), "{}", path.display());
        if !diagnostics.is_empty() {
            continue;
        }
        let mut found: Vec<(String, String)> =
            manifest.package.iter().map(|p| (p.name.clone(), p.version.clone())).collect();
        // The oracle lists a requirement's text as the version, and a git dependency only by a commit.
        found.extend(manifest.dependencies.iter().filter_map(|d| Some((d.name.clone(), d.version.clone()?))));
        let expected: Vec<(String, String)> = case["Packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["Name"].as_str().unwrap().to_owned(), p["Version"].as_str().unwrap().to_owned()))
            .filter(|(_, v)| !v.is_empty())
            .collect();
        assert_eq!(found, expected, "{}", path.display());
    }
}

#[test]
fn package_id_specifications_are_cargos() {
    let Some(suite) = json("suites/cargo-specs/package-id-spec.json") else { return };
    for case in suite["ok"].as_array().unwrap() {
        let input = case["input"].as_str().unwrap();
        let spec = PackageSpec::parse(input).unwrap_or_else(|| panic!("{input}"));
        assert_eq!(spec.name, case["name"].as_str().unwrap(), "{input}");
        assert_eq!(spec.version.as_ref().map(ToString::to_string).as_deref(), case["version"].as_str(), "{input}");
        // The suite leaves the URL out of one case that has one.
        if let Some(url) = case["url"].as_str() {
            assert_eq!(spec.url.as_deref(), Some(url), "{input}");
        }
        assert_eq!(spec.to_string(), case["display"].as_str().unwrap(), "{input}");
    }
    for bad in ["baz:", "baz:*", "baz:1.0.0.0", "@1.2", "", "https://baz:1.0", "https://#baz:1.0", "a/b", "1a", "a@"] {
        assert!(PackageSpec::parse(bad).is_none(), "{bad}");
    }
}

/// Every line that Cargo's own tests hold to succeed has words that are read; what is refused here, Cargo refuses.
#[test]
fn cargo_add_lines_are_read() {
    let Some(suite) = json("suites/cargo-specs/cargo-add-lines.json") else { return };
    let with_value = [
        "--registry",
        "--rename",
        "-p",
        "--package",
        "--features",
        "-F",
        "--branch",
        "--rev",
        "--tag",
        "--path",
        "--base",
        "--target",
        "--manifest-path",
    ];
    let mut read = 0;
    for line in suite.as_array().unwrap() {
        let text = line["args"].as_str().unwrap();
        let mut words = text.split_whitespace().skip(2).peekable();
        while let Some(word) = words.next() {
            if with_value.contains(&word) {
                words.next();
                continue;
            }
            if word == "--git" && words.peek().is_some_and(|w| w.contains("://")) {
                words.next();
                continue;
            }
            if word.starts_with('-') {
                continue;
            }
            read += 1;
            if AddSpec::parse(word).is_err() {
                assert_eq!(line["exit"].as_i64(), Some(101), "{text}");
            }
        }
    }
    assert!(read > 120, "{read}");
}
