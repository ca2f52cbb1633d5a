//! What goes wrong while images are extracted leaves nothing that looks like one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use edgepkg::manifest::Service;
use edgepkg::writer::{BlobDraft, ImageDraft, LayerDraft, PackageDraft, write};
use rustix::process::{Pid, Signal, kill_process};

use super::site;
use crate::program::{Desk, Ran};

/// Damage anywhere in the package: no file appears, and a stream that has begun
/// never gets as far as its names.
#[test]
fn a_damaged_package_gives_no_image() {
    let desk = site();
    let sound = desk.read("site.edgepkg");
    let before = {
        desk.write("bent.edgepkg", &sound);
        desk.names()
    };
    let extract = "extract bent.edgepkg --platform linux/amd64";
    let mut began = 0;
    for position in (0..sound.len()).step_by(sound.len() / 60) {
        let mut bent = sound.clone();
        bent[position] ^= 1 << (position % 8);
        desk.write("bent.edgepkg", &bent);
        let ran = desk.run(&format!("{extract} --docker-archive x.tar"));
        assert_eq!(ran.status, 10, "byte {position}: {ran:?}");
        assert_eq!(desk.run(&format!("{extract} --oci x")).status, 10);
        assert_eq!(desk.names(), before, "byte {position}");
        let args = format!("{extract} --docker-archive -");
        let piped = desk.command().args(args.split(' ')).output();
        let piped = piped.expect("the program starts");
        assert_eq!(piped.status.code(), Some(10), "byte {position}");
        began += usize::from(!piped.stdout.is_empty());
        for name in ["manifest.json", "index.json"] {
            let name = name.as_bytes();
            let shown = piped.stdout.windows(name.len()).any(|bytes| bytes == name);
            assert!(!shown, "byte {position}");
        }
    }
    assert!(began > 3, "no stream had begun before the damage");
}

/// A package that contradicts itself: its chunks are right, its contents are not
/// what its manifest says.
#[test]
fn a_package_that_contradicts_itself_gives_no_image() {
    let desk = Desk::new();
    for (number, (package, code)) in crate::damage::contradictions().into_iter().enumerate() {
        desk.write("x.edgepkg", package);
        for output in ["--docker-archive x.tar", "--oci x"] {
            let ran = desk.run(&format!("extract x.edgepkg {output}"));
            match code {
                Some(code) => drop(ran.refused(code, 10)),
                None => drop(ran.succeeded()),
            }
        }
        assert_eq!(
            desk.names().len(),
            if code.is_some() { 1 } else { 3 },
            "{number}"
        );
        if code.is_none() {
            std::fs::remove_file(desk.path("x.tar")).expect("it was written");
            std::fs::remove_dir_all(desk.path("x")).expect("it was written");
        }
    }
}

/// Puts down a package of a layer that takes a moment to unpack: zeros, so it is small.
fn slow_package(desk: &Desk) {
    static PACKAGE: OnceLock<Vec<u8>> = OnceLock::new();
    desk.write("x.edgepkg", PACKAGE.get_or_init(|| package_of_zeros(512)));
}

fn package_of_zeros(mebibytes: u64) -> Vec<u8> {
    let size = mebibytes << 20;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
    encoder.set_pledged_src_size(Some(size)).expect("size");
    let mut hasher = edgepkg::digest::Hasher::new();
    let piece = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        encoder.write_all(&piece).expect("memory");
        hasher.update(&piece);
    }
    let diff_id = hasher.finish();
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    });
    let draft = PackageDraft {
        package_version: "1.0.0".to_owned(),
        services: vec![Service {
            service: "web".to_owned(),
            service_revision: "r1".to_owned(),
            image: "web:1".to_owned(),
        }],
        images: vec![ImageDraft {
            reference: "web:1".to_owned(),
            platform: "linux/amd64".to_owned(),
            config: config.to_string().into_bytes(),
            layers: vec![LayerDraft {
                blob: BlobDraft::from_bytes(encoder.finish().expect("memory")),
                diff_id,
                diff_size: size,
            }],
        }],
        ..PackageDraft::default()
    };
    let mut package = Vec::new();
    write(&draft, &mut package, &mut |_, _| {}).expect("consistent");
    package
}

