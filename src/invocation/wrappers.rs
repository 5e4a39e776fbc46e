//! Programs that run another command line: sudo, env, xargs, sh -c.
use super::Invocation;
use super::engine::Word;
use super::reading::Context;

/// Reads a command that is no package tool's.
pub(super) fn read(_context: &Context<'_>, _name: &str, _first: &Word, _rest: &[Word], _out: &mut Vec<Invocation>) {}
