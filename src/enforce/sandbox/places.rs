//! Which places on disk are nobody's business but the user's: the environment in, paths to hide and to keep from
//! being written out. Tables; on disk only a project's own files of variables and git's configuration are looked at.

use std::path::{Path, PathBuf};

use super::Level;
use super::environment::holds_credentials;
use crate::model::Environment;

/// Credentials below the home directory, with the first [`Level`] that cannot read them. A tool itself reads its own
/// configuration, which may hold a registry's token; a package's code has no use for it.
pub const CREDENTIALS: &[(&str, Level)] = &[
    (".ssh", Level::Installer),
    (".gnupg", Level::Installer),
    (".aws", Level::Installer),
    (".azure", Level::Installer),
    (".config/gcloud", Level::Installer),
    (".kube", Level::Installer),
    (".docker", Level::Installer),
    (".config/containers/auth.json", Level::Installer),
    (".oci", Level::Installer),
    (".config/doctl", Level::Installer),
    (".config/hcloud", Level::Installer),
    (".config/scw", Level::Installer),
    (".fly", Level::Installer),
    (".wrangler", Level::Installer),
    (".config/.wrangler", Level::Installer),
    (".config/netlify", Level::Installer),
    (".netlify", Level::Installer),
    (".local/share/com.vercel.cli", Level::Installer),
    (".config/heroku", Level::Installer),
    (".supabase", Level::Installer),
    (".terraform.d/credentials.tfrc.json", Level::Installer),
    (".terraformrc", Level::Installer),
    (".pulumi/credentials.json", Level::Installer),
    (".vault-token", Level::Installer),
    (".config/op", Level::Installer),
    (".config/1Password", Level::Installer),
    (".config/Bitwarden", Level::Installer),
    (".config/Bitwarden CLI", Level::Installer),
    (".config/keepassxc", Level::Installer),
    (".password-store", Level::Installer),
    (".local/share/keyrings", Level::Installer),
    (".local/share/kwalletd", Level::Installer),
    (".gnome2/keyrings", Level::Installer),
    (".config/age", Level::Installer),
    (".config/sops", Level::Installer),
    (".config/rclone", Level::Installer),
    (".s3cfg", Level::Installer),
    (".boto", Level::Installer),
    (".git-credentials", Level::Installer),
    (".config/git/credentials", Level::Installer),
    (".config/gh", Level::Installer),
    (".config/hub", Level::Installer),
    (".config/glab-cli", Level::Installer),
    (".config/github-copilot", Level::Installer),
    (".config/stripe", Level::Installer),
    (".tsh", Level::Installer),
    (".minikube", Level::Installer),
    (".android/adbkey", Level::Installer),
    (".local/share/mkcert/rootCA-key.pem", Level::Installer),
    (".config/syncthing", Level::Installer),
    (".local/state/syncthing", Level::Installer),
    (".ollama/id_ed25519", Level::Installer),
    // Agents' own logins, and what was said to them.
    (".claude/.credentials.json", Level::Installer),
    (".claude.json", Level::Installer),
    (".codex/auth.json", Level::Installer),
    (".gemini/oauth_creds.json", Level::Installer),
    (".gemini/.env", Level::Installer),
    (".gemini/tmp", Level::Installer),
    (".claude/projects", Level::Installer),
    (".claude/history.jsonl", Level::Installer),
    (".codex/sessions", Level::Installer),
    (".codex/history.jsonl", Level::Installer),
    (".config/Code/User/globalStorage", Level::Installer),
    (".config/Code - Insiders/User/globalStorage", Level::Installer),
    (".config/VSCodium/User/globalStorage", Level::Installer),
    (".config/Cursor/User/globalStorage", Level::Installer),
    (".config/Windsurf/User/globalStorage", Level::Installer),
    (".config/anthropic", Level::Installer),
    (".local/share/opencode/auth.json", Level::Installer),
    (".local/share/opencode/storage", Level::Installer),
    (".cache/huggingface/token", Level::Installer),
    (".huggingface", Level::Installer),
    (".kaggle", Level::Installer),
    // Data stores.
    (".pgpass", Level::Installer),
    (".my.cnf", Level::Installer),
    (".mylogin.cnf", Level::Installer),
    (".snowflake", Level::Installer),
    (".snowsql", Level::Installer),
    (".databrickscfg", Level::Installer),
    (".config/dbt", Level::Installer),
    (".dbt/profiles.yml", Level::Installer),
    // Browsers, mail, messengers.
    (".mozilla", Level::Installer),
    (".thunderbird", Level::Installer),
    (".config/google-chrome", Level::Installer),
    (".config/google-chrome-beta", Level::Installer),
    (".config/chromium", Level::Installer),
    (".config/BraveSoftware", Level::Installer),
    (".config/microsoft-edge", Level::Installer),
    (".config/opera", Level::Installer),
    (".config/vivaldi", Level::Installer),
    (".config/Slack", Level::Installer),
    (".config/discord", Level::Installer),
    (".config/Signal", Level::Installer),
    (".local/share/TelegramDesktop", Level::Installer),
    (".var/app", Level::Installer),
    ("snap/firefox", Level::Installer),
    ("snap/chromium", Level::Installer),
    (".pki", Level::Installer),
    // Wallets.
    (".bitcoin", Level::Installer),
    (".litecoin", Level::Installer),
    (".dogecoin", Level::Installer),
    (".ethereum", Level::Installer),
    (".electrum", Level::Installer),
    (".monero", Level::Installer),
    (".config/solana", Level::Installer),
    (".config/Exodus", Level::Installer),
    (".config/atomic", Level::Installer),
    (".config/Ledger Live", Level::Installer),
    (".foundry/keystores", Level::Installer),
    (".near-credentials", Level::Installer),
    (".sui", Level::Installer),
    // What was typed, secrets with it.
    (".bash_history", Level::Installer),
    (".zsh_history", Level::Installer),
    (".zhistory", Level::Installer),
    (".local/share/fish/fish_history", Level::Installer),
    (".local/share/atuin", Level::Installer),
    (".config/nushell/history.txt", Level::Installer),
    (".config/nushell/history.sqlite3", Level::Installer),
    (".python_history", Level::Installer),
    (".node_repl_history", Level::Installer),
    (".psql_history", Level::Installer),
    (".mysql_history", Level::Installer),
    (".rediscli_history", Level::Installer),
    // Publishing: an install needs none of it.
    (".pypirc", Level::Installer),
    (".gem/credentials", Level::Installer),
    (".config/composer/auth.json", Level::Installer),
    (".composer/auth.json", Level::Installer),
    // Where command line programs of npm keep what they were given.
    (".config/configstore", Level::Script),
    // The package tools' own: the tool may, a package's code may not.
    (".netrc", Level::Script),
    ("_netrc", Level::Script),
    (".npmrc", Level::Script),
    (".yarnrc", Level::Script),
    (".yarnrc.yml", Level::Script),
    (".config/pnpm", Level::Script),
    (".bunfig.toml", Level::Script),
    (".config/pip", Level::Script),
    (".pip", Level::Script),
    (".config/pypoetry/auth.toml", Level::Script),
    (".local/share/uv/credentials", Level::Script),
    (".cargo/credentials", Level::Script),
    (".cargo/credentials.toml", Level::Script),
    (".m2/settings.xml", Level::Script),
    (".gradle/gradle.properties", Level::Script),
    (".config/NuGet", Level::Script),
    (".nuget/NuGet", Level::Script),
];

