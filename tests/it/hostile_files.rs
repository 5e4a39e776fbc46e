//! Files and streams that are none: pipes, devices, directories, binaries, nesting without end, and an output that
//! cannot be written to. Each is answered at once, and never by a crash or an allowance.
#![cfg(unix)]

use std::process::Stdio;

use crate::cli::{Ran, Sandbox};
use crate::support::loopback::Loopback;
use crate::support::tools::{TOOLS, check, fresh, serve};

/// Runs within 20 seconds, or fails: nothing here may wait for what never comes.
fn in_time(sandbox: &Sandbox, words: &[&str]) -> Ran {
    let mut command = sandbox.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    for _ in 0..2000 {
        if child.try_wait().unwrap().is_some() {
            let ran = Ran::of(child.wait_with_output().unwrap(), sandbox.dir.path());
            assert!(!ran.stderr.contains("panicked"), "{words:?}: {ran:#?}");
            return ran;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("{words:?} did not end");
}

fn fifo(sandbox: &Sandbox, name: &str) {
    let made = std::process::Command::new("mkfifo").arg(sandbox.work().join(name)).status().unwrap();
    assert!(made.success());
}

#[test]
fn pipes_devices_and_directories_are_no_manifests() {
    let sandbox = Sandbox::new();
    fifo(&sandbox, "pipe.txt");
    std::fs::create_dir(sandbox.work().join("dir.txt")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", sandbox.work().join("zero.txt")).unwrap();
    std::os::unix::fs::symlink("loop.txt", sandbox.work().join("loop.txt")).unwrap();
    std::os::unix::fs::symlink("pipe.txt", sandbox.work().join("link.txt")).unwrap();
    for file in [
        "pipe.txt",
        "dir.txt",
        "zero.txt",
        "loop.txt",
        "link.txt",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/mem",
        "gone.txt",
    ] {
        let ran = in_time(&sandbox, &["check", "--offline", "--", "pip", "install", "-r", file]);
        assert_eq!(ran.status, 10, "{file}: {ran:#?}");
        let ran = in_time(&sandbox, &["check", "--offline", "--", "uv", "pip", "sync", file]);
        assert_eq!(ran.status, 10, "{file}: {ran:#?}");
    }
}

#[test]
fn what_a_pipe_or_a_device_would_have_run_is_not_known() {
    for (name, words) in [
        ("a.sh", &["sh", "./a.sh"][..]),
        ("fifo", &["sh", "./fifo"]),
        ("fifo", &["python3", "fifo"]),
        ("Makefile", &["make"]),
        ("Makefile", &["make", "deps"]),
        ("package.json", &["npm", "run", "x"]),
    ] {
        for device in [false, true] {
            let sandbox = Sandbox::new();
            if device {
                std::os::unix::fs::symlink("/dev/zero", sandbox.work().join(name)).unwrap();
            } else {
                fifo(&sandbox, name);
            }
            let ran = in_time(&sandbox, &[&["check", "--offline", "--"], words].concat());
            assert_eq!(ran.status, 10, "{name} {words:?}: {ran:#?}");
        }
    }
    let sandbox = Sandbox::new();
    let ran = in_time(&sandbox, &["check", "--offline", "--", "sh", "/dev/null"]);
    assert_eq!(ran.status, 0, "{ran:#?}");
}

#[test]
fn project_files_that_are_no_files_are_no_reason_to_wait() {
    for name in [
        "package.json",
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "Cargo.toml",
        "Cargo.lock",
        ".npmrc",
        "tidewaiter.toml",
        "pyproject.toml",
        "uv.lock",
        "poetry.lock",
        "Pipfile",
        "Pipfile.lock",
        "pylock.toml",
        ".cargo/config.toml",
        "uv.toml",
        "requirements.txt",
        "bunfig.toml",
        ".yarnrc.yml",
        "pnpm-workspace.yaml",
        "rust-toolchain.toml",
        ".python-version",
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(".cargo/keep", "");
        fifo(&sandbox, name);
        for words in [
            &["npm", "ci"][..],
            &["pnpm", "install"],
            &["yarn"],
            &["bun", "install"],
            &["cargo", "build"],
            &["uv", "sync"],
            &["poetry", "install"],
            &["pipenv", "sync"],
            &["pdm", "sync"],
            &["pip", "install", "-r", "requirements.txt"],
        ] {
            let ran = in_time(&sandbox, &[&["check", "--offline", "--"], words].concat());
            // A tool that does not read the file has nothing to install here.
            assert!([0, 10, 20].contains(&ran.status), "{name} {words:?}: {ran:#?}");
        }
        let ran = in_time(&sandbox, &["audit", "--offline"]);
        assert!([0, 10, 20].contains(&ran.status), "{name}: {ran:#?}");
    }
}

/// 100 MB of each manifest (sparse on disk), and 8 MB of bytes that are no text.
#[test]
fn huge_and_binary_manifests_are_refused_by_size_or_kind() {
    let noise: Vec<u8> = (0..1_u32 << 18).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    for (name, words) in [
        ("package.json", &["npm", "install"][..]),
        ("package-lock.json", &["npm", "ci"]),
        ("yarn.lock", &["yarn"]),
        ("pnpm-lock.yaml", &["pnpm", "install"]),
        ("bun.lock", &["bun", "install"]),
        ("Cargo.toml", &["cargo", "build"]),
        ("Cargo.lock", &["cargo", "build"]),
        ("requirements.txt", &["pip", "install", "-r", "requirements.txt"]),
        ("pylock.toml", &["pip", "install", "-r", "pylock.toml"]),
        ("pyproject.toml", &["uv", "sync"]),
        ("uv.lock", &["uv", "sync", "--frozen"]),
        ("poetry.lock", &["poetry", "install"]),
        ("pdm.lock", &["pdm", "sync"]),
        ("Pipfile.lock", &["pipenv", "sync"]),
        (".npmrc", &["npm", "install", "tw-good"]),
    ] {
        for huge in [true, false] {
            let sandbox = Sandbox::new();
            if !matches!(name, "package.json" | "Cargo.toml" | "pyproject.toml" | "requirements.txt" | "pylock.toml") {
                sandbox.write(
                    "package.json",
                    "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"a\": \"1\"}}",
                );
                sandbox.write("pyproject.toml", "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"a\"]\n");
                sandbox
                    .write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\na = \"1\"\n");
                sandbox.write("Pipfile", "[packages]\na = \"*\"\n");
                sandbox.write("src/main.rs", "");
            }
            if huge {
                std::fs::File::create(sandbox.work().join(name)).unwrap().set_len(100 << 20).unwrap();
            } else {
                sandbox.write(name, &noise);
            }
            let ran = in_time(&sandbox, &[&["check", "--offline", "--"], words].concat());
            assert!([10, 20].contains(&ran.status), "{name} {huge}: {ran:?}");
        }
    }
}

#[test]
fn nesting_without_end_is_cut() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    for (name, text, words) in [
        ("package.json", format!("{{\"dependencies\": {}}}", deep("{\"a\":", "}")), &["npm", "install"][..]),
        ("package-lock.json", format!("{{\"lockfileVersion\": 3, \"packages\": {}}}", deep("[", "]")), &["npm", "ci"]),
        ("package.json", deep("[", ""), &["npm", "install"]),
        ("Pipfile.lock", deep("{\"a\":", ""), &["pipenv", "sync"]),
        ("pyproject.toml", format!("a = {}", deep("[", "]")), &["uv", "sync"]),
        ("Cargo.toml", format!("a = {}", deep("{ a = ", "}")), &["cargo", "build"]),
        ("Cargo.toml", format!("{}b = 1", "a.".repeat(200_000)), &["cargo", "build"]),
        ("pnpm-lock.yaml", format!("a: {}", deep("[", "]")), &["pnpm", "install"]),
        (
            "pnpm-lock.yaml",
            format!("lockfileVersion: '9.0'\na: &a [x]\nb: {}\n", "[*a, ".repeat(50_000)),
            &["pnpm", "install"],
        ),
        ("requirements.txt", format!("a; {}", deep("(", ")")), &["pip", "install", "-r", "requirements.txt"]),
        ("requirements.txt", "-r requirements.txt\n".repeat(1000), &["pip", "install", "-r", "requirements.txt"]),
        ("tidewaiter.toml", format!("a = {}", deep("[", "]")), &["npm", "install", "x"]),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("package.json", "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"a\": \"1\"}}");
        sandbox.write(name, &text);
        let ran = in_time(&sandbox, &[&["check", "--offline", "--"], words].concat());
        assert!([10, 20].contains(&ran.status), "{name}: {ran:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_never_a_clearance() {
    let server = Loopback::start();
    serve(&server);
    let sandbox = fresh(&TOOLS[2], &server);
    for format in ["human", "json", "sarif", "github", "cyclonedx", "html"] {
        let words = ["check", "--format", format, "--", "npm", "install", "tw-good"];
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = sandbox.command(&words).stdout(full).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(1), "{format}: nobody saw the verdict");
        // Closed altogether, also together with the other two.
        for redirect in [">&-", ">&- 2>&-", "<&- >&- 2>&-"] {
            let line = format!("exec \"$0\" \"$@\" {redirect}");
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &line, env!("CARGO_BIN_EXE_tidewaiter")]).args(words);
            shell.current_dir(sandbox.work()).env("HOME", sandbox.dir.path().join("home"));
            let status = shell.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            // A closed stream is the caller's choice, and the status still tells the verdict; it is no crash.
            assert!(matches!(status.code(), Some(0 | 1)), "{format} {redirect}: {status:?}");
        }
        // A reader that goes away after the first byte.
        let mut command = sandbox.command(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        assert!(matches!(child.wait().unwrap().code(), Some(0)), "{format}: a broken pipe is no error");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let denied = ["audit", "--offline", "requirements.txt"];
    sandbox.write("requirements.txt", "litellm==1.82.8\n");
    let status = sandbox.command(&denied).stdout(full).stderr(Stdio::null()).status().unwrap();
    assert!(matches!(status.code(), Some(1 | 20)), "{status:?}");
}

/// 20,000 words, and words of a megabyte in all.
#[test]
fn as_many_arguments_as_a_system_passes() {
    let server = Loopback::start();
    serve(&server);
    for tool in TOOLS.iter().filter(|t| matches!(t.words, ["pip", ..] | ["npm", ..] | ["cargo", ..])) {
        let sandbox = fresh(tool, &server);
        let names: Vec<String> = (0..20_000).map(|n| format!("tw-{n}")).collect();
        let words: Vec<&str> = tool.words.iter().copied().chain(names.iter().map(String::as_str)).collect();
        let started = std::time::Instant::now();
        let ran = check(&sandbox, &["--offline"], &words);
        assert_eq!(ran.status, 10, "{:?}: {:.300}", tool.words, ran.stdout);
        assert!(started.elapsed().as_secs() < 10, "{:?}: {:?}", tool.words, started.elapsed());
        assert!(ran.stdout.len() < 1 << 20, "{:?}: {} bytes said", tool.words, ran.stdout.len());
        let long = "x".repeat(100_000);
        let many: Vec<&str> = tool.words.iter().copied().chain([long.as_str(); 8]).collect();
        assert_ne!(check(&sandbox, &["--offline"], &many).status, 0, "{:?}", tool.words);
    }
    let sandbox = Sandbox::new();
    let script = "pip install a; ".repeat(8000);
    let started = std::time::Instant::now();
    let ran = sandbox.run(&["check", "--offline", "--shell", &script]);
    assert_eq!(ran.status, 10, "{:.300}", ran.stdout);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
