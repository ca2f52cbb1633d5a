//! The simulated engine as a process of its own, on the real clock:
//! `caisson-sim-engine --socket PATH --root DIR [--store classic|containerd]`.
//! It ends with SIGTERM, SIGINT or at the end of its standard input.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, bail};
use caisson_tests::sim::{RealClock, Sim, SimOptions, SimStore};
use signal_hook::consts::{SIGINT, SIGTERM};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("caisson-sim-engine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    let (ends, wait) = mpsc::channel();
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    thread::spawn({
        let ends = ends.clone();
        move || {
            signals.forever().next();
            // Whoever comes first ends it.
            let _ = ends.send(());
        }
    });
    thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut [0; 256]).is_ok_and(|count| count > 0) {}
        let _ = ends.send(());
    });
    let sim = Sim::start(options).context("starting the engine")?;
    println!("listens on {}", sim.socket().display());
    wait.recv().context("waiting for the end")?;
    drop(sim);
    Ok(())
}

fn options(mut args: impl Iterator<Item = String>) -> anyhow::Result<SimOptions> {
    let (mut socket, mut root, mut store) = (None, None, SimStore::Classic);
    while let Some(flag) = args.next() {
        let value = args
            .next()
            .with_context(|| format!("{flag}: wanted a value"))?;
        match flag.as_str() {
            "--socket" => socket = Some(PathBuf::from(value)),
            "--root" => root = Some(PathBuf::from(value)),
            "--store" if value == "classic" => store = SimStore::Classic,
            "--store" if value == "containerd" => store = SimStore::Containerd,
            _ => bail!(
                "{flag} {value}: wanted --socket PATH, --root DIR, --store classic|containerd"
            ),
        }
    }
    let mut options = SimOptions::new(&root.context("wanted --root DIR")?);
    options.socket = socket;
    options.store = store;
    options.clock = Arc::new(RealClock::new());
    Ok(options)
}
