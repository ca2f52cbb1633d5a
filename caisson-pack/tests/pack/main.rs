//! `caisson-pack` as a pipeline uses it: the program, run on archives made by hand.

mod archive;
mod choices;
mod codes;
mod contents;
mod damage;
mod determinism;
mod diff;
mod engine;
mod extract;
mod hostile;
mod inspect;
mod layout;
mod many_layers;
mod output;
mod program;
mod sources;
mod split;
mod version_1;
