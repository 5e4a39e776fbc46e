//! Which places on disk are nobody's business but the user's: the environment in, paths to hide and to keep from
//! being written out. Tables; nothing is looked up on disk here.

use std::path::{Path, PathBuf};

use super::Level;
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
    // Agents' own logins.
    (".claude/.credentials.json", Level::Installer),
    (".claude.json", Level::Installer),
    (".codex/auth.json", Level::Installer),
    (".gemini/oauth_creds.json", Level::Installer),
    (".config/anthropic", Level::Installer),
    (".local/share/opencode/auth.json", Level::Installer),
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
    // What was typed, secrets with it.
    (".bash_history", Level::Installer),
    (".zsh_history", Level::Installer),
    (".zhistory", Level::Installer),
    (".local/share/fish/fish_history", Level::Installer),
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
    out
}

/// Endings of files that show what an environment file would hold.
const TEMPLATES: &[&str] = &[".example", ".sample", ".template", ".dist", ".defaults", ".schema"];
/// Directories of what is installed or built, and of what keeps versions.
const PASSED_OVER: &[&str] =
    &["node_modules", "target", "venv", "__pycache__", "site-packages", "vendor", "dist", "build"];

/// `.env` and `.env.…` in a project's first levels, where the members of a workspace are, the nearest first.
fn environment_files(project: &Path) -> Vec<PathBuf> {
    const DEEPEST: usize = 3;
    /// A project has no more; a whole disk, taken for one, has.
    const DIRECTORIES: usize = 256;
    const ENTRIES: usize = 8192;
    const FILES: usize = 128;
    let secret = |name: &str| {
        name.strip_prefix(".env").is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('.') && !TEMPLATES.iter().any(|ending| rest.ends_with(ending))
        })
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
                } else if depth < DEEPEST
                    && !name.starts_with('.')
                    && !PASSED_OVER.contains(&name)
                    && entry.file_type().is_ok_and(|t| t.is_dir())
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

    use super::environment_files;

    #[test]
    fn environment_files_are_found_in_the_first_levels_and_templates_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "A=1").unwrap();
        };
        let secrets = [".env", ".env.ci", "sub/.env", "packages/web/.env.production.local", "a/b/c/.env"];
        let others =
            [".env.example", "sub/.env.sample", "node_modules/x/.env", "target/.env", "a/b/c/d/.env", ".environment"];
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
}
