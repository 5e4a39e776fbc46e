//! What a command does that is neither an install nor a change of a file: privilege, persistence, the history of a
//! repository, hosts that are spoken to, releases that are published, remote code that is run, credentials that leave.
//!
//! In: the words of one simple command, with what stands before it in its pipeline. Out: [`Conduct`]s. Programs are
//! tables; a program that stands in none of them does nothing that is known here. Whether a host or a remote is trusted
//! is not decided here.

use super::operation::{program, runs_code};
use crate::model::Location;

/// The kind of a conduct. Each has a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// More rights than the user's own.
    Privilege,
    /// Something that runs later, by itself.
    Persistence,
    /// Commits or refs that cannot be brought back.
    History,
    /// A host is spoken to.
    Network,
    /// A git remote is written to, or set.
    Remote,
    /// A release or an image is made public.
    Publish,
    /// Code from the network is run.
    RemoteCode,
    /// Credentials are read, or leave this machine.
    Credentials,
}

/// One thing that a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conduct {
    /// Which rule it concerns.
    pub kind: Kind,
    /// What it does: a fragment after "it".
    pub what: String,
    /// The program with its verbs and options, without its operands.
    pub by: String,
    /// One of the dangerous few: a person decides, whatever the rule's own level.
    pub grave: bool,
    /// The other side: a host, a URL, a bucket, an image. As it is written.
    pub peer: Option<String>,
    /// The credentials concerned, by what they are called: `.env`, `the environment`, `$API_TOKEN`.
    pub secret: Option<String>,
    /// The file and line in which the command stands, when it was found in one.
    pub at: Option<Location>,
}

/// A command in its place.
pub(super) struct Command<'a> {
    /// The words; as written where they are not known.
    pub texts: &'a [String],
    /// The words as written.
    pub raws: &'a [String],
    /// It reads what another command prints.
    pub piped: bool,
    /// Those before it in its pipeline that matter ([`matters_downstream`]), in order: their words, and as written.
    pub upstream: &'a [(Vec<String>, Vec<String>)],
    /// It reads what an earlier command of the line fetched.
    pub runs_fetched: bool,
    /// Redirections to files: the targets.
    pub writes: &'a [String],
}

/// Whether it runs text that it is given, be it in the shell itself.
fn runs_text(name: &str) -> bool {
    runs_code(name) || matches!(name, "source" | "." | "eval") || name.starts_with("pwsh")
}

const FETCHERS: &[&str] = &["curl", "wget", "fetch", "http", "https", "xh", "aria2c", "lynx", "iwr", "gh"];

/// Programs that do something that is looked at here.
const KNOWN: &[&str] = &[
    "su",
    "pkexec",
    "runas",
    "chmod",
    "setcap",
    "visudo",
    "usermod",
    "useradd",
    "adduser",
    "passwd",
    "gpasswd",
    "dscl",
    "chpasswd",
    "date",
    "timedatectl",
    "hwclock",
    "systemsetup",
    "nsenter",
    "insmod",
    "modprobe",
    "kextload",
    "setenforce",
    "ufw",
    "iptables",
    "nft",
    "spctl",
    "csrutil",
    "crontab",
    "at",
    "batch",
    "systemctl",
    "launchctl",
    "update-rc.d",
    "chkconfig",
    "rc-update",
    "schtasks",
    "systemd-run",
    "pm2",
    "loginctl",
    "ssh-copy-id",
    "reg",
    "iex",
    "git",
    "gh",
    "curl",
    "wget",
    "http",
    "https",
    "xh",
    "scp",
    "rsync",
    "sftp",
    "ssh",
    "mosh",
    "telnet",
    "ftp",
    "nc",
    "ncat",
    "netcat",
    "socat",
    "dig",
    "nslookup",
    "host",
    "ping",
    "mail",
    "mailx",
    "sendmail",
    "mutt",
    "msmtp",
    "swaks",
    "aws",
    "gsutil",
    "gcloud",
    "az",
    "rclone",
    "s3cmd",
    "mc",
    "azcopy",
];

/// Programs that read files, and so credentials.
const READERS: &[&str] = &[
    "cat", "less", "more", "head", "tail", "bat", "xxd", "od", "hexdump", "strings", "base64", "openssl", "grep",
    "awk", "sed", "cp", "tar", "zip", "gzip", "nl", "tac", "rev", "sort", "diff", "pbcopy", "xclip",
];

/// Whether a program of this name does something that is looked at.
pub(super) fn knows(name: &str) -> bool {
    [KNOWN, PUBLISHERS, READERS].iter().any(|names| names.contains(&name)) || runs_text(name)
}

/// Whether what a command prints matters to those after it in its pipeline: it prints credentials, or fetches.
pub(super) fn matters_downstream(texts: &[String], raws: &[String]) -> bool {
    let fetches = texts.first().is_some_and(|w| FETCHERS.contains(&program(w).as_str()));
    fetches
        || dumps(texts).is_some()
        || texts.iter().skip(1).any(|w| secret_file(w).is_some())
        || raws.iter().any(|w| secret_variable(w).is_some())
}

