//! Tests of the format through the crate's public face, as one program: one
//! file per question, small packages made in memory.

mod codes;
mod damage;
mod forge;
mod hostile;
mod layers;
mod manifest;
mod parts;
mod round_trip;
mod rules;
mod spec;
mod support;
