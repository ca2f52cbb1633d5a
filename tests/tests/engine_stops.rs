//! The engine stops in the middle of an update, in order or by `kill -9`. What
//! the load says is coded, and once the engine is back the service answers with
//! exactly one version and nothing is left over, with no command typed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use caisson_apply::journal::{Event, StepId};
use caisson_tests::device::Said;
use caisson_tests::engines::RealEngine;
use caisson_tests::sweep::guards;
use caisson_tests::witness::{Contents, Moment, Place, Running, nothing_open, wait_until};
use serde_json::Value;

/// From the engine's return until the device is settled.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);
/// Random bytes that take long enough to be imported for the engine to stop meanwhile.
const SOME_TIME_BYTES: u64 = 48 << 20;

/// How the engine goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    InOrder,
    Killed,
}

/// When it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// While the load still tries to go back.
    Soon,
    /// After the load gave up: only the guard is left.
    Late,
}

const IMPORT: Moment = (StepId::ImportImage, Event::Started);
const STOPPED: Moment = (StepId::StopCurrent, Event::Succeeded);
const PROBING: Moment = (StepId::Probe, Event::Started);
const COMMITTED: Moment = (StepId::Commit, Event::Committed);

/// An update that was committed before ends on the new version, every other on the old one.
#[test]
fn once_the_engine_is_back_one_version_serves_again() {
    let lanes: [&[(Moment, Goes, Comes)]; 5] = [
        &[
            (IMPORT, Goes::InOrder, Comes::Soon),
            (STOPPED, Goes::Killed, Comes::Soon),
            (PROBING, Goes::InOrder, Comes::Soon),
            (COMMITTED, Goes::Killed, Comes::Soon),
        ],
        &[
            (IMPORT, Goes::Killed, Comes::Soon),
            (STOPPED, Goes::InOrder, Comes::Soon),
            (PROBING, Goes::Killed, Comes::Soon),
            (COMMITTED, Goes::InOrder, Comes::Soon),
        ],
        &[
            (STOPPED, Goes::Killed, Comes::Late),
            (COMMITTED, Goes::InOrder, Comes::Late),
        ],
        &[(PROBING, Goes::InOrder, Comes::Late)],
        &[(IMPORT, Goes::Killed, Comes::Late)],
    ];
    thread::scope(|scope| {
        let lanes = lanes.map(|cells| scope.spawn(move || lane(cells)));
        let failed: Vec<String> = lanes
            .into_iter()
            .filter_map(|lane| lane.join().expect("a lane fails without a panic").err())
            .map(|error| format!("{error:?}"))
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    });
}

fn lane(cells: &[(Moment, Goes, Comes)]) -> Result<()> {
    let Some(mut place) = Place::private()? else {
        return Ok(());
    };
    for (number, &(moment, goes, comes)) in cells.iter().enumerate() {
        let base = format!("1.{number}.0");
        let new = format!("1.{number}.1");
        place.install(&base)?;
        let words = cell(&mut place, &base, &new, moment, goes, comes)
            .with_context(|| format!("{goes:?} at {moment:?}, back {comes:?}"))?;
        println!(
            "{goes:?} at {} {}, back {comes:?}: {words}",
            moment.0,
            moment.1.as_str()
        );
    }
    Ok(())
}

/// As the machine's init does: an engine that does not come up is started again.
fn bring_back(engine: &mut RealEngine) -> Result<()> {
    for _ in 0..2 {
        match engine.start_again() {
            Ok(()) => return Ok(()),
            Err(error) => println!("the engine did not come up at once: {error:#}"),
        }
    }
    engine.start_again()
}

/// One update, cut by the engine's stop, and what came of it.
fn cell(
    place: &mut Place,
    base: &str,
    new: &str,
    moment: Moment,
    goes: Goes,
    comes: Comes,
) -> Result<String> {
    let recipe = place.device.recipe(new).with_padding(SOME_TIME_BYTES, 7);
    let (package, _) = place.device.pack(&recipe)?;
    let before = place.contents()?;
    let old = place.device.inspect("")?.context("it runs")?;
    let mut load = Running::load(&place.device, &package)?;
    load.wait_for(moment)?;
    let engine = place.engine()?;
    match goes {
        Goes::InOrder => engine.stop()?,
        Goes::Killed => engine.kill()?,
    }
    let gone = Instant::now();
    let said = if comes == Comes::Soon {
        bring_back(engine)?;
        load.end()?
    } else {
        let said = load.end()?;
        bring_back(place.engine()?)?;
        said
    };
    let (gave_up, back) = (gone.elapsed(), Instant::now());
    let committed = moment == COMMITTED;
    let word = coded(&said, moment, comes)?;
    let version = if committed { new } else { base };
    place.device.wait_for_version(version, SETTLE_LIMIT)?;
    let served = back.elapsed();
    let state_dir = place.device.state_dir();
    wait_until("nothing is open and no guard is left", SETTLE_LIMIT, || {
        nothing_open(&state_dir) && guards(&state_dir).is_empty()
    })
    .with_context(|| format!("{said:?}"))?;
    let settled = back.elapsed();
    ensure!(
        place.device.version().as_deref() == Some(version),
        "not {version}"
    );
    exactly_one(place, &old, committed, &before)?;
    Ok(format!(
        "exit {} {word} after {:.1} s; {version} serves {:.1} s later, settled {:.1} s later",
        said.code,
        gave_up.as_secs_f64(),
        served.as_secs_f64(),
        settled.as_secs_f64()
    ))
}

/// The exit status and the words fit the moment; gives the word.
fn coded(said: &Said, moment: Moment, comes: Comes) -> Result<String> {
    let json = said.json()?;
    let wanted: &[i32] = match (moment, comes) {
        (COMMITTED, _) => &[0],
        (IMPORT, _) | (_, Comes::Late) => &[20],
        // A slow engine may be back too late for the load.
        (_, Comes::Soon) => &[20, 30],
    };
    ensure!(wanted.contains(&said.code), "{said:?}");
    if said.code == 0 {
        ensure!(
            comes == Comes::Soon || json["cleanup_pending"] == true,
            "{json}"
        );
        return Ok("done".to_owned());
    }
    ensure!(json["state"].is_string(), "{json}");
    Ok(json["error"].as_str().context("a code")?.to_owned())
}

/// One container runs, the right one, with its policy, and nothing else is new.
fn exactly_one(place: &Place, old: &Value, committed: bool, before: &Contents) -> Result<()> {
    let now = place.device.inspect("")?.context("it runs")?;
    ensure!((now["Id"] == old["Id"]) != committed, "another container");
    ensure!(
        now["HostConfig"]["RestartPolicy"] == old["HostConfig"]["RestartPolicy"],
        "policy {}",
        now["HostConfig"]["RestartPolicy"]
    );
    let contents = place.contents()?;
    let running: Vec<_> = contents
        .kind("container")
        .into_iter()
        .filter(|line| line.contains("\"running\""))
        .collect();
    ensure!(running.len() == 1, "{running:#?}");
    if committed {
        return Ok(());
    }
    // What a cut import leaves in the engine's own store is the engine's.
    let changes = contents.changes_since(before);
    let ours: Vec<_> = changes
        .iter()
        .filter(|line| !line[2..].starts_with("layers "))
        .collect();
    ensure!(ours.is_empty(), "left behind: {ours:#?}");
    Ok(())
}