/// What this gate keeps in its own directory beside its links: every command line, and a lock that a reader could hold.
const OWN: &[&str] = &["log", "agents", "approvals", "settled"];

/// Credentials of the machine. What the user cannot read anyway costs nothing to name.
pub const MACHINE: &[(&str, Level)] = &[
    ("/etc/shadow", Level::Installer),
    ("/etc/shadow-", Level::Installer),
    ("/etc/gshadow", Level::Installer),
    ("/etc/ssh/ssh_host_rsa_key", Level::Installer),
    ("/etc/ssh/ssh_host_dsa_key", Level::Installer),
    ("/etc/ssh/ssh_host_ecdsa_key", Level::Installer),
    ("/etc/ssh/ssh_host_ed25519_key", Level::Installer),
    ("/etc/krb5.keytab", Level::Installer),
    ("/etc/kubernetes", Level::Installer),
    ("/etc/sudoers", Level::Installer),
    ("/var/lib/kubelet", Level::Installer),
    ("/var/lib/docker", Level::Installer),
    ("/run/user", Level::Installer),
    ("/run/credentials", Level::Installer),
    ("/run/containerd", Level::Installer),
    ("/var/run/secrets", Level::Installer),
    ("/run/secrets", Level::Script),
];

/// Variables that name a place of credentials.
const NAMED: &[(&str, Level)] = &[
    ("AWS_SHARED_CREDENTIALS_FILE", Level::Installer),
    ("AWS_CONFIG_FILE", Level::Installer),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", Level::Installer),
    ("AZURE_CONFIG_DIR", Level::Installer),
    ("CLOUDSDK_CONFIG", Level::Installer),
    ("DOCKER_CONFIG", Level::Installer),
    ("GH_CONFIG_DIR", Level::Installer),
    ("GNUPGHOME", Level::Installer),
    ("GOOGLE_APPLICATION_CREDENTIALS", Level::Installer),
    ("KUBECONFIG", Level::Installer),
    ("PASSWORD_STORE_DIR", Level::Installer),
    ("PGPASSFILE", Level::Installer),
    ("SOPS_AGE_KEY_FILE", Level::Installer),
    ("XDG_RUNTIME_DIR", Level::Installer),
    ("NETRC", Level::Script),
    ("NPM_CONFIG_USERCONFIG", Level::Script),
    ("npm_config_userconfig", Level::Script),
    ("PIP_CONFIG_FILE", Level::Script),
];

