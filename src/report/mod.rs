//! A judgement in the form its reader wants. Each format has its own structs: a change of the model does not
//! silently change a document that programs rely on.

pub mod human;
pub mod json;
