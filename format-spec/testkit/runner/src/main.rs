//! `edgepkg-vectors run`: this project's library, or a program, against the vectors.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use edgepkg_vectors::program::Program;
use edgepkg_vectors::{Depth, ExpectedFailures, Suite, Vector, expected_failures, library, run};

const USAGE: &str = "\
usage: edgepkg-vectors run [OPTION VALUE]...
  --folder DIR               the vectors; else those of this repository
  --exec 'PROGRAM ARG {}'    a program instead of the library; {} is the package,
                             which comes on standard input if there is no {}
  --depth file|contents      whether the program unpacks layers (default: contents)
  --code-member NAME         the member of its JSON with the code (default: code)
  --must-say-code yes|no     whether each refusal needs a code (default: no)
  --filter TEXT              only vectors with TEXT in their names
  --expected-failures FILE   lines of `name: reason`";

#[derive(Default)]
struct Options {
    folder: Option<PathBuf>,
    exec: Option<String>,
    depth: Option<Depth>,
    code_member: Option<String>,
    must_say_code: bool,
    filter: String,
    expected: ExpectedFailures,
}

fn main() -> ExitCode {
    match try_main() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn try_main() -> Result<bool, String> {
    let options = options()?;
    let committed = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let suite = Suite::read(&options.folder.clone().unwrap_or_else(committed))?;
    let program = program(&options)?;
    let is_wanted = |vector: &Vector| {
        vector.name.contains(&options.filter)
            && program.as_ref().is_none_or(|program| program.takes(vector))
    };
    let outcome = run(
        &suite,
        &is_wanted,
        &options.expected,
        &mut |suite, vector| match &program {
            Some(program) => program.check(suite, vector),
            None => library::check(suite, vector),
        },
    );
    for failure in &outcome.failures {
        println!("{failure}");
    }
    println!(
        "{} vectors, {} failed, {} expected to fail",
        outcome.run,
        outcome.failures.len(),
        outcome.expected
    );
    Ok(outcome.failures.is_empty() && outcome.run > 0)
}

fn program(options: &Options) -> Result<Option<Program>, String> {
    let Some(command) = &options.exec else {
        return Ok(None);
    };
    let mut program = Program::parse(command)?;
    program.depth = options.depth.unwrap_or(program.depth);
    program.must_say_code = options.must_say_code;
    if let Some(member) = &options.code_member {
        program.code_member.clone_from(member);
    }
    Ok(Some(program))
}

fn options() -> Result<Options, String> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some("run") {
        return Err(USAGE.to_owned());
    }
    let mut options = Options::default();
    while let Some(flag) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))?;
        match (flag.as_str(), value.as_str()) {
            ("--folder", _) => options.folder = Some(value.into()),
            ("--exec", _) => options.exec = Some(value),
            ("--filter", _) => options.filter = value,
            ("--code-member", _) => options.code_member = Some(value),
            ("--depth", "file") => options.depth = Some(Depth::File),
            ("--depth", "contents") => options.depth = Some(Depth::Contents),
            ("--must-say-code", "yes") => options.must_say_code = true,
            ("--must-say-code", "no") => options.must_say_code = false,
            ("--expected-failures", _) => {
                let text =
                    fs::read_to_string(&value).map_err(|error| format!("{value}: {error}"))?;
                options.expected = expected_failures(&text)?;
            }
            _ => return Err(format!("not understood: {flag} {value}\n{USAGE}")),
        }
    }
    Ok(options)
}
