//! `persistence`: commands and files that are written go in; what will run later by itself comes out.

use super::{Facts, Observation, Rule, conduct, fix, say};
use crate::gate::conduct::Kind;
use crate::gate::operation::{How, Operation, Target};
use crate::model::{Category, Level};

/// The rule.
pub const RULE: Rule = Rule {
    name: "persistence",
    default: Level::Ask,
    category: Category::ScopeEscalation,
    about: "The command sets something that will run later by itself.",
    options: &[],
    look,
};

/// Files and directories below the home directory that run by themselves.
const HOME: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".kshrc",
    ".config/fish",
    ".config/autostart",
    ".config/systemd",
    ".local/share/systemd",
    "Library/LaunchAgents",
    ".ssh/authorized_keys",
    ".ssh/rc",
    ".ssh/config",
    ".gitconfig",
    ".config/git",
    ".config/environment.d",
    ".pam_environment",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".inputrc",
    ".vimrc",
    ".config/nvim/init.lua",
    ".pythonrc",
    ".Rprofile",
    ".local/lib",
    ".config/pip/pip.conf",
];
/// The same, of the machine.
const SYSTEM: &[&str] = &[
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/crontab",
    "/etc/init.d",
    "/etc/systemd",
    "/lib/systemd",
    "/usr/lib/systemd",
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/rc.local",
    "/etc/ld.so.preload",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/pam.d",
    "/var/spool/cron",
    "/Library/LaunchDaemons",
    "/Library/LaunchAgents",
    "/etc/environment",
    "/etc/zsh",
    "/etc/udev/rules.d",
];

fn look(facts: &Facts<'_>) -> Vec<Observation> {
    let mut out: Vec<Observation> = conduct::of(facts, Kind::Persistence)
        .map(|c| conduct::observed(c, "leave what starts by itself as it is, or let a person change it"))
        .collect();
    for operation in facts.operations {
        let Operation::File { target, how, by } = operation else { continue };
        if !how.is_certain() {
            continue;
        }
        let Some(path) = startup(facts, target, how) else { continue };
        let message = format!("it changes what will run by itself: {}, by `{}`", say::sentence(&path), say::word(by));
        let found = Observation::new(message)
            .with("operation", say::word(by))
            .with("path", say::sentence(&path))
            .fix(fix::advice("leave what starts by itself as it is, or let a person change it"));
        if !out.contains(&found) {
            out.push(found);
        }
    }
    out
}

fn startup(facts: &Facts<'_>, target: &Target, how: &How) -> Option<String> {
    let path = match target {
        Target::Path(path) => path.clone(),
        Target::Pattern(text) => text.into(),
        Target::Text(text) => {
            // The place is not known; its end is.
            let found = !text.contains(['(', ' ', ';']) && HOME.iter().any(|h| text.ends_with(&format!("/{h}")));
            return found.then(|| text.clone());
        }
    };
    // What is taken away runs no more.
    if *how == How::Removed {
        return None;
    }
    let home = facts.environment.home.as_ref();
    let mine = home.is_some_and(|home| HOME.iter().any(|h| path.starts_with(home.join(h))));
    let hooks = path.components().any(|c| c.as_os_str() == ".git")
        && (path.components().any(|c| c.as_os_str() == "hooks") || path.ends_with(".git/config"));
    let hooks = hooks && !path.to_string_lossy().ends_with(".sample");
    (mine || hooks || SYSTEM.iter().any(|s| path.starts_with(s))).then(|| path.display().to_string())
}