/// A text that does more than is read: what the rest does is not known.
pub(super) fn more_than_is_read() -> Conduct {
    Conduct {
        kind: Kind::Privilege,
        what: "does more than can be read here".to_owned(),
        by: String::new(),
        grave: true,
        peer: None,
        secret: None,
        at: None,
    }
}

/// Reads one command.
pub(super) fn read(command: &Command<'_>) -> Vec<Conduct> {
    let Some(first) = command.texts.first() else { return Vec::new() };
    let name = program(first);
    let mut out = Vec::new();
    privilege(&name, command, &mut out);
    persistence(&name, command, &mut out);
    remote_code(&name, command, &mut out);
    credentials_read(&name, command, &mut out);
    match name.as_str() {
        "git" => git(command, &mut out),
        "gh" => github(command, &mut out),
        "curl" | "wget" | "http" | "https" | "xh" => web(&name, command, &mut out),
        "scp" | "rsync" | "sftp" => copies(&name, command, &mut out),
        "ssh" | "mosh" | "telnet" | "ftp" => opens(&name, command, &mut out),
        "nc" | "ncat" | "netcat" | "socat" => sockets(&name, command, &mut out),
        "dig" | "nslookup" | "host" | "ping" => queries(&name, command, &mut out),
        "mail" | "mailx" | "sendmail" | "mutt" | "msmtp" | "swaks" => {
            out.push(sent(command, &name, "sends mail", None, true));
        }
        "aws" | "gsutil" | "gcloud" | "az" | "rclone" | "s3cmd" | "mc" | "azcopy" => buckets(&name, command, &mut out),
        _ => publishes(&name, command, &mut out),
    }
    for target in command.writes {
        if let Some(peer) = target.strip_prefix("/dev/tcp/").or_else(|| target.strip_prefix("/dev/udp/")) {
            out.push(sent(command, &name, "opens a connection of its own", Some(peer.replace('/', ":")), true));
        }
    }
    out
}

fn conduct(kind: Kind, what: &str, command: &Command<'_>, grave: bool) -> Conduct {
    Conduct { kind, what: what.to_owned(), by: by(command.texts), grave, peer: None, secret: None, at: None }
}

/// The program with its verbs and short options, for people. Operands may hold secrets.
fn by(words: &[String]) -> String {
    let plain =
        |w: &&String| w.len() <= 32 && w.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let mut out: Vec<String> = words.first().map(|w| program(w)).into_iter().collect();
    out.extend(words.iter().skip(1).take(4).take_while(plain).cloned());
    out.join(" ")
}

fn has(words: &[String], wanted: &[&str]) -> bool {
    words.iter().any(|w| wanted.contains(&w.as_str()))
}

/// Whether a cluster of short options holds a letter.
fn short(words: &[String], letter: char) -> bool {
    words.iter().any(|w| w.len() > 1 && w.starts_with('-') && !w.starts_with("--") && w.contains(letter))
}

fn privilege(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = command.texts;
    let found = match name {
        "sudo" | "doas" | "su" | "pkexec" | "runas" => Some(("runs with another account's rights", false)),
        "chmod" if words.iter().skip(1).any(|w| setuid(w)) => Some(("makes a file run with its owner's rights", true)),
        "setcap" => Some(("gives a program more rights than its user's", true)),
        "visudo" | "usermod" | "useradd" | "adduser" | "passwd" | "gpasswd" | "dscl" | "chpasswd" => {
            Some(("changes accounts or their rights", true))
        }
        "docker" | "podman" | "nerdctl" if has(words, &["run", "exec", "create"]) && escapes(words) => {
            Some(("starts a container with the machine's own rights", true))
        }
        // The age of a release, and the end of an exception, go by it.
        "date" | "timedatectl" | "hwclock" | "systemsetup" if sets_the_clock(name, words) => {
            Some(("sets the machine's clock", true))
        }
        "nsenter" | "insmod" | "modprobe" | "kextload" => {
            Some(("reaches into the system's kernel or namespaces", true))
        }
        "setenforce" | "ufw" | "iptables" | "nft" | "spctl" | "csrutil" => {
            let reads = words.len() < 2 || has(words, &["-L", "-S", "status", "list", "--status"]);
            (!reads).then_some(("changes the machine's own protections", true))
        }
        _ => None,
    };
    out.extend(found.map(|(what, grave)| conduct(Kind::Privilege, what, command, grave)));
}

