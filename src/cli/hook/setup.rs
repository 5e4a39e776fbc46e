//! `hook install / uninstall / status / reset`: a host's own configuration, and the counts of its sessions.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::counts::Counts;
use crate::cli::session::Session;
use crate::cli::{Failure, complain, print};
use crate::gate::{self, Host};
use crate::hook::settings::{self, Left};
use crate::model::{Diagnostic, Timestamp, Verdict, printable};
use crate::record::{Event, agent};

/// A host, and whose configuration of it.
#[derive(Debug, Args)]
pub struct Place {
    /// The agent host
    #[arg(value_enum, value_name = "HOST")]
    host: Host,
    /// Your own configuration of the host (the default)
    #[arg(long, conflicts_with = "project")]
    user: bool,
    /// The configuration of the project in this directory
    #[arg(long)]
    project: bool,
}

impl Place {
    fn path(&self, session: &Session) -> Result<PathBuf, Failure> {
        if self.project {
            session.placed()?;
            return Ok(session.environment.cwd.join(self.host.project_file()));
        }
        let home = session.environment.home.as_ref();
        let home = home.ok_or_else(|| Failure::Usage("there is no home directory: use --project".to_owned()))?;
        Ok(home.join(self.host.user_file()))
    }

    /// A project's file is for other machines too.
    fn program(&self) -> Result<String, Failure> {
        if self.project {
            return Ok("tidewaiter".to_owned());
        }
        let path = std::env::current_exe().map_err(|e| anyhow::anyhow!("cannot tell where this program is: {e}"))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

fn wrong(diagnostic: &Diagnostic) -> Failure {
    let mut message = printable(&diagnostic.to_string(), 600);
    if let Some(hint) = &diagnostic.hint {
        let _ = write!(message, "\n  help: {}", printable(hint, 300));
    }
    Failure::Usage(message)
}

fn text(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Usage(format!("{}: {error}; it was left as it is", path.display()))),
    }
}

/// Replaces a file in one step. One that is a link stays one: what it leads to is replaced.
fn replace(path: &Path, text: &str, executable: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Internal(anyhow::anyhow!("{}: {error}", path.display()));
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = real.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    std::fs::write(new.path(), text).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let known = std::fs::metadata(&real).map(|m| m.permissions().mode());
        let mode = known.unwrap_or(0o644) | if executable { 0o755 } else { 0 };
        std::fs::set_permissions(new.path(), std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    #[cfg(not(unix))]
    let _ = executable;
    new.persist(&real).map_err(|e| failed(e.error))?;
    Ok(())
}

/// What a host wants beside its configuration before it asks anyone; none of it can be seen from here.
const fn beside(host: Host) -> Option<&'static str> {
    match host {
        Host::Codex => Some("Codex calls no hook that you have not trusted: say so once with /hooks in its terminal."),
        Host::Cline => Some("Cline calls hooks only where they are enabled in its settings."),
        _ => None,
    }
}

