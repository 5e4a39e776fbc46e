//! What `uv tool upgrade`, `pipx upgrade`, `pipx reinstall` and their like ask for: what was asked for when each tool was
//! installed, and no more than its name where that is not noted. Each tool has an environment of its own.

use std::path::Path;

use super::inputs::{Asked, Inputs};
use super::options::Options;
use super::project::text_of;
use crate::ecosystem::python::requirements_txt;
use crate::ecosystem::python::tool_receipt::{self, Receipt, Wanted};
use crate::model::{Location, UnresolvedCause};
use crate::resolve::Request;
use crate::toolchain::tools;

/// Most tools that are looked at.
const MAX_TOOLS: usize = 200;

/// What each tool asks for whose notes are there; `rest` is left with what is asked for by name alone.
pub(super) fn read(request: Request<'_>, rest: &mut Inputs) -> Vec<Inputs> {
    let mut receipts = tools::receipts(request.invocation, request.environment, request.files);
    if receipts.len() > MAX_TOOLS {
        receipts.truncate(MAX_TOOLS);
        let reason = format!("more than {MAX_TOOLS} tools");
        rest.refuse(&request.invocation.verb, Location::argv(0), UnresolvedCause::LimitExceeded, reason);
    }
    // A version that is named with the tool holds as well.
    let noted = |word: &str| receipts.iter().any(|path| tools::is_of(path, word));
    rest.asked.retain(|asked| !noted(&asked.text) || asked.text.contains(['=', '<', '>', '@', '~', '!']));
    receipts.iter().map(|path| of_tool(request, path)).collect()
}

fn of_tool(request: Request<'_>, path: &Path) -> Inputs {
    let mut out = Inputs { options: Options::of(request.invocation), ..Inputs::default() };
    let Some(text) = text_of(request, &mut out, path) else { return out };
    let shown = path.display().to_string();
    let location = Location::file(path);
    let read =
        if path.extension().is_some_and(|e| e == "toml") { tool_receipt::uv(&text) } else { tool_receipt::pipx(&text) };
    let Receipt { requirements, constraints, overrides, unread } = match read {
        Ok(receipt) => receipt,
        Err(reason) => {
            out.refuse(&shown, location, UnresolvedCause::Malformed, reason);
            return out;
        }
    };
    for reason in unread {
        out.refuse(&shown, location.clone(), UnresolvedCause::Unsupported, reason);
    }
    let mut take = |wanted: Wanted, to: fn(&mut Inputs) -> &mut Vec<Asked>| {
        let Wanted { text, editable } = wanted;
        match requirements_txt::argument(&text, editable, location.clone(), request.environment, request.files) {
            Ok(entry) => to(&mut out).push(Asked::of(entry, false)),
            Err(diagnostic) => out.refuse(&text, location.clone(), UnresolvedCause::Malformed, diagnostic.message),
        }
    };
    requirements.into_iter().for_each(|wanted| take(wanted, |inputs| &mut inputs.asked));
    constraints.into_iter().for_each(|wanted| take(wanted, |inputs| &mut inputs.constraints));
    overrides.into_iter().for_each(|wanted| take(wanted, |inputs| &mut inputs.overrides));
    out
}