fn sets_the_clock(name: &str, words: &[String]) -> bool {
    match name {
        // `date -s TEXT`, `date MMDDhhmm`.
        "date" => words.iter().skip(1).any(|w| {
            w == "-s" || w.starts_with("--set") || (w.len() >= 8 && w.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        }),
        "timedatectl" => has(words, &["set-time", "set-ntp"]),
        "hwclock" => has(words, &["--set", "--hctosys", "-s"]),
        _ => has(words, &["-setdate", "-settime", "-setusingnetworktime"]),
    }
}

fn setuid(mode: &str) -> bool {
    let symbolic = mode.contains("+s") || mode.contains("=s") || mode.contains("u+rws") || mode.contains("u+xs");
    let octal = mode.len() == 4 && mode.starts_with(['2', '4', '6', '7']) && mode.bytes().all(|b| b.is_ascii_digit());
    symbolic || octal
}

/// Options of a container that leave little of it.
fn escapes(words: &[String]) -> bool {
    let mounts = |w: &String| w.starts_with("/:") || w.contains("docker.sock") || w.contains("source=/,") || w == "/";
    words
        .iter()
        .any(|w| w.starts_with("--privileged") || w == "--pid=host" || w == "--cap-add=ALL" || w.contains("SYS_ADMIN"))
        || words.windows(2).any(|w| matches!(w[0].as_str(), "-v" | "--volume" | "--mount") && mounts(&w[1]))
        || words
            .iter()
            .any(|w| w.strip_prefix("--volume=").or_else(|| w.strip_prefix("-v")).is_some_and(|v| v.starts_with("/:")))
}

fn persistence(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = command.texts;
    let rest = words.get(1..).unwrap_or_default();
    let what = match name {
        "crontab" => (!short(rest, 'l')).then_some("sets what cron runs"),
        "at" | "batch" => (!short(rest, 'l') && !short(rest, 'c')).then_some("sets a command to run later"),
        "systemctl" => has(rest, &["enable", "link", "edit", "set-default", "preset"])
            .then_some("sets a service to start by itself"),
        "launchctl" => {
            has(rest, &["load", "bootstrap", "enable", "submit"]).then_some("sets an agent to start by itself")
        }
        "update-rc.d" | "chkconfig" | "rc-update" => Some("sets a service to start by itself"),
        "schtasks" => has(rest, &["/create", "/Create", "/CREATE"]).then_some("sets a task to run by itself"),
        "systemd-run" => rest.iter().any(|w| w.starts_with("--on-")).then_some("sets a command to run later"),
        "pm2" => has(rest, &["startup", "save"]).then_some("sets a program to start by itself"),
        "loginctl" => has(rest, &["enable-linger"]).then_some("keeps the user's services running without a login"),
        "ssh-copy-id" => Some("lets a key log in"),
        "reg" => words.join(" ").to_ascii_lowercase().contains("\\run").then_some("sets a program to start at login"),
        _ => None,
    };
    out.extend(what.map(|what| conduct(Kind::Persistence, what, command, true)));
}

/// The URL or host that a command's words name first.
fn url(words: &[String]) -> Option<String> {
    let found = words.iter().find(|w| w.contains("://") && !w.starts_with('-'));
    let inside = || words.iter().find_map(|w| Some(w.get(w.find("http")?..)?.to_owned()).filter(|u| u.contains("://")));
    found.cloned().or_else(inside).map(|u| u.split([' ', '"', '\'', ')', '`']).next().unwrap_or_default().to_owned())
}

fn remote_code(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let runs = runs_text(name) || name == "iex";
    let mut peer = None;
    let mut found = false;
    if runs {
        // `curl … | sh`, `curl … | gunzip | sh`.
        let reads = command.texts.iter().skip(1).all(|w| w.starts_with('-') || w == "/dev/stdin") || name == "iex";
        let fetcher =
            command.upstream.iter().find(|(w, _)| w.first().is_some_and(|w| FETCHERS.contains(&program(w).as_str())));
        if let (true, Some((words, _))) = (reads || short(command.texts, 's'), fetcher) {
            found = true;
            peer = url(words);
        }
        // `bash -c "$(curl …)"`, `bash <(curl …)`.
        let substitutes =
            |w: &String| FETCHERS.iter().any(|f| ["$(", "<(", "`"].iter().any(|s| w.contains(&format!("{s}{f} "))));
        if let Some(word) = command.raws.iter().skip(1).find(|w| substitutes(w)) {
            found = true;
            peer = url(std::slice::from_ref(word));
        }
    }
    if found || command.runs_fetched {
        let mut one = conduct(Kind::RemoteCode, "runs what it fetches from the network", command, true);
        one.peer = peer;
        out.push(one);
    }
}

/// Names of files that hold credentials: what a path ends with, or has as a part.
const SECRET_FILES: &[&str] = &[
    ".ssh/id_",
    ".ssh/identity",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    ".aws/credentials",
    ".netrc",
    ".git-credentials",
    ".pypirc",
    ".docker/config.json",
    ".kube/config",
    ".config/gcloud/",
    ".gnupg/",
    ".cargo/credentials",
    ".config/gh/hosts.yml",
    ".vault-token",
    "/etc/shadow",
    "/proc/self/environ",
    ".azure/",
    "application_default_credentials",
    "Login Data",
    "cookies.sqlite",
    "key4.db",
    "wallet.dat",
    ".bash_history",
    ".zsh_history",
    "service-account.json",
    "kubeconfig",
    "Keychains",
    ".terraform.d/credentials",
    ".npmrc",
];

/// What credentials a text of files names.
fn secret_file(text: &str) -> Option<String> {
    if let Some(found) = SECRET_FILES.iter().find(|f| text.contains(**f)).filter(|_| !text.ends_with(".pub")) {
        return Some((*found).trim_start_matches('/').trim_end_matches('/').to_owned());
    }
    let names = text.split(['/', ' ', '"', '\'', '(', ')', '=', '@', '<', ';', ',', '`', '|']);
    let mut names = names.filter(|n| !n.is_empty());
    names
        .find(|n| {
            let env = *n == ".env"
                || n.strip_prefix(".env.").is_some_and(|kind| {
                    !["example", "sample", "template", "dist", "defaults", "schema"].iter().any(|k| kind.ends_with(k))
                });
            env || [".pem", ".p12", ".pfx", ".jks", ".kdbx"].iter().any(|e| n.ends_with(e))
        })
        .map(str::to_owned)
}

/// A variable whose name says that it holds a credential.
fn secret_variable(raw: &str) -> Option<String> {
    const PARTS: &[&str] =
        &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL"];
    raw.split('$').skip(1).find_map(|after| {
        let after = after.trim_start_matches('{');
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let name = after.get(..end)?;
        PARTS.iter().any(|p| name.to_ascii_uppercase().contains(p)).then(|| format!("${name}"))
    })
}

/// Whether a command prints every variable, or a secret that a tool keeps.
fn dumps(words: &[String]) -> Option<&'static str> {
    let name = words.first().map(|w| program(w))?;
    let rest = words.get(1..).unwrap_or_default();
    let verbs: Vec<&str> = rest.iter().map(String::as_str).filter(|w| !w.starts_with('-')).collect();
    match (name.as_str(), verbs.as_slice()) {
        ("env" | "printenv", []) | ("set", []) => Some("the environment"),
        ("export" | "declare" | "typeset", []) => Some("the environment"),
        ("gh", ["auth", "token", ..]) | ("gcloud", ["auth", ..]) => Some("an access token"),
        ("security", [verb, ..]) if verb.starts_with("find-") || *verb == "dump-keychain" => Some("the keychain"),
        ("op" | "vault" | "pass" | "bw", ["read" | "show" | "get" | "kv" | "item", ..]) => Some("a password"),
        ("kubectl", ["get", "secret" | "secrets", ..]) => Some("a cluster's secrets"),
        ("aws", ["configure", "export-credentials", ..] | ["sts", ..] | ["secretsmanager", ..]) => {
            Some("cloud credentials")
        }
        ("history", _) => Some("the shell's history"),
        _ => None,
    }
}

