//! `caisson-demo`, what `make demo` runs: see `caisson_tests::demo`.

use std::process::ExitCode;

fn main() -> ExitCode {
    caisson_tests::demo::run()
}
