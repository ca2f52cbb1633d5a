//! One file per command. Each gives the exit status; errors are printed here.

mod choose;
mod doctor;
mod guard;
mod history;
mod load;
mod package;
mod perform;
mod recover;
mod service;
mod session;

use std::io::{IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec};
use serde_json::Value;

use crate::cli::{Cli, Command, HistoryCommand, PackageCommand, ServiceCommand};
use crate::engine::words::printable;
use crate::error::{Code, Error, Exit, Result};
use crate::host::Host;
use crate::journal::Journal;
use crate::report;
use crate::update::context::Talk;

use session::Session;

/// Longest line for a person; what engines and packages say is cut before.
const LINE_BYTES_MAX: usize = 4096;

/// Whether an update starts its guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarding {
    On,
    /// Only for the proof that the kill sweep finds it missing; no flag leads here.
    OffForTesting,
}

/// Runs a command to its end and prints what comes of it.
pub fn run(cli: Cli, guarding: Guarding) -> Exit {
    let json = cli.global.json;
    let session = match Session::new(cli.global, guarding) {
        Ok(session) => session,
        Err(error) => return failed(&error, json),
    };
    let outcome = match cli.command {
        Command::Package(PackageCommand::Validate(args)) => package::validate(&session, &args),
        Command::Package(PackageCommand::Plan(args)) => load::plan(&session, &args),
        Command::Package(PackageCommand::Load(args)) => load::load(&session, &args),
        Command::Service(ServiceCommand::List) => service::list(&session),
        Command::Service(ServiceCommand::Show { name }) => service::show(&session, &name),
        Command::Service(ServiceCommand::Rollback(args)) => load::rollback(&session, &args),
        Command::History(HistoryCommand::List { service, limit }) => {
            history::list(&session, service.as_deref(), limit)
        }
        Command::History(HistoryCommand::Show { id }) => history::show(&session, &id),
        Command::Recover(args) => recover::recover(&session, &args),
        Command::Doctor(args) => doctor::doctor(&session, &args),
        Command::Guard => guard::guard(&session),
    };
    match outcome {
        Ok(exit) => exit,
        Err(mut error) => {
            // Whatever changed something says itself in what state it left the device.
            error.state.get_or_insert_with(|| state_now(&session));
            failed(&error, json)
        }
    }
}

/// The state of a device that this command did not change.
fn state_now(session: &Session) -> String {
    let open = match session.journal_to_read() {
        Ok(Some(journal)) => journal.open_updates().unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    };
    match open.first() {
        None => "nothing changed".to_owned(),
        Some(record) => format!(
            "nothing changed now; an interrupted update of service `{}` is still open",
            record.service.name
        ),
    }
}

/// A command line that makes no sense, for scripts; people have read why already.
pub fn refused_usage(why: &str) -> Exit {
    let error = Error::new(
        Code::Usage,
        why.lines().next().unwrap_or("usage").to_owned(),
    )
    .state("nothing changed")
    .next("`caisson-apply --help` shows the commands and flags");
    data(&report::to_json(&error).to_string());
    error.exit()
}

fn failed(error: &Error, json: bool) -> Exit {
    if json {
        data(&report::to_json(error).to_string());
    }
    talk(report::text(error).trim_end());
    error.exit()
}

/// A line of data on standard output. A reader that went away is no reason to fail.
fn data(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line of talk on standard error.
fn talk(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Data for a script or for a person, whichever was asked for.
fn show(session: &Session, value: &Value, words: &[String]) {
    if session.global.json {
        data(&value.to_string());
    } else {
        for line in words {
            let indent = &line[..line.len() - line.trim_start().len()];
            data(&format!("{indent}{}", printable(line, LINE_BYTES_MAX)));
        }
    }
}

/// Asks before something changes.
///
/// # Errors
/// `usage.declined`.
fn confirm(session: &Session, question: &str) -> Result<()> {
    if session.global.yes {
        return Ok(());
    }
    let declined = |what: &str, next: &str| {
        Err(Error::new(Code::Declined, what.to_owned())
            .state("nothing changed")
            .next(next.to_owned()))
    };
    if !std::io::stdin().is_terminal() {
        return declined(
            "nobody is there to say yes",
            "add --yes to do it without asking",
        );
    }
    let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
    let Some(answer) = answer(session) else {
        return declined(
            "you broke it off",
            "run the same command again when you are ready",
        );
    };
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    declined(
        "you said no",
        "run the same command again when you are ready",
    )
}

/// A line from the person; `None` if they asked to end instead: a caught signal does
/// not end a read by itself.
fn answer(session: &Session) -> Option<String> {
    let stdin = std::io::stdin();
    loop {
        let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
        let soon = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        let ready = rustix::event::poll(&mut watched, Some(&soon));
        if session.host.interrupted() {
            return None;
        }
        if ready.is_ok_and(|count| count > 0) {
            let mut line = String::new();
            return stdin.read_line(&mut line).ok().map(|_bytes| line);
        }
    }
}

/// Talk of an update on standard error.
struct Terminal;

impl Talk for Terminal {
    fn say(&self, text: &str) {
        talk(&printable(text, LINE_BYTES_MAX));
    }
}
