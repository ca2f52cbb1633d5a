//! `caisson-pack`: the build side's command line. Everything is in the library.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    ExitCode::from(caisson_pack::run(&args) as u8)
}
