//! Memory stays flat, whatever the package's size. A program of its own, which
//! starts itself again as the reader: the peak of a process only grows, so
//! nothing but the reader may run in the one that is measured.

use std::io::{self, BufWriter, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use edgepkg::digest::{Digest, Hasher};
use edgepkg::layer::{DiffIdCheck, decode};
use edgepkg::manifest::Service;
use edgepkg::reader::{PackageReader, ReadOptions};
use edgepkg::writer::{self, BlobDraft, ImageDraft, LayerDraft, PackageDraft};

/// The budget of the whole device-side process is 16 MiB; reader and decoder
/// leave a third of it, the code of a debug build included.
const PEAK_KIB_MAX: u64 = 11 * 1024;

/// If anything is held that grows with the package, the second, larger one has
/// a higher peak; half a MiB is what the kernel's counting explains. The first
/// is large enough to fill the decoder's window, which is reserved for both
/// but touched only as far as it is used.
fn main() {
    if std::env::args().any(|argument| argument == READER) {
        read_from_stdin();
        return;
    }
    let small = peak_of_reading(64 << 20, 8 << 20);
    let large = peak_of_reading(256 << 20, 64 << 20);
    println!("peak: {small} KiB for a layer of 64 MiB, {large} KiB for 256 MiB");
    assert!(large <= small + 512, "{small} KiB, then {large} KiB");
    assert!(large <= PEAK_KIB_MAX, "{large} KiB");
}

const READER: &str = "--read-package-from-stdin";

fn read_from_stdin() {
    let options = ReadOptions {
        file_size: None,
        part_size: None,
        check_digests: true,
    };
    let mut reader = PackageReader::open(io::stdin().lock(), options).unwrap();
    let layer = reader.manifest().images[0].layers[0].clone();
    while let Some(entry) = reader.next_entry().unwrap() {
        if entry.sha256 == layer.digest {
            decode(
                &mut reader.entry_reader(),
                &layer,
                DiffIdCheck::Here,
                &mut io::sink(),
                &mut |_| {},
            )
            .unwrap();
        }
    }
    println!("{}", peak_kib());
}

/// Packs a layer that unpacks to `unpacked` bytes with the largest window and
/// a file of `stored` bytes, gives both to a reader, and returns its peak.
fn peak_of_reading(unpacked: u64, stored: u64) -> u64 {
    let open: writer::Opener = Arc::new(move || Ok(Box::new(Constant(stored))));
    let draft = PackageDraft {
        package_version: "1.0.0".to_string(),
        services: vec![Service {
            service: "web".to_string(),
            service_revision: "r1".to_string(),
            image: "web:1".to_string(),
        }],
        images: vec![ImageDraft {
            reference: "web:1".to_string(),
            platform: "linux/amd64".to_string(),
            config: b"{}".to_vec(),
            layers: vec![LayerDraft {
                blob: BlobDraft::from_bytes(compressed(unpacked)),
                diff_id: digest_of(Pattern::new(unpacked)),
                diff_size: unpacked,
            }],
        }],
        files: vec![writer::FileDraft {
            name: "stored".to_string(),
            blob: BlobDraft::from_opener(open).unwrap(),
        }],
        ..PackageDraft::default()
    };
    let mut reader = Command::new(std::env::current_exe().unwrap())
        .arg(READER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut into = BufWriter::new(reader.stdin.take().unwrap());
    writer::write(&draft, &mut into, &mut |_, _| {}).unwrap();
    into.flush().unwrap();
    drop(into);
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "the reader failed");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// A frame of the pattern with the largest window the format allows. It is
/// small, since the pattern repeats.
fn compressed(unpacked: u64) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(22).unwrap();
    encoder.set_pledged_src_size(Some(unpacked)).unwrap();
    io::copy(&mut Pattern::new(unpacked), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn digest_of(mut source: impl io::Read) -> Digest {
    let mut hasher = Hasher::new();
    io::copy(&mut source, &mut hasher).unwrap();
    hasher.finish()
}

/// Repeats after three MiB: the decoder needs most of a four MiB window.
struct Pattern {
    left: u64,
    at: u64,
}

impl Pattern {
    fn new(bytes: u64) -> Self {
        Self { left: bytes, at: 0 }
    }
}

impl io::Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for byte in &mut buffer[..count] {
            let position = self.at % (3 << 20);
            *byte = (position.wrapping_mul(0x9e37_79b9) >> 13).to_le_bytes()[0];
            self.at += 1;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// This many equal bytes, without holding them.
struct Constant(u64);

impl io::Read for Constant {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer
            .len()
            .min(usize::try_from(self.0).unwrap_or(usize::MAX));
        buffer[..count].fill(0x5a);
        self.0 -= count as u64;
        Ok(count)
    }
}

/// The peak resident memory of this process, as the kernel counts it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells the peak");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("Linux tells the peak");
    line.trim_end_matches("kB").trim().parse().unwrap()
}
