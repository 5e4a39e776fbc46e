//! Python's formats against the reference tables: PEP 440, PEP 508, pip's requirements files, lockfiles.
//! Where a reader and a table disagree, the case is listed here with the reason.

mod hostile;
mod lockfiles;
mod manifests;
mod other_reader;
mod packaging;
mod pip;