/// Credentials that a command would hand to what it speaks to.
fn carried(command: &Command<'_>, words: &[String]) -> Option<String> {
    for (texts, raws) in command.upstream {
        if let Some(found) = dumps(texts) {
            return Some(found.to_owned());
        }
        if let Some(found) =
            texts.iter().skip(1).find_map(|w| secret_file(w)).or_else(|| raws.iter().find_map(|w| secret_variable(w)))
        {
            return Some(found);
        }
    }
    let substituted = |w: &String| {
        ["$(env)", "$(printenv)", "`env`", "$(env |", "$(printenv |", "$(set)", "$(export"]
            .iter()
            .any(|s| w.contains(s))
    };
    if words.iter().any(substituted) {
        return Some("the environment".to_owned());
    }
    words.iter().find_map(|w| secret_file(w))
}

fn credentials_read(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    if !READERS.contains(&name) {
        return;
    }
    if let Some(secret) = command.texts.iter().skip(1).filter(|w| !w.starts_with('-')).find_map(|w| secret_file(w)) {
        let mut one = conduct(Kind::Credentials, "reads credentials", command, false);
        one.secret = Some(secret);
        out.push(one);
    }
}

/// A conduct of sending, and of the credentials that go with it.
fn sent(command: &Command<'_>, name: &str, what: &str, peer: Option<String>, grave: bool) -> Conduct {
    let raws = command.raws.get(1..).unwrap_or_default();
    let secret = carried(command, raws).filter(|_| name != "ssh");
    let mut one = conduct(Kind::Network, what, command, grave);
    if let Some(secret) = secret {
        one.kind = Kind::Credentials;
        "sends credentials away".clone_into(&mut one.what);
        one.secret = Some(secret);
        one.grave = true;
    }
    one.peer = peer;
    one
}

/// The value that an option of the table takes, however it is written; `None` for other words.
fn option_value<'w>(words: &'w [String], at: usize, options: &[&str]) -> Option<&'w str> {
    let word = words.get(at)?;
    let next = || words.get(at + 1).map(String::as_str);
    options.iter().find_map(|option| {
        if word == option {
            return next();
        }
        if let Some(attached) = word.strip_prefix(option) {
            if option.starts_with("--") {
                return attached.strip_prefix('=');
            }
            return (!word.starts_with("--")).then_some(attached);
        }
        // `-sSd VALUE`
        let letter = option.strip_prefix('-').filter(|l| l.len() == 1)?;
        let cluster = word.len() > 2 && word.starts_with('-') && !word.starts_with("--") && word.ends_with(letter);
        let letters = word.chars().skip(1).all(|c| c.is_ascii_alphabetic());
        if cluster && letters { next() } else { None }
    })
}

const BODY: &[&str] = &[
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-ascii",
    "--data-urlencode",
    "--json",
    "-F",
    "--form",
    "--form-string",
    "-T",
    "--upload-file",
    "--post-data",
    "--post-file",
    "--body-data",
    "--body-file",
];
const FILES: &[&str] = &["-T", "--upload-file", "--post-file", "--body-file"];
/// Where tokens belong: what a host is told about its caller.
const IDENTITY: &[&str] =
    &["-H", "--header", "-u", "--user", "--oauth2-bearer", "-b", "--cookie", "--cert", "--key", "-E", "--netrc-file"];