/// Places below the home directory that run at a later moment, or that configure what does. An installer writes none of
/// them unless the command's own target is there.
pub const STARTS_LATER: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".inputrc",
    ".xprofile",
    ".xinitrc",
    ".xsession",
    ".xsessionrc",
    ".pam_environment",
    ".envrc",
    ".config/fish",
    ".config/nushell",
    ".config/environment.d",
    ".config/autostart",
    ".config/systemd",
    ".local/share/systemd",
    ".local/share/applications",
    ".local/bin",
    "bin",
    ".ssh",
    ".gnupg",
    ".aws",
    ".kube",
    ".docker",
    ".gitconfig",
    ".config/git",
    ".git-credentials",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pypirc",
    ".pip",
    ".config/pip",
    ".config/uv",
    ".config/pnpm",
    ".cargo/config",
    ".cargo/config.toml",
    ".cargo/bin",
    ".cargo/env",
    ".rustup",
    ".pyenv",
    ".nvm",
    ".asdf",
    ".volta",
    ".vimrc",
    ".vim",
    ".config/nvim",
    ".emacs",
    ".emacs.d",
    ".tmux.conf",
    ".config/tmux",
    ".screenrc",
    ".vscode",
    ".vscode-server",
    ".config/Code",
    ".config/Cursor",
    ".cursor",
    ".claude",
    ".claude.json",
    ".codex",
    ".gemini",
    ".codeium",
    ".config/tidewaiter",
    ".local/share/tidewaiter",
    ".local/state/tidewaiter",
    ".cache/tidewaiter",
];

/// Whether a place of [`STARTS_LATER`] is what the gate decides by: its links, its record, the user's policy.
pub fn is_ours(path: &Path) -> bool {
    let ours = [".config/tidewaiter", ".local/share/tidewaiter", ".local/state/tidewaiter"];
    ours.iter().any(|name| path.ends_with(name))
}

