//! The same requests to the simulated engine and to a real one. What the
//! simulated engine claims about Docker 20.10 is shown here, or it drifts.

mod boot;
mod normal;
mod script;

use std::sync::Arc;

use caisson_tests::engines::{EngineApi, RealEngine, private_engines_allowed};
use caisson_tests::sim::{RealClock, Sim, SimOptions};

use script::Step;

/// Runs the same thing on both and gives what was seen, the real engine's first.
fn on_both<T>(run: impl Fn(&EngineApi) -> T) -> Option<(T, T)> {
    if !private_engines_allowed() {
        return None;
    }
    let real = RealEngine::start().expect("a private engine");
    let seen = run(&real.api());
    drop(real);
    let dir = tempfile::tempdir().expect("a scratch folder");
    let mut options = SimOptions::new(dir.path());
    options.clock = Arc::new(RealClock::new());
    let sim = Sim::start(options).expect("a simulated engine");
    Some((seen, run(&EngineApi::new(sim.socket()))))
}

/// Every status, every refusal's words and every field of the answers of one long
/// script: what differs is a wrong claim about the real engine.
#[test]
fn the_same_answers() {
    let port = caisson_tests::sim::free_port();
    let Some((real, simulated)) = on_both(|api| script::run(api, port)) else {
        return;
    };
    assert_eq!(real.len(), simulated.len());
    let mut differences = Vec::new();
    for (real, simulated) in real.iter().zip(&simulated) {
        differences.extend(differences_of(real, simulated));
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn differences_of(real: &Step, simulated: &Step) -> Vec<String> {
    let mut differences = Vec::new();
    if real.status != simulated.status {
        differences.push(format!(
            "{}: status: real {}, simulated {}",
            real.call, real.status, simulated.status
        ));
    }
    for difference in normal::differences(&real.body, &simulated.body) {
        differences.push(format!("{}: {difference}", real.call));
    }
    differences
}
