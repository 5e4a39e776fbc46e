//! `shim install / uninstall / status / env`: the links on PATH.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::process::Directories;
use super::{Failure, complain, print};
use crate::model::printable;
use crate::shim::lines::{self, Shell};
use crate::shim::links::{self, Links};
use crate::shim::locate::Search;
use crate::shim::status::{self, State};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a link for every tool found, and print the line that puts them on PATH
    #[command(after_help = "\
Repeating it changes nothing; after a new tool was installed it adds its link.
Files that are not links of this program are left as they are.")]
    Install(Place),
    /// Take the links away
    Uninstall(Place),
    /// Say for each tool whether a command would hit the link, and what stands in front
    #[command(after_help = "Exit status: 0 when every tool found is covered, else 1.")]
    Status(Place),
    /// Print the export that puts the links first: eval \"$(tidewaiter shim env)\"
    Env {
        #[command(flatten)]
        place: Place,
        /// For which shell; else by $SHELL
        #[arg(long, value_enum, value_name = "SHELL")]
        shell: Option<ForShell>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The directory of the links, instead of the user's own
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ForShell {
    /// bash, zsh, sh
    Posix,
    /// fish
    Fish,
}

impl Place {
    fn links(&self) -> Result<Links, Failure> {
        let user = Directories::of_user();
        let note = user.note();
        match &self.dir {
            Some(dir) => Ok(Links { directory: std::path::absolute(dir)?, note }),
            None => Ok(Links::of_user(&user.data).noting(note)),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Install(place) => install(&place.links()?),
        Action::Uninstall(place) => uninstall(&place.links()?),
        Action::Status(place) => show(&place.links()?),
        Action::Env { place, shell } => {
            let fish = std::env::var("SHELL").is_ok_and(|s| s.ends_with("fish"));
            let shell = match shell {
                Some(ForShell::Fish) => Shell::Fish,
                None if fish => Shell::Fish,
                _ => Shell::Posix,
            };
            print(&format!("{}\n", lines::export(&place.links()?.directory, shell)))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn in_directory(links: &Links) -> impl Fn(std::io::Error) -> Failure + use<'_> {
    move |e| Failure::Internal(anyhow::anyhow!("{}: {e}", links.directory.display()))
}

fn list(names: &[String]) -> String {
    names.iter().map(|n| printable(n, 60)).collect::<Vec<_>>().join(", ")
}

fn install(links: &Links) -> Result<ExitCode, Failure> {
    let search = Search::of_process();
    let engine = links::engine(&search)
        .ok_or_else(|| Failure::Internal(anyhow::anyhow!("cannot tell where this program is")))?;
    let names = links::found(&search);
    if names.is_empty() {
        return Err(Failure::Usage("no package tool was found on PATH, so there is nothing to link".to_owned()));
    }
    let done = links.install(&engine, &names, &search.own).map_err(in_directory(links))?;
    let mut out = String::new();
    let directory = links.directory.display();
    let mut say = |what: &str, names: &[String]| {
        if !names.is_empty() {
            let _ = writeln!(out, "{what}: {}", list(names));
        }
    };
    say("linked", &done.made);
    say("linked already", &done.kept);
    say("removed, for the tool is gone", &done.removed);
    for name in &done.foreign {
        complain(&format!("warning: {directory}/{name} is not a link of this program and was left as it is"));
    }
    if status::on_path(&links.directory, &search) {
        let _ = writeln!(out, "{directory} is on PATH; `tidewaiter shim status` says what it covers");
    } else {
        let _ = writeln!(out, "\nPut {directory} first on PATH, by the one line for each place that you use:\n");
        for line in lines::all(&links.directory) {
            let _ = writeln!(out, "  {}\n      {}", line.place, line.line);
        }
        let _ = writeln!(out, "\nIn a shell that is open already: {}", lines::export(&links.directory, Shell::Posix));
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn uninstall(links: &Links) -> Result<ExitCode, Failure> {
    let search = Search::of_process();
    let done = links.uninstall(&search.own).map_err(in_directory(links))?;
    let mut out = match done.removed.as_slice() {
        [] => "there were no links\n".to_owned(),
        removed => format!("removed: {}\n", list(removed)),
    };
    if status::on_path(&links.directory, &search) {
        let _ = writeln!(out, "{} is still on PATH: take its line out of your shell's file", links.directory.display());
    }
    for name in &done.foreign {
        complain(&format!("warning: {} was left as it is", links.path(name).display()));
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn show(links: &Links) -> Result<ExitCode, Failure> {
    let search = Search::of_process();
    let rows = status::rows(links, &search);
    let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut help = std::collections::BTreeSet::new();
    for row in &rows {
        let shown = |p: &std::path::Path| printable(&p.display().to_string(), 300);
        let real = row.real.as_deref().map_or_else(|| "no real tool beside it".to_owned(), shown);
        let text = match &row.state {
            State::Covered => format!("covered ({real})"),
            State::Behind { program, whose } => {
                help.insert("what stands in front is not judged: run `eval \"$(tidewaiter shim env)\"` after it was put there, for example after activating an environment");
                format!("NOT COVERED: {} comes first ({whose})", shown(program))
            }
            State::NotOnPath => {
                help.insert("`tidewaiter shim install` prints the line that puts the links on PATH");
                format!("NOT COVERED: its link is not on PATH ({real})")
            }
            State::NoLink => {
                help.insert("`tidewaiter shim install` makes the links");
                format!("NOT COVERED: no link ({real})")
            }
            State::Other { program } => {
                help.insert("a link that leads to another program judges nothing that this one can answer for: `tidewaiter shim install` makes it lead here");
                format!("NOT COVERED: the link leads to {}, which is not this program ({real})", shown(program))
            }
            State::Broken => {
                help.insert("a link that leads nowhere is passed over by a shell, and commands run unjudged: `tidewaiter shim install` mends it");
                format!("NOT COVERED: the link leads nowhere, its program is gone ({real})")
            }
            State::Foreign => {
                help.insert("a file of someone else's stands where a link would be: move it away");
                format!("NOT COVERED: {} is not a link of this program", shown(&links.path(&row.name)))
            }
        };
        let _ = writeln!(out, "{:width$}  {text}", row.name);
    }
    if rows.is_empty() {
        out.push_str("no package tool was found on PATH\n");
    }
    for text in help {
        let _ = writeln!(out, "help: {text}");
    }
    print(&out)?;
    Ok(ExitCode::from(u8::from(rows.iter().any(|r| r.state != State::Covered))))
}
