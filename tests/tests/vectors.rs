//! Both programs against every conformance vector, one process for each: the
//! same verdict and the same code as the library, for people who only have the
//! program.

use std::fs;

use caisson_tests::programs::{caisson_apply, caisson_pack, workspace};
use edgepkg_vectors::program::Program;
use edgepkg_vectors::{Depth, ExpectedFailures, Suite, Vector, run};
use serde_json::{Value, json};

/// An index that its own schema refuses, or a schema that takes everything, is no
/// help to somebody who writes a runner of their own.
#[test]
fn the_index_follows_its_schema() {
    let read = |name: &str| -> Value {
        let path = workspace().join("format-spec/vectors").join(name);
        let text = fs::read_to_string(&path).expect("a file of the vectors");
        serde_json::from_str(&text).expect("JSON")
    };
    let schema = read("index.schema.json");
    assert!(jsonschema::draft202012::meta::validate(&schema).is_ok());
    let schema = jsonschema::validator_for(&schema).expect("a sound schema");
    let index = read("index.json");
    let errors: Vec<String> = schema
        .iter_errors(&index)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());

    let last = index["vectors"].as_array().expect("a list").len() - 1;
    for (pointer, value) in [
        ("/index_version", json!(2)),
        ("/vectors/0/expect", json!("reject")),
        ("/vectors/0/code", json!("pkg.truncated")),
        ("/vectors/0/musts", json!([])),
        (&format!("/vectors/{last}/depth"), json!("deep")),
        (&format!("/vectors/{last}/code"), json!("truncated")),
        (&format!("/vectors/{last}/file"), json!("../x")),
        (&format!("/vectors/{last}/later"), json!(1)),
    ] {
        let mut changed = index.clone();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        changed.pointer_mut(parent).expect("a place")[member] = value;
        assert!(!schema.is_valid(&changed), "{pointer} is not looked at");
    }
}

/// Runs the program once for each vector; each refusal must say its code.
fn assert_passes(words: Vec<String>, depth: Depth, code_member: &str) {
    let suite = Suite::read(&workspace().join("format-spec/vectors")).expect("the vectors");
    let mut program = Program::parse("program").expect("a command");
    program.words = words;
    program.depth = depth;
    program.must_say_code = true;
    code_member.clone_into(&mut program.code_member);
    let mut check = |suite: &Suite, vector: &_| program.check(suite, vector);
    let is_taken = |vector: &Vector| program.takes(vector);
    let outcome = run(&suite, &is_taken, &ExpectedFailures::new(), &mut check);
    assert_eq!(
        outcome.failures,
        Vec::<String>::new(),
        "{:?}",
        program.words
    );
    let wanted = suite.vectors.iter().filter(|vector| is_taken(vector));
    assert_eq!(outcome.run, wanted.count());
    assert!(outcome.run > 400, "{}", outcome.run);
}

fn words(program: &std::path::Path, arguments: &str) -> Vec<String> {
    let program = program.to_str().expect("paths of ours are text");
    let arguments = arguments.split(' ').map(str::to_owned);
    [program.to_owned()].into_iter().chain(arguments).collect()
}

/// A pipeline that publishes what a device refuses, or the other way round.
#[test]
fn caisson_pack_says_the_codes() {
    let deep = words(caisson_pack(), "verify --deep --json {}");
    assert_passes(deep, Depth::Contents, "code");
    let quick = words(caisson_pack(), "verify --json {}");
    assert_passes(quick, Depth::File, "code");
    let piped = words(caisson_pack(), "verify --deep --json /dev/stdin");
    assert_passes(piped, Depth::Contents, "code");
}

/// A device that takes what it must refuse. No catalog stands in its way.
#[test]
fn caisson_apply_says_the_codes() {
    let deep = words(caisson_apply(), "--json package validate --deep {}");
    assert_passes(deep, Depth::Contents, "error");
    let quick = words(caisson_apply(), "--json package validate {}");
    assert_passes(quick, Depth::File, "error");
}
