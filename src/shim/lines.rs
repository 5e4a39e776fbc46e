//! The one line that puts the links in front, for each place that has a PATH. In: the directory. Out: lines to paste.

use std::path::Path;

use crate::model::shell_line;

/// A place that has a PATH, and the line that belongs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it goes, for people.
    pub place: &'static str,
    /// The line.
    pub line: String,
}

/// A kind of shell that `shim env` prints for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh, dash, ksh.
    Posix,
    /// fish.
    Fish,
}

/// The export for a shell to evaluate.
pub fn export(directory: &Path, shell: Shell) -> String {
    let quoted = shell_line(&[directory.display().to_string()]);
    match shell {
        Shell::Posix => format!("export PATH={quoted}:\"$PATH\""),
        Shell::Fish => format!("set -gx PATH {} $PATH", fish(directory)),
    }
}

/// fish knows two escapes within single quotes.
fn fish(directory: &Path) -> String {
    format!("'{}'", directory.display().to_string().replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Every place's line.
pub fn all(directory: &Path) -> Vec<Line> {
    let shown = directory.display().to_string();
    let quoted = |text: String| shell_line(&[text]);
    let export = quoted(export(directory, Shell::Posix));
    let line = |place, line| Line { place, line };
    vec![
        line("bash", format!("echo {export} >> ~/.bashrc")),
        line("zsh", format!("echo {export} >> ~/.zshrc")),
        line("fish", format!("fish_add_path --global --prepend --move {}", fish(directory))),
        line("GitHub Actions", format!("echo {} >> \"$GITHUB_PATH\"", quoted(shown.clone()))),
        line("GitLab CI, other CI", self::export(directory, Shell::Posix)),
        line("Dockerfile", format!("ENV PATH={}:$PATH", serde_json::Value::from(shown).to_string().trim_matches('"'))),
        line("Claude Code (SessionStart hook)", format!("echo {export} >> \"$CLAUDE_ENV_FILE\"")),
        line("any other agent", format!("PATH={}:\"$PATH\" AGENT", quoted(directory.display().to_string()))),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Shell, all, export};

    #[test]
    fn a_directory_with_any_name_is_one_word() {
        let dir = Path::new("/home/o'neil/my shims");
        assert_eq!(export(dir, Shell::Posix), r#"export PATH='/home/o'\''neil/my shims':"$PATH""#);
        assert_eq!(export(dir, Shell::Fish), r"set -gx PATH '/home/o\'neil/my shims' $PATH");
        assert_eq!(export(Path::new("/s"), Shell::Posix), r#"export PATH=/s:"$PATH""#);
        assert!(all(dir).iter().all(|l| !l.line.contains('\n')));
    }
}