const OTHER: &[&str] = &[
    "-o",
    "--output",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-m",
    "--max-time",
    "-w",
    "--write-out",
    "-x",
    "--proxy",
    "--cacert",
    "--resolve",
    "--retry",
    "--connect-timeout",
    "-X",
    "--request",
    "-c",
    "--cookie-jar",
    "-O",
    "-P",
    "--retry-delay",
    "--limit-rate",
    "-K",
    "--config",
    "--max-redirs",
    "-t",
    "--tries",
    "--timeout",
    "-r",
    "--range",
];

fn web(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = command.texts;
    let (mut urls, mut carries, mut sends, mut files) = (Vec::new(), Vec::new(), false, false);
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let raw = command.raws.get(at).unwrap_or(word);
        at += 1;
        let index = at - 1;
        if let Some(value) = option_value(words, index, BODY) {
            sends = true;
            let own = option_value(words, index, FILES).is_some();
            files |= own || value.starts_with('@') || value.contains("=@") || value.contains("=<") || value == "-";
            let taken = words.get(index + 1).is_some_and(|next| std::ptr::eq(next.as_str(), value));
            let shown = if taken { command.raws.get(index + 1).unwrap_or(raw) } else { raw };
            files |= shown.contains("$(") || shown.contains('`');
            carries.push(shown.clone());
            at += usize::from(taken);
        } else if option_value(words, index, IDENTITY)
            .or_else(|| option_value(words, index, OTHER))
            .is_some_and(|value| words.get(index + 1).is_some_and(|next| std::ptr::eq(next.as_str(), value)))
        {
            at += 1;
        } else if !word.starts_with('-') {
            urls.push(word.clone());
            carries.push(raw.clone());
        }
    }
    // httpie: `http POST host key=value @file`.
    if matches!(name, "http" | "https" | "xh") {
        urls.retain(|w| !matches!(w.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS"));
        sends |= urls.iter().skip(1).any(|w| w.contains('=') || w.starts_with('@'));
        files |= urls.iter().skip(1).any(|w| w.contains("=@") || w.starts_with('@') || w.contains(":@"));
        urls.truncate(1);
    }
    files |= sends && command.piped;
    let Some(peer) = urls.first().cloned() else { return };
    let variable = carries.iter().find_map(|w| secret_variable(w));
    let secret = if sends || carries.iter().any(|w| w.contains("$(") || w.contains('`') || w.contains('$')) {
        carried(command, &carries).or(variable)
    } else {
        None
    };
    let what = if sends { "sends data" } else { "fetches" };
    let mut one = conduct(Kind::Network, what, command, sends && files);
    if let Some(secret) = secret {
        one.kind = Kind::Credentials;
        "sends credentials away".clone_into(&mut one.what);
        one.secret = Some(secret);
        one.grave = true;
    }
    one.peer = Some(peer);
    out.push(one);
}

/// `user@host:path`, `host::module`, `rsync://host/…`; not `./a:b` nor `C:\x`.
fn elsewhere(word: &str) -> Option<String> {
    if word.contains("://") {
        return Some(word.to_owned());
    }
    let (host, _) = word.split_once(':')?;
    let good = !host.is_empty() && !host.contains('/') && (host.len() > 1 || host.contains('@'));
    good.then(|| host.rsplit('@').next().unwrap_or(host).to_owned())
}

fn operands<'w>(words: &'w [String], with_value: &[&str]) -> Vec<&'w String> {
    let mut out = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if word.starts_with('-') && word.len() > 1 {
            at += usize::from(with_value.contains(&word.as_str()));
        } else {
            out.push(word);
        }
    }
    out
}

fn copies(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let options = ["-i", "-P", "-o", "-F", "-c", "-e", "--rsh", "-p", "--exclude", "--include", "-J", "-l", "-S"];
    let words = operands(command.texts, &options);
    let Some((last, sources)) = words.split_last() else { return };
    if let Some(peer) = elsewhere(last).filter(|_| !sources.is_empty() || name == "sftp") {
        let one = sent(command, name, "copies files to another machine", Some(peer), true);
        // The key to log in with is not what is sent.
        let one = if one.secret.is_some() && !sources.iter().any(|s| secret_file(s).is_some()) {
            Conduct { kind: Kind::Network, what: "copies files to another machine".to_owned(), secret: None, ..one }
        } else {
            one
        };
        out.push(one);
    } else if let Some(peer) = sources.iter().find_map(|s| elsewhere(s)) {
        let mut one = conduct(Kind::Network, "copies files from another machine", command, false);
        one.peer = Some(peer);
        out.push(one);
    } else if name == "sftp" {
        let mut one = conduct(Kind::Network, "opens a session on another machine", command, true);
        one.peer = Some((*last).clone());
        out.push(one);
    }
}

