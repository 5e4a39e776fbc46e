//! What npm would run of packages, in npm's own words: its scripts are on, and the shell that it is told to start them
//! with writes down what it is asked to run, and runs nothing.
//!
//! That shell is a link to this program in a private directory of the run, known by its name and by the file that lies
//! beside it. In: `-c COMMAND` (`-c -- COMMAND` from some releases of npm 8), the directory and the variables that npm
//! starts it with. Out: a line in that file.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::enforce::EnforceError;
use crate::enforce::sandbox::environment::Scrubber;
use crate::enforce::sandbox::{Level, decode, encode};

/// The link's name.
const NAME: &str = "tidewaiter-records-scripts";
/// The file beside it.
const FILE: &str = "records";
/// The most that is read of it: 256 MiB.
const LONGEST: u64 = 256 << 20;

/// A text of the system's, whatever its bytes; in JSON with its bytes percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub OsString);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(Path::new(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(decode(&String::deserialize(deserializer)?).into_os_string()))
    }
}

/// One script that npm would have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    directory: Text,
    words: Vec<Text>,
    variables: Vec<(Text, Text)>,
}

impl Record {
    /// Where it would have run.
    pub fn directory(&self) -> &Path {
        Path::new(&self.directory.0)
    }

    /// What its shell would have been given, the command being the last word.
    pub fn words(&self) -> &[Text] {
        &self.words
    }

    /// The variables that it would have had, but for those that code of packages does not get.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (&*name.0, &*value.0))
    }

    /// One of them.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// `postinstall` and its like.
    pub fn event(&self) -> &str {
        self.variable("npm_lifecycle_event").and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Whether it can be run from what was noted: the command is the script itself. Some releases of npm 8 write the
    /// script to a file, which is gone when npm ends, and name that.
    pub fn is_whole(&self) -> bool {
        let command = match &*self.words {
            [flag, command] if flag.0 == "-c" => command,
            [flag, dashes, command] if flag.0 == "-c" && dashes.0 == "--" => command,
            _ => return false,
        };
        self.variable("npm_lifecycle_script") == Some(&command.0)
    }
}

/// A place for records, and the shell that makes them.
#[derive(Debug)]
pub(super) struct Recorder {
    directory: tempfile::TempDir,
}

impl Recorder {
    /// With `own`, this program's file. `None` where there can be none.
    pub fn new(own: &Path) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("tidewaiter-").tempdir().ok().filter(|_| own.is_file())?;
        link(own, &directory.path().join(NAME)).ok()?;
        let made = Self { directory };
        std::fs::File::create_new(made.file()).ok().map(|_| made)
    }

    /// What npm is told to start scripts with.
    pub fn shell(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    /// What npm's processes have to be able to write.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    /// What npm would have run, in its order. The records are gone then.
    pub fn read(self) -> Result<Vec<Record>, EnforceError> {
        let path = self.file();
        let failed = |reason: &str| EnforceError::unsupported(format!("what npm would have run {reason}"));
        let file = std::fs::File::open(&path).map_err(EnforceError::io(&path))?;
        if file.metadata().map_err(EnforceError::io(&path))?.len() > LONGEST {
            return Err(failed("is more than can be read; --ignore-scripts leaves it out"));
        }
        let lines = std::io::BufReader::new(file).lines();
        let record = |line: std::io::Result<String>| serde_json::from_str(&line.ok()?).ok();
        lines.map(record).collect::<Option<_>>().ok_or_else(|| failed("cannot be read"))
    }
}

#[cfg(unix)]
fn link(own: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(own, to)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Makes a record, if this process was started for that.
pub(super) fn run(argv: &[OsString]) -> Option<ExitCode> {
    let (shell, words) = argv.split_first()?;
    let shell = Path::new(shell);
    if shell.file_name()? != NAME {
        return None;
    }
    let Err(why) = note(&shell.with_file_name(FILE), words) else { return Some(ExitCode::SUCCESS) };
    // npm fails with this status, and shows the line.
    let why = crate::model::printable(&why, 500);
    let _ = writeln!(std::io::stderr(), "tidewaiter: this script could not be noted, so that nothing is run: {why}");
    Some(ExitCode::from(125))
}

fn note(file: &Path, words: &[OsString]) -> Result<(), String> {
    let directory = std::env::current_dir().map_err(|e| format!("its directory: {e}"))?;
    let record = Record {
        directory: Text(directory.into_os_string()),
        words: words.iter().cloned().map(Text).collect(),
        variables: variables(std::env::vars_os()),
    };
    let mut line = serde_json::to_string(&record).map_err(|e| e.to_string())?;
    line.push('\n');
    append(file, line.as_bytes()).map_err(|e| format!("{}: {e}", file.display()))
}

/// Without secrets: they would lie on disk until npm ends. What a package says of itself is none, however it calls it.
fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(Text, Text)> {
    let scrubber = Scrubber::new(Level::Script);
    let of_package = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("npm_package_") || name.starts_with("npm_lifecycle_")
    };
    let kept = all.filter(|(name, value)| of_package(name) || scrubber.keeps(name, value));
    kept.map(|(name, value)| (Text(name), Text(value))).collect()
}