fn begin(desk: &Desk, args: &str) -> Child {
    let child = desk
        .command()
        .args(args.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.expect("the program starts")
}

fn interrupt(child: &Child) {
    let id = i32::try_from(child.id()).expect("a process id");
    let id = Pid::from_raw(id).expect("a process id");
    kill_process(id, Signal::TERM).expect("it runs");
}

/// Ctrl-C in the middle of a file or folder: nothing of it may stay.
#[test]
fn a_signal_leaves_nothing() {
    let desk = Desk::new();
    slow_package(&desk);
    for output in ["--docker-archive x.tar", "--oci x"] {
        let child = begin(&desk, &format!("extract x.edgepkg {output}"));
        let deadline = Instant::now() + Duration::from_mins(1);
        while desk.names().len() < 2 {
            assert!(Instant::now() < deadline, "{output}: nothing was begun");
            std::thread::sleep(Duration::from_millis(1));
        }
        interrupt(&child);
        let ran = Ran::of(&child.wait_with_output().expect("it ends"));
        ran.refused("build.interrupted", 3);
        assert_eq!(desk.names(), ["x.edgepkg"]);
    }
}

/// A signal while an engine reads: the stream ends before its names.
#[test]
fn a_signal_ends_the_stream_without_names() {
    let desk = Desk::new();
    slow_package(&desk);
    let mut child = begin(&desk, "extract x.edgepkg --docker-archive -");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut stream = vec![0; 4096];
    stdout.read_exact(&mut stream).expect("the stream begins");
    // The program can't have got further than the pipe holds.
    interrupt(&child);
    stdout.read_to_end(&mut stream).expect("the stream ends");
    let ran = Ran::of(&child.wait_with_output().expect("it ends"));
    ran.refused("build.interrupted", 3);
    assert!(stream.len() < 64 << 20, "{} bytes", stream.len());
    assert!(!stream.windows(13).any(|bytes| bytes == b"manifest.json"));
}

/// An engine that hangs up must not look like success, nor like a bug of ours.
#[test]
fn a_broken_pipe_is_said() {
    let desk = Desk::new();
    slow_package(&desk);
    let mut child = begin(&desk, "extract x.edgepkg --docker-archive -");
    drop(child.stdout.take());
    let ran = Ran::of(&child.wait_with_output().expect("it ends"));
    let ran = ran.refused("build.output_failed", 1);
    let words = "the program behind the pipe";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

/// A package that came in parts, or through a pipe, is a package like any other.
#[test]
fn split_and_piped_packages_are_read() {
    let desk = site();
    let package = desk.read("site.edgepkg");
    for (number, part) in package.chunks(package.len() / 3 + 1).enumerate() {
        desk.write(&format!("split.edgepkg.00{}", number + 1), part);
    }
    desk.run("extract site.edgepkg --oci-archive whole.tar")
        .succeeded();
    desk.run("extract split.edgepkg.001 --oci-archive split.tar")
        .succeeded();
    let wanted = desk.read("whole.tar");
    assert_eq!(desk.read("split.tar"), wanted);
    let ran = desk.run("diff --exit-code split.edgepkg.001 site.edgepkg");
    assert_eq!(ran.succeeded().stdout, "");
    let file = fs::File::open(desk.path("site.edgepkg")).expect("the package");
    let output = desk
        .command()
        .args("extract /dev/stdin --oci-archive piped.tar".split(' '))
        .stdin(file)
        .output();
    Ran::of(&output.expect("the program starts")).succeeded();
    assert_eq!(desk.read("piped.tar"), wanted);
    fs::remove_file(desk.path("split.edgepkg.002")).expect("it is there");
    let before = desk.names();
    desk.run("extract split.edgepkg.001 --oci x")
        .refused("pkg.part_missing", 10);
    desk.run("diff site.edgepkg split.edgepkg.001")
        .refused("pkg.part_missing", 10);
    assert_eq!(desk.names(), before);
}