fn opens(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let options = [
        "-i", "-p", "-o", "-F", "-L", "-R", "-D", "-J", "-l", "-b", "-c", "-E", "-m", "-S", "-W", "-w", "-e", "-B",
        "-I", "-Q", "-O",
    ];
    if has(command.texts, &["-V", "-Q", "-G", "-O"]) {
        return;
    }
    let words = operands(command.texts, &options);
    let Some(host) = words.first() else { return };
    let host = host.rsplit('@').next().unwrap_or(host).trim_start_matches("ssh://").to_owned();
    // A forge answers `ssh -T git@github.com` with a greeting.
    let greets = short(command.texts, 'T') && words.len() == 1;
    let what = if words.len() > 1 { "runs a command on another machine" } else { "opens a session on another machine" };
    let mut one = sent(command, name, what, Some(host), !greets);
    if !command.upstream.is_empty()
        && let Some(secret) = carried(command, &[])
    {
        one =
            Conduct { kind: Kind::Credentials, what: "sends credentials away".to_owned(), secret: Some(secret), ..one };
    }
    out.push(one);
}

fn sockets(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = command.texts;
    if name == "socat" {
        let peer = words.iter().skip(1).find_map(|w| {
            let rest = w.split_once(':').filter(|(kind, _)| {
                let kind = kind.to_ascii_uppercase();
                ["TCP", "TCP4", "UDP", "OPENSSL", "TCP-CONNECT"].contains(&kind.as_str())
            });
            rest.map(|(_, rest)| rest.split(',').next().unwrap_or_default().to_owned())
        });
        if let Some(peer) = peer {
            out.push(sent(command, name, "opens a connection of its own", Some(peer), true));
        }
        return;
    }
    let runs = has(words, &["-e", "-c", "--exec", "--sh-exec"]);
    if short(words, 'l') && !runs {
        return;
    }
    let found = operands(words, &["-p", "-w", "-e", "-c", "-s", "-x", "-X", "-q", "-i", "--exec", "--sh-exec"]);
    // `nc -z host port` only looks whether somebody listens.
    let looks = short(words, 'z') && !runs;
    let peer = match found.as_slice() {
        [host, port, ..] => Some(format!("{host}:{port}")),
        [host] => Some((*host).clone()),
        [] => None,
    };
    if peer.is_some() || runs {
        let what = if runs { "hands a shell to whoever is on the other side" } else { "opens a connection of its own" };
        out.push(sent(command, name, what, peer, !looks));
    }
}

/// Names that are looked up may carry data out.
fn queries(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let carries = command.raws.iter().skip(1).any(|w| (w.contains("$(") || w.contains('`')) && w.contains('.'));
    if carries {
        out.push(sent(command, name, "puts what a command prints into a name that is looked up", None, true));
    }
}

fn buckets(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = command.texts;
    let remote = |w: &&String| {
        ["s3://", "gs://", "az://", "https://"].iter().any(|p| w.starts_with(p))
            || (name == "rclone" && w.contains(':') && !w.starts_with('-') && !w.starts_with('/'))
    };
    let plain = operands(
        words,
        &[
            "--profile",
            "--region",
            "--endpoint-url",
            "--acl",
            "--exclude",
            "--include",
            "--project",
            "--format",
            "--query",
            "--output",
        ],
    );
    let moves = ["cp", "sync", "mv", "copy", "put", "rsync", "move", "upload", "upload-batch", "mb", "rb", "rm"];
    if !plain.iter().take(4).any(|w| moves.contains(&w.as_str())) {
        return;
    }
    let verb = plain.iter().position(|w| moves.contains(&w.as_str())).map_or(0, |at| at + 1);
    let paths: Vec<&String> = plain.iter().skip(verb).copied().collect();
    let last_remote = paths.last().filter(|w| remote(w));
    let removes = plain.iter().take(4).any(|w| matches!(w.as_str(), "rm" | "rb")) || has(words, &["--delete"]);
    let named =
        words.iter().zip(words.iter().skip(1)).find(|(o, _)| matches!(o.as_str(), "--account-name" | "--endpoint-url"));
    match last_remote {
        Some(bucket) if paths.len() == 1 && !removes => {
            let mut one = conduct(Kind::Network, "fetches", command, false);
            one.peer = Some((*bucket).clone());
            out.push(one);
        }
        Some(bucket) => {
            let what = if removes { "removes what a bucket holds" } else { "copies files to a bucket" };
            out.push(sent(command, name, what, Some((*bucket).clone()), true));
        }
        None if name == "az" => {
            out.push(sent(command, name, "copies files to a bucket", named.map(|(_, v)| v.clone()), true));
        }
        None => {}
    }
}

/// The verb of git's, and what follows it; `-c name=value` and `-C dir` passed over.
pub(super) fn git_words(words: &[String]) -> Option<(&str, &[String])> {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|w| w.starts_with('-')) {
        let value = matches!(
            word.as_str(),
            "-C" | "-c"
                | "--git-dir"
                | "--work-tree"
                | "--namespace"
                | "--exec-path"
                | "--super-prefix"
                | "--config-env"
        );
        at += 1 + usize::from(value);
    }
    Some((words.get(at)?, words.get(at + 1..)?))
}

/// Settings of git's with which it runs a program, or goes elsewhere.
const RUNS: &[&str] = &[
    "core.hookspath",
    "core.sshcommand",
    "core.fsmonitor",
    "core.pager",
    "core.editor",
    "core.askpass",
    "sequence.editor",
    "credential.helper",
    "diff.external",
    "gpg.program",
    "init.templatedir",
    "include.path",
    "protocol.ext.allow",
    "core.gitproxy",
    "uploadpack.packobjectshook",
];

