//! The service inside the test images. See [`Behaviour`] for its settings.
//!
//! It runs as process 1 of a container without a shell or libraries, so it is
//! linked statically and is its own health check (`/service healthcheck`).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::{env, process, thread};

use caisson_test_service::{Answer, Behaviour, request_path};
use signal_hook::consts::{SIGINT, SIGTERM};

/// A peer that says nothing must not hold a thread for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest request head that is read.
const HEAD_BYTES_MAX: usize = 8 * 1024;

fn main() -> ExitCode {
    let behaviour = match Behaviour::from(env::vars(), env::args().skip(1)) {
        Ok(behaviour) => behaviour,
        Err(error) => {
            eprintln!("service: {error}");
            return ExitCode::from(2);
        }
    };
    if behaviour.healthcheck {
        return healthcheck(&behaviour);
    }
    match serve(&Arc::new(behaviour)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("service: {error}");
            ExitCode::from(3)
        }
    }
}

fn serve(behaviour: &Arc<Behaviour>) -> std::io::Result<()> {
    if !behaviour.ignore_term {
        let always = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&always))?;
        }
    }
    println!("{}", behaviour.start_line());
    if let Some(after) = behaviour.crash_after {
        let behaviour = Arc::clone(behaviour);
        thread::spawn(move || {
            thread::sleep(after);
            eprintln!("{}", behaviour.crash_line());
            process::exit(i32::from(behaviour.exit_code));
        });
    }
    thread::sleep(behaviour.start_delay);
    if behaviour.deaf {
        loop {
            thread::park();
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, behaviour.port))?;
    println!("{}", behaviour.listen_line());
    for stream in listener.incoming().flatten() {
        let behaviour = Arc::clone(behaviour);
        // A peer that goes away is its own business.
        thread::spawn(move || drop(answer(stream, &behaviour)));
    }
    Ok(())
}

fn answer(mut stream: TcpStream, behaviour: &Behaviour) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => head.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let answer: Answer = behaviour.answer(request_path(&head));
    stream.write_all(&answer.to_bytes())
}

/// Asks the own port, as the engine's HEALTHCHECK: 0 is healthy, 1 is not.
fn healthcheck(behaviour: &Behaviour) -> ExitCode {
    match health_status(behaviour.port) {
        Ok(line) => {
            println!("{line}");
            ExitCode::from(u8::from(!line.starts_with("HTTP/1.1 200 ")))
        }
        Err(error) => {
            println!("port {}: {error}", behaviour.port);
            ExitCode::FAILURE
        }
    }
}

fn health_status(port: u16) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or("no answer").to_owned())
}
