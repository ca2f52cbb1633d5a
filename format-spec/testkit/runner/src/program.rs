//! The vectors through a program: one process for each, judged by its exit
//! status and, if it says one, its code.
//!
//! A program is given a path, or the package on its standard input. Then it
//! can't know the file's size, and must say what the index has for a stream.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::suite::{Depth, Suite, Vector, Verdict};

/// What stands for the package's path in a command.
pub const PLACEHOLDER: &str = "{}";

/// A program that judges one package.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program and its arguments; [`PLACEHOLDER`] stands for the package.
    /// Without one, the package comes on standard input.
    pub words: Vec<String>,
    /// Whether it unpacks the layers.
    pub depth: Depth,
    /// The member of its JSON objects that holds the code.
    pub code_member: String,
    /// Whether it must say a code for every refusal.
    pub must_say_code: bool,
    /// How long it may take for one package.
    pub timeout: Duration,
}

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(2);

impl Program {
    /// A command line, its words divided by white space. No shell reads it.
    ///
    /// # Errors
    /// No word.
    pub fn parse(command: &str) -> Result<Self, String> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return Err("a command without a word".to_owned());
        }
        Ok(Self {
            words,
            depth: Depth::Contents,
            code_member: "code".to_owned(),
            must_say_code: false,
            timeout: Duration::from_mins(1),
        })
    }

    fn reads_a_stream(&self) -> bool {
        !self.words[1..]
            .iter()
            .any(|word| word.contains(PLACEHOLDER))
    }

    /// Whether the program can be given this vector: parts can't be piped.
    pub fn takes(&self, vector: &Vector) -> bool {
        vector.parts.is_none() || !self.reads_a_stream()
    }

    /// Runs the program on one vector.
    ///
    /// # Errors
    /// What differs from the index.
    pub fn check(&self, suite: &Suite, vector: &Vector) -> Result<(), String> {
        let (status, output) = self.output(&suite.path(vector))?;
        let Some(exit) = status.code() else {
            return Err(format!("it did not end by itself: {status}"));
        };
        let code = self.code(&output);
        let wanted = match &vector.verdict {
            Verdict::Reject {
                depth,
                file,
                stream,
            } if *depth == Depth::File || self.depth == Depth::Contents => {
                Some(if self.reads_a_stream() {
                    &stream.code
                } else {
                    &file.code
                })
            }
            _ => None,
        };
        match (wanted, exit) {
            (None, 0) => Ok(()),
            (None, _) => Err(format!("refused, exit {exit}, {code:?}, wanted exit 0")),
            (Some(wanted), 0) => Err(format!("accepted, wanted {wanted}")),
            (Some(wanted), _) => match code {
                Some(code) if code == *wanted => Ok(()),
                None if !self.must_say_code => Ok(()),
                code => Err(format!("{code:?}, wanted {wanted}")),
            },
        }
    }

    fn output(&self, path: &Path) -> Result<(ExitStatus, Vec<u8>), String> {
        let package = path.to_str().ok_or("the folder's name is no text")?;
        let words = self.words[1..].iter();
        let stdin = if self.reads_a_stream() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = Command::new(&self.words[0])
            .args(words.map(|word| word.replace(PLACEHOLDER, package)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.words[0]))?;
        if let Some(mut stdin) = child.stdin.take() {
            let mut package = File::open(path).map_err(|error| error.to_string())?;
            // A program that has seen enough may leave the rest in the pipe.
            std::thread::spawn(move || io::copy(&mut package, &mut stdin));
        }
        let mut stdout = child.stdout.take().expect("it is piped");
        let reading = std::thread::spawn(move || {
            let mut output = Vec::new();
            // What it said until then counts, even if the rest can't be read.
            let _ = stdout.read_to_end(&mut output);
            output
        });
        let status = self.wait(&mut child)?;
        let output = reading.join().map_err(|_| "reading its output failed")?;
        Ok((status, output))
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("no end after {:?}", self.timeout));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The code of the last JSON object among the output's lines that has one.
    fn code(&self, output: &[u8]) -> Option<String> {
        let lines = output.rsplit(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
            .find_map(|object| Some(object.get(&self.code_member)?.as_str()?.to_owned()))
    }
}