/// The same within a project: what git, an editor or an agent runs or obeys when the project is next opened.
pub const PROJECT_STARTS_LATER: &[&str] = &[
    ".git",
    ".hg",
    ".jj",
    ".svn",
    ".husky",
    ".githooks",
    ".pre-commit-config.yaml",
    ".vscode",
    ".idea",
    ".devcontainer",
    ".zed",
    ".cursor",
    ".cursorrules",
    ".claude",
    ".codex",
    ".gemini",
    ".windsurf",
    ".clinerules",
    ".roo",
    ".mcp.json",
    "AGENTS.md",
    "CLAUDE.md",
    "GEMINI.md",
    ".github",
    ".gitlab-ci.yml",
    ".circleci",
    ".envrc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pnpmfile.cjs",
    ".cargo",
    "pip.conf",
    "rust-toolchain",
    "rust-toolchain.toml",
    "tidewaiter.toml",
];

/// Secrets that lie in a project, which a package's code has no use for.
const PROJECT_SECRETS: &[&str] = &[
    ".envrc",
    ".npmrc",
    ".yarnrc.yml",
    ".netrc",
    ".secrets",
    "secrets.json",
    "credentials.json",
    "service-account.json",
    "serviceAccountKey.json",
    ".git-credentials",
    "terraform.tfstate",
];

/// Where credentials are that a process of `level` may not read.
pub fn hidden(level: Level, environment: &Environment) -> Vec<PathBuf> {
    let concerns = |from: &Level| *from <= level;
    let mut out: Vec<PathBuf> = MACHINE.iter().filter(|(_, l)| concerns(l)).map(|(p, _)| PathBuf::from(p)).collect();
    let named = NAMED.iter().filter(|(_, l)| concerns(l)).filter_map(|(name, _)| environment.variable(name));
    // KUBECONFIG is a list. A named directory that holds everything would leave nothing to read.
    let named = named.flat_map(std::env::split_paths).filter(|p| p.is_absolute());
    out.extend(named.filter(|p| p.components().count() > 2 && environment.home.as_deref() != Some(p.as_path())));
    for home in homes(environment) {
        out.extend(CREDENTIALS.iter().filter(|(_, l)| concerns(l)).map(|(p, _)| home.join(p)));
    }
    if level == Level::Script {
        let moved = environment.variable("XDG_DATA_HOME").map(PathBuf::from).filter(|data| data.is_absolute());
        let usual = homes(environment).into_iter().map(|home| home.join(".local/share"));
        out.extend(usual.chain(moved).flat_map(|data| OWN.iter().map(move |name| data.join("tidewaiter").join(name))));
    }
    if let Some(home) = environment.variable("CARGO_HOME").filter(|_| level == Level::Script) {
        out.extend(["credentials", "credentials.toml"].map(|name| environment.absolute(Path::new(home)).join(name)));
    }
    out
}

/// Secrets in a project that a process of `level` may not read.
pub fn hidden_in_project(level: Level, project: &Path) -> Vec<PathBuf> {
    if level != Level::Script {
        return Vec::new();
    }
    let mut out: Vec<PathBuf> = PROJECT_SECRETS.iter().map(|name| project.join(name)).collect();
    out.extend(environment_files(project));
    out.extend(git_secrets(project));
    out
}

/// Files of the repository around a project that hold secrets. Builds ask git for versions, and git its configuration:
/// that is hidden only where it holds some.
fn git_secrets(project: &Path) -> Vec<PathBuf> {
    const SUBMODULES: usize = 64;
    let Some(place) = project.ancestors().map(|above| above.join(".git")).find(|git| git.exists()) else {
        return Vec::new();
    };
    let mut stores = vec![place.clone()];
    // A worktree's or a submodule's is a file that says where the rest lies, which says the same of what they share.
    let said = |file: &Path, from: &Path| {
        let text = std::fs::read_to_string(file).ok()?;
        let path = text.trim().strip_prefix("gitdir:").unwrap_or(&text).trim().to_owned();
        Some(crate::model::lexical(&from.join(path)))
    };
    if place.is_file()
        && let Some(store) = place.parent().and_then(|from| said(&place, from))
    {
        stores.extend(said(&store.join("commondir"), &store));
        stores.push(store);
    }
    let modules = |store: &PathBuf| std::fs::read_dir(store.join("modules")).into_iter().flatten();
    let modules: Vec<PathBuf> =
        stores.iter().flat_map(modules).filter_map(Result::ok).map(|e| e.path()).take(SUBMODULES).collect();
    stores.extend(modules);
    let configured = stores.iter().flat_map(|store| ["config", "config.worktree"].map(|name| store.join(name)));
    let mut out: Vec<PathBuf> = configured.filter(|path| configures_secrets(path)).collect();
    out.extend(stores.iter().map(|store| store.join("credentials")));
    out
}

