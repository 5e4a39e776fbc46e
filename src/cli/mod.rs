//! (being written)

pub mod process;
