//! Every call against an engine that answers by script: what is asked, what is
//! understood, and what becomes of answers that are late, cut or nonsense.

use super::super::scripted::{Asked, Reply, scripted, scripted_with};
use super::*;

mod answers;
mod failures;
mod requests;

const ID: &str = "4f1c0a5b6d7e8f90112233445566778899aabbccddeeff001122334455667788";
const IMAGE: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn one(asked: Vec<Asked>) -> Asked {
    assert_eq!(asked.len(), 1, "{asked:?}");
    let asked = asked.into_iter().next().expect("counted above");
    assert!(asked.whole, "{asked:?}");
    asked
}

/// Runs a call against one answer; gives the call's outcome and what was asked.
fn call<T>(
    reply: Reply,
    ask: impl FnOnce(&DockerEngine) -> EngineResult<T>,
) -> (EngineResult<T>, Asked) {
    let (engine, script) = scripted(vec![reply]);
    let outcome = ask(&engine);
    (outcome, one(script.asked()))
}