fn runs_program(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let harmless = matches!(
        value,
        "" | "cat" | "true" | "false" | "less" | ":" | "/dev/null" | "store" | "cache" | "osxkeychain" | "manager"
    ) || matches!(value, "vim" | "vi" | "nano" | "emacs" | "code --wait" | "less -R" | "delta");
    let named = RUNS.contains(&key.as_str())
        || (key.starts_with("alias.") && value.starts_with('!'))
        || (key.starts_with("filter.")
            && (key.ends_with(".clean") || key.ends_with(".smudge") || key.ends_with(".process")))
        || (key.starts_with("diff.") && (key.ends_with(".command") || key.ends_with(".textconv")))
        || (key.starts_with("merge.") && key.ends_with(".driver"))
        || (key.starts_with("url.") && key.ends_with("insteadof"))
        || (key.starts_with("includeif.") && key.ends_with(".path"));
    named && !harmless
}

fn git(command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = command.texts;
    for pair in words.windows(2).filter(|w| w[0] == "-c") {
        let (key, value) = pair[1].split_once('=').unwrap_or((&pair[1], ""));
        if runs_program(key, value) {
            out.push(conduct(Kind::Persistence, "makes git run a program of its own choice", command, true));
        }
    }
    let Some((verb, rest)) = git_words(words) else { return };
    let plain: Vec<&String> = rest.iter().filter(|w| !w.starts_with('-')).collect();
    let mut history = |what: &str, grave: bool| out.push(conduct(Kind::History, what, command, grave));
    match verb {
        "push" => {
            let lease = rest.iter().any(|w| w.starts_with("--force-with-lease") || w == "--force-if-includes");
            let forced = has(rest, &["--force", "--mirror", "--prune"])
                || short(rest, 'f')
                || plain.iter().any(|w| w.starts_with('+'));
            if forced {
                history("overwrites what was pushed", true);
            } else if lease {
                history("overwrites what was pushed, where nobody else pushed since", false);
            }
            if has(rest, &["--delete", "-d"]) || plain.iter().any(|w| w.starts_with(':')) {
                history("deletes a branch or tag of the remote", true);
            }
            push_target(&plain, command, out);
        }
        "filter-branch" | "filter-repo" => history("rewrites the repository's history", true),
        "reflog" if has(rest, &["expire", "delete", "drop"]) => {
            history("takes away what lost commits could be found by", true)
        }
        "gc" if rest.iter().any(|w| w.starts_with("--prune=") && !w.contains("weeks")) => {
            history("removes commits for good", true)
        }
        "prune" => history("removes commits for good", true),
        "update-ref" if has(rest, &["-d", "--delete"]) => history("deletes a ref", true),
        "replace" if !short(rest, 'l') => history("puts one commit in the place of another", true),
        "reset" if has(rest, &["--hard"]) => history("throws uncommitted changes away", false),
        "clean" if short(rest, 'f') || has(rest, &["--force"]) => {
            history("removes files that were never committed", false)
        }
        "branch" if has(rest, &["-D"]) => history("deletes a branch that may not be merged", false),
        "tag" if has(rest, &["-d", "--delete"]) => history("deletes a tag", false),
        "stash" if has(rest, &["drop", "clear"]) => history("throws stashed changes away", false),
        "worktree" if has(rest, &["remove"]) && has(rest, &["--force", "-f"]) => {
            history("removes a worktree with its changes", false)
        }
        "config" => config(rest, &plain, command, out),
        "remote" => remote(&plain, command, out),
        "clone" | "fetch" | "pull" | "ls-remote" | "submodule" | "subtree" => fetches(verb, &plain, command, out),
        "send-email" | "request-pull" if verb == "send-email" => {
            out.push(sent(command, "git", "sends mail", None, true))
        }
        "daemon" | "instaweb" => out.push(conduct(Kind::Network, "offers the repository to others", command, true)),
        _ => {}
    }
}

fn is_remote_url(word: &str) -> bool {
    word.contains("://") || elsewhere(word).is_some() || word.starts_with("ext::")
}

fn with_peer(kind: Kind, what: &str, command: &Command<'_>, peer: &str, grave: bool) -> Conduct {
    Conduct { peer: Some(peer.to_owned()), ..conduct(kind, what, command, grave) }
}

fn push_target(plain: &[&String], command: &Command<'_>, out: &mut Vec<Conduct>) {
    if let Some(url) = plain.first().filter(|w| is_remote_url(w)) {
        out.push(with_peer(Kind::Remote, "pushes to a URL", command, url, true));
    }
}

fn remote(plain: &[&String], command: &Command<'_>, out: &mut Vec<Conduct>) {
    let verb = plain.first().map_or("", |w| w.as_str());
    let url = plain.iter().skip(1).find(|w| is_remote_url(w));
    if let ("add" | "set-url", Some(url)) = (verb, url) {
        out.push(with_peer(Kind::Remote, "sets a remote", command, url, true));
    }
}

