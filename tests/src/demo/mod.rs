//! The whole way of a package before the reader's eyes: packed, installed,
//! updated, rolled back, and repaired after `kill -9` in the worst moment.
//!
//! It runs the real programs with the command lines it prints; nothing of it is
//! a test. Reading order: this file is the story, `engine` chooses where it
//! plays, `stage` runs commands and clears up, `poller` watches the service.

mod engine;
mod poller;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::images::service_binary;
use crate::programs::{caisson_apply, caisson_pack};
use crate::proxy::{At, Proxy, When};
use engine::{DemoEngine, Place};
use poller::Poller;
use stage::{Interruption, Stage, heading, say};

/// The longest wait for the service to answer again.
const PATIENCE: Duration = Duration::from_mins(1);
/// From the end of the killed program until the proxy has seen it, too.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// After Ctrl-C, as shells say it.
const INTERRUPTED: u8 = 130;

/// Plays the demo; 0 if everything happened as told.
pub fn run() -> ExitCode {
    let interruption = match Interruption::watch() {
        Ok(interruption) => interruption,
        Err(error) => {
            eprintln!("caisson-demo: signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    match play(&interruption) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if interruption.happened() => {
            eprintln!("\ncaisson-demo: stopped ({error:#}); everything is removed");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("\ncaisson-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(interruption: &Interruption) -> Result<()> {
    let place = Place::choose();
    println!("caisson demo on {}", place.description());
    let engine = DemoEngine::open(&place)?;
    println!("Getting the programs and the demo service ready ...");
    build(interruption)?;
    let stage = Stage::set(&engine, interruption)?;
    stage.introduce();
    let poller = Poller::start(stage.port());
    install(&stage, &poller)?;
    update(&stage, &poller)?;
    roll_back(&stage, &poller)?;
    kill(&stage, &poller)?;
    heading("What the device remembers");
    stage.apply(&["history", "list"], 0)?;
    stage.apply(&["service", "show", stage.service()], 0)?;
    drop(poller);
    stage.clear()?;
    drop(engine);
    let place = place.description();
    println!("\nEverything is removed again. This was {place}");
    Ok(())
}

/// Builds what the demo runs. Ctrl-C ends cargo, which for a test would be
/// reason to panic.
fn build(interruption: &Interruption) -> Result<()> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let built = std::panic::catch_unwind(|| {
        caisson_pack();
        caisson_apply();
        service_binary();
    });
    std::panic::set_hook(usual);
    ensure!(!interruption.happened(), "interrupted");
    built.map_err(|panic| {
        let words = panic.downcast_ref::<String>();
        anyhow!(words.cloned().unwrap_or_default())
    })
}

fn install(stage: &Stage<'_>, poller: &Poller) -> Result<()> {
    heading("1. A first package, installed where nothing runs yet");
    let package = stage.pack("1.0.0", |recipe| recipe)?;
    stage.apply(&["package", "validate", &package], 0)?;
    stage.load(&package, 0)?;
    poller.wait_for("1.0.0", PATIENCE)?;
    Ok(())
}

fn update(stage: &Stage<'_>, poller: &Poller) -> Result<()> {
    heading("2. An update; a poller asks the service all the time");
    let package = stage.pack("1.1.0", |recipe| recipe)?;
    let before = Instant::now();
    stage.load(&package, 0)?;
    poller.wait_for("1.1.0", PATIENCE)?;
    say(&format!(
        "1.0.0 -> 1.1.0. {}",
        downtime(poller.downtime(before))
    ));
    Ok(())
}

fn roll_back(stage: &Stage<'_>, poller: &Poller) -> Result<()> {
    heading("3. A broken 1.2.0: it starts, answers, and crashes after two seconds");
    let package = stage.pack("1.2.0", |recipe| recipe.with_env("CRASH_AFTER_MS", "2000"))?;
    let container = stage.container_id()?;
    let before = Instant::now();
    stage.load(&package, 30)?;
    poller.wait_for("1.1.0", PATIENCE)?;
    ensure!(
        stage.container_id()? == container,
        "not the container that ran before"
    );
    say(&format!(
        "The very container that ran before ({}) serves again. {}",
        &container[..12],
        downtime(poller.downtime(before))
    ));
    Ok(())
}

fn kill(stage: &Stage<'_>, poller: &Poller) -> Result<()> {
    heading("4. kill -9 in the middle of a swap; nobody types a command afterwards");
    let package = stage.pack("1.3.0", |recipe| recipe)?;
    let container = stage.container_id()?;
    let socket = stage.folder().join("proxy.sock");
    let proxy = Proxy::start(&socket, stage.engine_socket())?;
    say("A proxy before the engine kills caisson-apply as soon as the engine has");
    say("renamed the old, stopped container: the worst moment, nothing serves.");
    proxy.arm(At::Containing("/rename".to_owned()), When::After);
    let before = Instant::now();
    stage.load_through(&socket, &package)?;
    let cut = proxy.wait_done(KILL_LIMIT);
    let cut = cut.context("caisson-apply was not killed")?;
    say(&format!(
        "kill -9 {} after `{}`",
        cut.request.pid,
        cut.request.line.replace(&container, &container[..12])
    ));
    let back = poller.wait_back("1.1.0", cut.at, PATIENCE)?;
    say(&format!(
        "The device repaired itself {:.1} s after the kill. {}",
        back.as_secs_f64(),
        downtime(poller.downtime(before))
    ));
    say("That was the guard, a process that caisson-apply had left for this case.");
    say("When it has finished, `recover` finds nothing left to do:");
    stage.wait_settled()?;
    stage.apply(&["recover"], 0)?;
    ensure!(proxy.complaints().is_empty(), "{:?}", proxy.complaints());
    Ok(())
}

fn downtime(time: Duration) -> String {
    if time.is_zero() {
        return "The poller saw no gap.".to_owned();
    }
    format!("No answer for {} ms in all.", time.as_millis())
}