/// Whether a file of git's configuration holds a header, a password, or a URL with user information.
fn configures_secrets(path: &Path) -> bool {
    const KEYS: &[&str] = &["extraheader", "password", "pass", "token", "cookiefile"];
    // A file that cannot be read here is read by nobody.
    let Ok(text) = std::fs::read(path) else { return false };
    let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    text.lines().any(|line| KEYS.iter().any(|k| key(line).ends_with(k))) || holds_credentials(&text)
}

/// Endings of files that show what an environment file would hold.
const TEMPLATES: &[&str] = &[".example", ".sample", ".template", ".dist", ".defaults", ".schema"];
/// Files of variables; the same with `.`, `-` or `_` and the name of a stage, as in `.env.production`, `.env-ci`.
const ENVIRONMENT: &[&str] = &[".env", ".envrc", ".flaskenv", ".dev.vars"];
/// Directories of what is installed, and of what keeps versions.
const PASSED_OVER: &[&str] = &[
    "node_modules",
    "target",
    "venv",
    "__pycache__",
    "site-packages",
    "vendor",
    ".git",
    ".hg",
    ".jj",
    ".svn",
    ".venv",
    ".tox",
    ".nox",
    ".cache",
    ".direnv",
    ".gradle",
    ".mypy_cache",
    ".next",
    ".nuxt",
    ".pnpm-store",
    ".pytest_cache",
    ".ruff_cache",
    ".terraform",
    ".turbo",
    ".yarn",
];

/// Files of variables in a project's first levels, where the members of a workspace are, the nearest first.
fn environment_files(project: &Path) -> Vec<PathBuf> {
    const DEEPEST: usize = 3;
    /// A project has no more; a whole disk, taken for one, has.
    const DIRECTORIES: usize = 512;
    const ENTRIES: usize = 8192;
    const FILES: usize = 128;
    let secret = |name: &str| {
        let of = |rest: &str| {
            rest.is_empty()
                || rest.starts_with(['.', '-', '_'])
                    && !TEMPLATES.iter().any(|t| rest.replace(['-', '_'], ".").ends_with(t))
        };
        ENVIRONMENT.iter().any(|file| name.strip_prefix(file).is_some_and(of))
    };
    let mut out = vec![project.join(".env")];
    let mut level = vec![project.to_owned()];
    let (mut directories, mut entries) = (0, 0);
    for depth in 0..=DEEPEST {
        let mut next = Vec::new();
        for directory in level {
            directories += 1;
            if directories > DIRECTORIES || entries > ENTRIES || out.len() > FILES {
                return out;
            }
            let found = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
            for entry in found.take(ENTRIES) {
                entries += 1;
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                if secret(name) {
                    out.push(entry.path());
                } else if depth < DEEPEST && !PASSED_OVER.contains(&name) && entry.file_type().is_ok_and(|t| t.is_dir())
                {
                    next.push(entry.path());
                }
            }
        }
        level = next;
    }
    out.dedup();
    out
}

/// Where nothing is written, though it may lie in a directory that is written.
pub fn kept(environment: &Environment) -> Vec<PathBuf> {
    homes(environment).into_iter().flat_map(|home| STARTS_LATER.iter().map(move |name| home.join(name))).collect()
}

/// The same within a project.
pub fn kept_in_project(project: &Path) -> Vec<PathBuf> {
    PROJECT_STARTS_LATER.iter().map(|name| project.join(name)).collect()
}

