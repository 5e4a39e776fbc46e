//! bun: what is asked for on its command lines.
use super::Tool;
use super::engine::{Word, opaque};
use super::reading::{Context, Understood, unknown};

/// Not read yet: opaque.
pub(super) fn bun(context: &Context<'_>, program: &str, _words: &[Word]) -> Understood {
    unknown(context, Tool::Bun, program, opaque(0, "not read yet")).into()
}

/// Not read yet: opaque.
pub(super) fn bunx(context: &Context<'_>, program: &str, _words: &[Word]) -> Understood {
    unknown(context, Tool::Bun, program, opaque(0, "not read yet")).into()
}
