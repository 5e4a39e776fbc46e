//! A repository in which everything that a tool would run leaves a mark is judged by every command, and no mark appears.

use std::path::Path;

use crate::cli::{Sandbox, rules};

/// A script that leaves its mark however it is started.
fn trap(marker: &Path) -> String {
    format!("#!/bin/sh\ntouch '{}'\nexit 0\n", marker.display())
}

fn executable(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// An sdist whose setup.py and build backend leave the mark, with nothing static about its requirements.
fn sdist(marker: &Path) -> Vec<u8> {
    let python = format!("open({:?}, 'w').close()\n", marker.display().to_string());
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in [
        ("evil-1.0/setup.py", python.clone()),
        ("evil-1.0/backend.py", python),
        (
            "evil-1.0/pyproject.toml",
            "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n".to_owned(),
        ),
        ("evil-1.0/PKG-INFO", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n".to_owned()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn hostile_repository(sandbox: &Sandbox, marker: &Path) {
    let work = sandbox.work();
    let run = trap(marker);
    let python = format!("open({:?}, 'w').close()\n", marker.display().to_string());
    for program in [
        "evil.sh",
        "evil-toolchain/bin/cargo",
        "evil-toolchain/bin/rustc",
        ".venv/bin/python",
        ".venv/bin/python3",
        ".venv/bin/pip",
        "node_modules/.bin/evil",
        "git",
        "node",
        "npm",
        "python3",
        "cargo",
        "rustc",
    ] {
        executable(&work.join(program), &run);
    }
    sandbox
        .write(".venv/pyvenv.cfg", format!("home = {}/.venv/bin\nversion = 3.11.2\n", work.display()))
        .write(".venv/lib/python3.11/site-packages/evil.pth", format!("import os; {python}"))
        .write("sitecustomize.py", &python)
        .write("json.py", &python)
        .write("setup.py", &python)
        .write("backend.py", &python)
        .write("conftest.py", &python)
        .write(
            "pyproject.toml",
            "[project]\nname = \"victim\"\nversion = \"1\"\ndynamic = [\"dependencies\"]\n\
             [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
        )
        .write("requirements.txt", "--find-links wheels\n--no-index\nevil\n-e .\n./wheels/evil-1.0.tar.gz\n")
        .write("wheels/evil-1.0.tar.gz", sdist(marker))
        .write(
            "package.json",
            r#"{"name": "victim", "version": "1.0.0",
                "scripts": {"preinstall": "./evil.sh", "install": "./evil.sh", "postinstall": "./evil.sh", "prepare": "./evil.sh"},
                "dependencies": {"hooked": "git+https://git.invalid/a/hooked.git", "local": "file:./local"}}"#,
        )
        .write("local/package.json", r#"{"name": "local", "version": "1.0.0", "scripts": {"install": "../evil.sh"}}"#)
        .write("local/binding.gyp", "{}")
        .write(".npmrc", "script-shell=./evil.sh\nnode-options=--require ./evil.js\ngit=./evil.sh\n")
        .write(".yarnrc.yml", "yarnPath: ./evil.js\n")
        .write(".pnpmfile.cjs", format!("require('fs').writeFileSync({:?}, '')\n", marker.display().to_string()))
        .write("evil.js", format!("require('fs').writeFileSync({:?}, '')\n", marker.display().to_string()))
        .write(
            "Cargo.toml",
            "[package]\nname = \"victim\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n\
             [dependencies]\nhooked = { git = \"https://git.invalid/a/hooked\" }\n",
        )
        .write("build.rs", format!("fn main() {{ std::fs::write({:?}, \"\").unwrap() }}\n", marker.display().to_string()))
        .write("src/lib.rs", "")
        .write(
            ".cargo/config.toml",
            "[build]\nrustc = \"./evil.sh\"\nrustc-wrapper = \"./evil.sh\"\nrustc-workspace-wrapper = \"./evil.sh\"\n\
             rustdoc = \"./evil.sh\"\n[target.'cfg(all())']\nlinker = \"./evil.sh\"\nrunner = \"./evil.sh\"\n\
             [credential-alias]\nx = [\"./evil.sh\"]\n[registry]\nglobal-credential-providers = [\"./evil.sh\"]\n\
             [alias]\nb = \"run\"\n",
        )
        .write("rust-toolchain.toml", "[toolchain]\npath = \"./evil-toolchain\"\n")
        .write("rust-toolchain", "[toolchain]\npath = \"./evil-toolchain\"\n");
}

#[test]
fn no_program_of_a_repository_or_a_package_runs_while_it_is_judged() {
    let sandbox = Sandbox::new();
    let marker = sandbox.dir.path().join("marker");
    hostile_repository(&sandbox, &marker);
    let commands: &[&[&str]] = &[
        &["pip", "install", "."],
        &["pip", "install", "-e", "."],
        &["pip", "install", "-r", "requirements.txt"],
        &["pip", "install", "--no-index", "--find-links", "wheels", "evil"],
        &["pip", "download", "wheels/evil-1.0.tar.gz"],
        &["pip", "wheel", "."],
        &["python3", "-m", "pip", "install", "."],
        &["./.venv/bin/pip", "install", "."],
        &["./.venv/bin/python", "-m", "pip", "install", "."],
        &["pip", "--python", ".venv", "install", "."],
        &["uv", "pip", "install", "-r", "requirements.txt"],
        &["uv", "sync"],
        &["uv", "run", "evil"],
        &["uvx", "--from", ".", "evil"],
        &["poetry", "install"],
        &["pdm", "install"],
        &["pipx", "install", "."],
        &["npm", "install"],
        &["npm", "ci"],
        &["npm", "rebuild"],
        &["npm", "install", "./local"],
        &["npx", "evil"],
        &["pnpm", "install"],
        &["yarn"],
        &["yarn", "install"],
        &["bun", "install"],
        &["cargo", "build"],
        &["cargo", "b"],
        &["cargo", "test"],
        &["cargo", "run"],
        &["cargo", "fetch"],
        &["cargo", "metadata"],
        &["cargo", "generate-lockfile"],
        &["cargo", "update"],
        &["cargo", "add", "serde"],
        &["cargo", "install", "--path", "."],
        &["env", "RUSTC_WRAPPER=./evil.sh", "cargo", "build"],
    ];
    for words in commands {
        let mut command = sandbox.command(&[&["check", "--offline", "--format", "json", "--"], *words].concat());
        // The repository's own directory in front of PATH: the worst that an agent's session can have.
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", sandbox.work().display()))
            .env("VIRTUAL_ENV", sandbox.work().join(".venv"));
        let output = command.output().unwrap();
        let status = output.status.code().unwrap_or(-1);
        assert!([0, 10, 20].contains(&status), "{words:?}: {output:?}");
        assert!(!marker.exists(), "{words:?} ran something: {output:?}");
    }
    let ran = sandbox.run(&["audit", "--offline"]);
    assert!([10, 20].contains(&ran.status), "{ran:?}");
    assert!(!marker.exists(), "the audit ran something: {ran:?}");
}

#[test]
fn programs_that_a_project_names_are_findings() {
    let sandbox = Sandbox::new();
    let marker = sandbox.dir.path().join("marker");
    hostile_repository(&sandbox, &marker);
    for (words, key) in [
        (&["cargo", "build"][..], "rustc-wrapper"),
        (&["cargo", "build"], "rust-toolchain"),
        (&["npm", "install"], "script-shell"),
        (&["npm", "install"], "node-options"),
        (&["pnpm", "install"], "pnpmfile"),
    ] {
        let ran = sandbox.run(&[&["check", "--offline", "--format", "json", "--"], words].concat());
        let document = ran.json();
        assert!(rules(&document, "ask").contains(&"config-override".to_owned()), "{words:?}: {ran:?}");
        assert!(document["findings"].to_string().contains(key), "{words:?} does not name {key}: {ran:?}");
    }
}