/// Several are made at once; a line is there as a whole, or not at all.
fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    file.lock()?;
    let before = file.metadata()?.len();
    let done = file.write_all(line);
    if done.is_err() {
        file.set_len(before)?;
    }
    done
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_noted_is_read_back_byte_for_byte() {
        use std::os::unix::ffi::OsStringExt as _;
        let recorder = Recorder::new(&std::env::current_exe().unwrap()).unwrap();
        let long = "x".repeat(100_000);
        let commands = ["a 'b' \"c\"\n\\d %0A", "gr\u{fc}n", "", &long].map(OsString::from);
        let mut commands = commands.to_vec();
        commands.push(OsString::from_vec(vec![0xff, b'%', b'\n', 0x80]));
        for command in commands.iter().chain(commands.first()) {
            note(&recorder.file(), &["-c".into(), command.clone()]).unwrap();
        }
        let place = recorder.file();
        let read = recorder.read().unwrap();
        assert_eq!(read.len(), commands.len() + 1);
        for (record, command) in read.iter().zip(commands.iter().chain(commands.first())) {
            assert_eq!(record.words(), ["-c".into(), command.clone()].map(Text));
            assert_eq!(record.directory(), std::env::current_dir().unwrap());
            assert_eq!(record.variable("PATH"), std::env::var_os("PATH").as_deref());
        }
        assert!(!place.exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_its_own_name_makes_a_record() {
        let own = std::env::current_exe().unwrap();
        let recorder = Recorder::new(&own).unwrap();
        let shell = recorder.shell().into_os_string();
        assert!(run(&[own.into_os_string(), "-c".into(), "x".into()]).is_none() && run(&[]).is_none());
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(note(&elsewhere.path().join(FILE), &["-c".into(), "x".into()]).is_err(), "nothing is made anew");
        assert!(run(&[shell.clone(), "-c".into(), "x".into()]).is_some());
        assert!(run(&[shell, "-c".into(), "--".into(), "x".into()]).is_some());
        let read = recorder.read().unwrap();
        assert!(read.len() == 2 && !read.iter().any(Record::is_whole), "no npm started them");
        assert!(Recorder::new(Path::new("/nowhere")).is_none());
    }

    #[test]
    fn secrets_are_not_noted() {
        let pairs = [
            ("A", "x"),
            ("NPM_TOKEN", "x"),
            ("npm_config_//h/:_authToken", "x"),
            ("B", "http://u:p@h/"),
            ("npm_package_config_key", "x"),
            ("npm_lifecycle_script", "git clone http://u:p@h/"),
        ];
        let noted = variables(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        let names: Vec<_> = noted.iter().map(|(name, _)| name.0.to_str().unwrap()).collect();
        assert_eq!(names, ["A", "npm_package_config_key", "npm_lifecycle_script"]);
    }

    #[test]
    fn what_can_be_run_is_known_by_its_words() {
        let text = |text: &str| Text(text.into());
        for (words, whole) in [
            (&["-c", "x"][..], true),
            (&["-c", "--", "x"], true),
            (&["-c", "y"], false),
            (&["/tmp/postinstall-1.sh"], false),
            (&["-c", "/tmp/postinstall-1.sh"], false),
            (&["x"], false),
            (&["-c", "x", "y"], false),
            (&["-c", "-x", "x"], false),
            (&[], false),
        ] {
            let words = words.iter().map(|word| text(word)).collect();
            let variables =
                vec![(text("npm_lifecycle_script"), text("x")), (text("npm_lifecycle_event"), text("install"))];
            let record = Record { directory: text("/"), words, variables };
            assert_eq!((record.is_whole(), record.event()), (whole, "install"), "{record:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn many_are_noted_at_once() {
        let recorder = Recorder::new(&std::env::current_exe().unwrap()).unwrap();
        let file = recorder.file();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    for m in 0..10 {
                        note(file, &["-c".into(), format!("{n} {m} {}", "x".repeat(9000)).into()]).unwrap();
                    }
                });
            }
        });
        let mut read: Vec<_> = recorder.read().unwrap().iter().map(|r| r.words()[1].0.clone()).collect();
        read.sort();
        read.dedup();
        assert_eq!(read.len(), 80);
    }

    #[cfg(unix)]
    #[test]
    fn a_torn_record_is_an_error() {
        let recorder = Recorder::new(&std::env::current_exe().unwrap()).unwrap();
        append(&recorder.file(), b"{\"directory\": \"/\", \"comm").unwrap();
        assert!(recorder.read().is_err());
    }
}