fn fetches(verb: &str, plain: &[&String], command: &Command<'_>, out: &mut Vec<Conduct>) {
    let Some(url) = plain.iter().find(|w| is_remote_url(w)) else { return };
    if url.starts_with("ext::") {
        out.push(with_peer(Kind::RemoteCode, "makes git run a program to fetch", command, url, true));
        return;
    }
    out.push(with_peer(
        Kind::Remote,
        if verb == "submodule" { "adds another repository" } else { "fetches" },
        command,
        url,
        false,
    ));
}

fn config(rest: &[String], plain: &[&String], command: &Command<'_>, out: &mut Vec<Conduct>) {
    let reads =
        has(rest, &["--get", "--get-all", "--list", "-l", "--unset", "--get-regexp", "--show-origin", "get", "list"]);
    let plain: Vec<&&String> = plain.iter().filter(|w| w.as_str() != "set").collect();
    if let (false, [key, value, ..]) = (reads, plain.as_slice()) {
        if runs_program(key, value) {
            out.push(conduct(Kind::Persistence, "makes git run a program from now on", command, true));
        }
        if key.starts_with("remote.") && key.ends_with("url") {
            out.push(with_peer(Kind::Remote, "sets a remote", command, value, true));
        }
    }
}

fn github(command: &Command<'_>, out: &mut Vec<Conduct>) {
    let words = operands(command.texts, &["-R", "--repo", "-t", "--title", "-b", "--body", "-X", "--method", "-H"]);
    let verbs: Vec<&str> = words.iter().map(|w| w.as_str()).take(2).collect();
    match verbs.as_slice() {
        ["gist", "create" | "edit"] => {
            out.push(sent(command, "gh", "puts files on a public site", Some("gist.github.com".to_owned()), true))
        }
        ["release", "create" | "upload" | "delete" | "edit"] => {
            out.push(conduct(Kind::Publish, "changes a release", command, true))
        }
        ["repo", "delete" | "archive" | "rename"] => {
            out.push(conduct(Kind::History, "takes a repository away", command, true))
        }
        ["repo", "create"] if has(command.texts, &["--public"]) => {
            out.push(conduct(Kind::Publish, "makes a public repository", command, true))
        }
        ["repo", "edit"] if command.texts.iter().any(|w| w.contains("public")) => {
            out.push(conduct(Kind::Publish, "makes a repository public", command, true));
        }
        ["secret", "set"] | ["ssh-key", "add"] | ["gpg-key", "add"] => {
            out.push(conduct(Kind::Persistence, "changes what has access to an account or repository", command, true));
        }
        _ => {}
    }
}

/// Programs that make something public.
const PUBLISHERS: &[&str] = &[
    "npm",
    "pnpm",
    "yarn",
    "bun",
    "cargo",
    "twine",
    "gem",
    "vsce",
    "ovsx",
    "uv",
    "poetry",
    "pdm",
    "flit",
    "hatch",
    "maturin",
    "docker",
    "podman",
    "nerdctl",
    "buildah",
    "helm",
    "oras",
    "crane",
    "cosign",
    "mvn",
    "gradle",
    "gradlew",
    "./gradlew",
    "semantic-release",
    "release-it",
    "goreleaser",
];

fn publishes(name: &str, command: &Command<'_>, out: &mut Vec<Conduct>) {
    if !PUBLISHERS.contains(&name) {
        return;
    }
    let words =
        operands(command.texts, &["--tag", "-t", "--registry", "-C", "--prefix", "--manifest-path", "-p", "--package"]);
    let verb = |at: usize| words.get(at).map_or("", |w| w.as_str());
    let dry = has(command.texts, &["--dry-run", "-n", "--help", "-h"]);
    let found = match (name, verb(0), verb(1)) {
        ("npm" | "pnpm" | "yarn" | "bun", "publish", _) | ("yarn", "npm", "publish") => true,
        ("npm" | "pnpm", "unpublish" | "deprecate" | "dist-tag", second) => second != "ls",
        ("npm", "owner" | "access" | "token", second) => !matches!(second, "ls" | "list" | "get" | ""),
        ("cargo", "publish" | "yank", _) | ("cargo", "owner", _) => !has(command.texts, &["--list"]),
        ("twine", "upload", _) | ("gem", "push" | "yank", _) | ("vsce", "publish", _) | ("ovsx", "publish", _) => true,
        ("uv" | "poetry" | "pdm" | "flit" | "hatch" | "maturin", "publish", _) => true,
        ("docker" | "podman" | "nerdctl" | "buildah", "push", _) | ("docker", "image" | "manifest", "push") => true,
        ("helm", "push", _) | ("oras" | "crane" | "cosign", "push" | "copy", _) => true,
        ("docker", "buildx" | "build", _) => has(command.texts, &["--push"]),
        ("mvn" | "gradle" | "./gradlew" | "gradlew", ..) => {
            words.iter().any(|w| matches!(w.as_str(), "deploy" | "publish"))
        }
        ("semantic-release" | "release-it" | "goreleaser", ..) => true,
        _ => false,
    };
    if found && !dry {
        let mut one = conduct(Kind::Publish, "publishes", command, true);
        let image = matches!(name, "docker" | "podman" | "nerdctl" | "buildah");
        one.peer = if image { words.last().filter(|w| **w != "push").map(|w| (*w).clone()) } else { None };
        out.push(one);
    }
}