/// The home directory by the variable, and by its usual place when the variable was moved.
fn homes(environment: &Environment) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = environment.home.clone().into_iter().collect();
    if let Some(home) = environment.variable("HOME").map(PathBuf::from).filter(|p| p.is_absolute()) {
        out.push(home);
    }
    let user = environment.variable("USER").or_else(|| environment.variable("LOGNAME"));
    if let Some(user) = user.filter(|u| !u.is_empty() && !u.contains(['/', '.'])) {
        out.push(if user == "root" { PathBuf::from("/root") } else { Path::new("/home").join(user) });
    }
    out.retain(|home| home.components().count() > 1);
    out.sort();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::{Level, environment_files, git_secrets, hidden};
    use crate::model::Environment;
    use std::path::PathBuf;

    #[test]
    fn environment_files_are_found_in_the_first_levels_and_templates_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "A=1").unwrap();
        };
        let secrets = [
            ".env",
            ".env.ci",
            ".env-prod",
            ".env_local",
            ".flaskenv",
            ".dev.vars",
            ".dev.vars.staging",
            ".hidden/.env",
            "dist/.env",
            "sub/.env",
            "sub/.envrc",
            "packages/web/.env.production.local",
            "a/b/c/.env",
        ];
        let others = [
            ".env.example",
            ".env-sample",
            ".dev.vars.example",
            "sub/.env.sample",
            "node_modules/x/.env",
            ".git/x/.env",
            "target/.env",
            "a/b/c/d/.env",
            ".environment",
            ".envoy",
        ];
        secrets.iter().chain(&others).for_each(|path| write(path));
        let mut found: Vec<String> = environment_files(dir.path())
            .iter()
            .map(|p| p.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned())
            .collect();
        found.sort();
        found.dedup();
        let mut expected = secrets.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn git_s_configuration_is_hidden_where_it_holds_a_secret() {
        const REMOTE: &str = "[remote \"origin\"]\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\turl = ";
        for (text, secret) in [
            (format!("{REMOTE}https://github.com/a/b\n"), false),
            (format!("{REMOTE}git@github.com:a/b\n"), false),
            (format!("{REMOTE}ssh://git@github.com/a/b\n"), false),
            (format!("{REMOTE}https://ghp_0123456789@github.com/a/b\n"), true),
            (format!("{REMOTE}https://me:word@example.org/a/b\n"), true),
            ("[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic eA==\n".to_owned(), true),
            ("[sendemail]\n\tsmtpPass = word\n".to_owned(), true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let git = dir.path().join("repo/.git");
            let (member, worktree) = (dir.path().join("repo/packages/a"), dir.path().join("tree"));
            for path in [git.join("worktrees/tree"), git.join("modules/lib"), member.clone(), worktree.clone()] {
                std::fs::create_dir_all(path).unwrap();
            }
            std::fs::write(git.join("config"), &text).unwrap();
            std::fs::write(git.join("modules/lib/config"), &text).unwrap();
            std::fs::write(git.join("worktrees/tree/commondir"), "../..\n").unwrap();
            let store = git.join("worktrees/tree");
            std::fs::write(worktree.join(".git"), format!("gitdir: {}\n", store.display())).unwrap();
            for project in [member, worktree] {
                let found = git_secrets(&project);
                for path in [git.join("config"), git.join("modules/lib/config")] {
                    assert_eq!(found.contains(&path), secret, "{text} {}", project.display());
                }
                assert!(found.contains(&git.join("credentials")));
            }
        }
    }

    #[test]
    fn what_the_gate_keeps_is_not_read_by_scripts() {
        let variables = [("XDG_DATA_HOME".to_owned(), "/data".to_owned())].into();
        let environment = Environment {
            variables,
            cwd: PathBuf::from("/work"),
            home: Some(PathBuf::from("/home/u")),
            now: crate::model::Timestamp::UNIX_EPOCH,
            os: "linux",
            arch: "x86_64",
        };
        let has =
            |level, path: &str| hidden(level, &environment).iter().any(|p| p.as_path() == std::path::Path::new(path));
        for path in ["/home/u/.local/share/tidewaiter/log", "/data/tidewaiter/settled", "/data/tidewaiter/approvals"] {
            assert!(has(Level::Script, path) && !has(Level::Installer, path), "{path}");
        }
        assert!(!has(Level::Script, "/home/u/.local/share/tidewaiter/shims"));
    }
}
