//! The Caisson package format, version 2.
//!
//! One pass from any [`std::io::Read`], nothing trusted before its digest was
//! checked, memory that does not grow with the package. `SPEC.md` beside this
//! crate is the contract; where the two differ, the crate is wrong.
//!
//! Reading order: [`limits`], [`digest`], [`header`] (the 512 bytes before
//! every entry), [`manifest`] (what is signed), [`mod@derive`] (entries that
//! follow from the manifest alone), [`reader`], [`layer`], [`parts`] (a package
//! in several files). The writer is
//! behind the feature `write`: a device never links it.
//!
//! This crate does not know engines, devices or trust policy. It says what a
//! package *is*; whether a device wants it is decided by `caisson-apply`.

#![forbid(unsafe_code)]

pub mod derive;
pub mod digest;
pub mod error;
pub mod header;
pub mod layer;
pub mod limits;
pub mod manifest;
pub mod name;
pub mod parts;
pub mod platform;
pub mod reader;
#[cfg(feature = "write")]
pub mod writer;

pub use digest::Digest;
pub use error::{Code, PackageError};
pub use manifest::Manifest;
pub use parts::PackageFile;
pub use reader::{PackageReader, ReadOptions};