pub fn install(place: &Place) -> Result<ExitCode, Failure> {
    let session = Session::anywhere();
    let path = place.path(&session)?;
    let old = text(&path)?;
    let new = settings::install(place.host, &path, old.as_deref(), &place.program()?, cfg!(windows));
    let title = place.host.title();
    match new.map_err(|d| wrong(&d))? {
        None => print(&format!("{title} asks tidewaiter already: {}\n", path.display()))?,
        Some(new) => {
            replace(&path, &new, place.host == Host::Cline)?;
            print(&format!(
                "{title} asks tidewaiter from its next session on: {}\n`tidewaiter hook uninstall {}{}` takes it out again.\n",
                path.display(),
                place.host.name(),
                if place.project { " --project" } else { "" }
            ))?;
            if let Some(more) = beside(place.host) {
                print(&format!("{more}\n"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub fn uninstall(place: &Place) -> Result<ExitCode, Failure> {
    let session = Session::anywhere();
    let path = place.path(&session)?;
    let left = match text(&path)? {
        Some(old) => settings::uninstall(place.host, &path, &old).map_err(|d| wrong(&d))?,
        None => None,
    };
    let title = place.host.title();
    match left {
        None => print(&format!("{title} does not ask tidewaiter: {}\n", path.display()))?,
        Some(Left::Nothing) => {
            std::fs::remove_file(&path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
            print(&format!("{title} no longer asks tidewaiter: {} is gone\n", path.display()))?;
        }
        Some(Left::Text(text)) => {
            replace(&path, &text, false)?;
            print(&format!("{title} no longer asks tidewaiter: {}\n", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub fn status() -> Result<ExitCode, Failure> {
    let session = Session::anywhere();
    let mut out = String::new();
    let mut broken = false;
    for host in Host::ALL {
        for project in [false, true] {
            let place = Place { host, user: !project, project };
            let Ok(path) = place.path(&session) else { continue };
            let Some(text) = text(&path).ok().flatten() else { continue };
            if gate::calls(&text) == 0 {
                continue;
            }
            let (title, shown) = (host.title(), printable(&path.display().to_string(), 300));
            let whole = settings::is_installed(host, &path, &text, &place.program()?, cfg!(windows));
            let state = match whole {
                Ok(true) => "asks tidewaiter",
                Ok(false) => "asks tidewaiter, but not as this program would have it: install it again",
                Err(_) => "cannot be read",
            };
            if let Some(switch) = switch(host, &session) {
                broken = true;
                let switch = printable(&switch.display().to_string(), 300);
                let _ = writeln!(out, "{title:<15} does not ask tidewaiter: its hooks are switched off in {switch}");
                continue;
            }
            broken |= !matches!(whole, Ok(true));
            let _ = writeln!(out, "{title:<15} {state}: {shown}");
        }
    }
    if out.is_empty() {
        out.push_str("no agent host asks tidewaiter; `tidewaiter hook install HOST` makes one\n");
        broken = true;
    }
    let stopped = Counts::new(&session.directories.data).stopped();
    if stopped > 0 {
        let _ = writeln!(out, "{stopped} agent sessions wait for a person: `tidewaiter hook reset`");
    }
    print(&out)?;
    Ok(ExitCode::from(u8::from(broken)))
}

/// The file in which a host's hooks are switched off for this user, or for this project.
fn switch(host: Host, session: &Session) -> Option<PathBuf> {
    let others = gate::SWITCHES.iter().filter(|(_, of)| *of == host).map(|(file, _)| *file);
    let home = session.environment.home.iter().map(PathBuf::as_path);
    let directories: Vec<&Path> = home.chain([session.environment.cwd.as_path()]).collect();
    let files = [host.user_file(), host.project_file()].into_iter().chain(others);
    let mut paths = files.flat_map(|file| directories.iter().map(move |dir| dir.join(file)));
    paths.find(|path| text(path).ok().flatten().is_some_and(|text| gate::settings::switches_off(&text)))
}

/// Only a person, on a terminal of their own.
pub fn reset() -> Result<ExitCode, Failure> {
    let session = Session::anywhere();
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let against = match agent::host(&session.environment.variables) {
        Some(host) => Some(format!("{host} says that an agent runs this")),
        None if !terminal => Some("stdin or stdout is no terminal".to_owned()),
        None => None,
    };
    if let Some(reason) = against {
        let event = Event::Tampering { what: "hook reset".to_owned(), reason: reason.clone() };
        // The refusal stands whether or not it can be written down.
        let _ = session.log().append(event, Timestamp::now());
        complain(&format!("tidewaiter: gate-tampering: only a person can reset the count; {reason}"));
        return Ok(ExitCode::from(Verdict::Deny.exit_status()));
    }
    let counts = Counts::new(&session.directories.data);
    let stopped = counts.reset().map_err(|e| anyhow::anyhow!("cannot reset the counts: {e}"))?;
    print(&format!("{stopped} agent sessions may go on; every count begins anew\n"))?;
    Ok(ExitCode::SUCCESS)
}
