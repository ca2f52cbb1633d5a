//! The head of a package: everything before the first entry of data.
//!
//! The order of checks here is SPEC section 8, and decides which error wins.
//!
//! Attacks answered: a manifest that claims to be huge (its size is judged in
//! the header, before it is read), a manifest that does not fit its digest
//! (judged on bytes, before a line of it is parsed), a chunk table of another
//! manifest (its digest is in the manifest), a table that is right in itself
//! but lies about a config or derived file (a single chunk's digest is the
//! entry's), a file that lost its end or grew (judged before data is read,
//! where the file's size is known).

use std::io::Read;

use super::ReadOptions;
use super::source::{Source, compare_header, part_missing};
use crate::digest::{DIGEST_BYTES, Digest};
use crate::error::{Code, PackageError};
use crate::header::{self, BLOCK_BYTES, MTIME_FIELD, SIZE_FIELD, encoded_len, padding_len};
use crate::limits::{CHUNK_BYTES, MANIFEST_BYTES_MAX, SIGNATURE_BYTES_MAX};
use crate::manifest::{Manifest, chunk_count};
use crate::name;
use crate::parts::part_count;

/// Name of the first entry.
pub const MANIFEST: &str = "manifest.toml";
/// Name of the second entry.
pub const MANIFEST_SHA256: &str = "manifest.sha256";
/// Name of the entry before the data.
pub const CHUNKS_SHA256: &str = "chunks.sha256";

/// Size of `manifest.sha256`, in bytes: a line that `sha256sum -c` reads.
const MANIFEST_SHA256_BYTES: usize = 2 * DIGEST_BYTES + 2 + MANIFEST.len() + 1;

/// What the head says, all of it checked.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) manifest: Manifest,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) manifest_digest: Digest,
    /// Rows of 32 bytes.
    pub(super) chunk_table: Vec<u8>,
    /// The only size a file with this manifest can have, in bytes.
    pub(super) file_bytes: u64,
}

/// The bytes of `manifest.sha256` for a manifest with this digest.
pub(crate) fn manifest_sha256(digest: &Digest) -> Vec<u8> {
    format!("{}  {MANIFEST}\n", digest.hex()).into_bytes()
}

/// The only size a file with this manifest can have, in bytes.
pub(crate) fn file_bytes(manifest: &Manifest, manifest_bytes: u64) -> u64 {
    let on_tape = |size: u64| encoded_len(size) + size + padding_len(size) as u64;
    let data: u64 = manifest
        .entries
        .iter()
        .map(|entry| on_tape(entry.size))
        .sum();
    on_tape(manifest_bytes)
        + on_tape(MANIFEST_SHA256_BYTES as u64)
        + on_tape(manifest.chunks.size)
        + data
        + 2 * BLOCK_BYTES as u64
}

pub(super) fn read<R: Read>(
    source: &mut Source<R>,
    options: ReadOptions,
) -> Result<Head, PackageError> {
    let (size, mtime) = read_first_header(source)?;
    let mut manifest_bytes = vec![0; size];
    source.fill(&mut manifest_bytes, MANIFEST)?;
    source.expect_padding(size as u64, MANIFEST)?;
    let manifest_digest = Digest::of(&manifest_bytes);
    read_manifest_sha256(source, &manifest_digest, mtime)?;
    let place = format!("header of {CHUNKS_SHA256} at {}", source.here());
    let mut third_header = [0; BLOCK_BYTES];
    source.fill(&mut third_header, &place)?;
    refuse_signature(&third_header, mtime, &place)?;

    let manifest = Manifest::parse(&manifest_bytes)?;
    if manifest.mtime != mtime {
        return Err(PackageError::new(
            Code::HeaderNotCanonical,
            "the headers' time is not the manifest's",
            format!("header of {MANIFEST} at byte 0"),
        )
        .found(mtime)
        .wanted(manifest.mtime));
    }
    let wanted = header::encode(CHUNKS_SHA256, manifest.chunks.size, mtime);
    compare_header(&third_header, &wanted, &place)?;
    let chunk_table = read_chunk_table(source, &manifest)?;
    let file_bytes = file_bytes(&manifest, size as u64);
    check_file_size(options, file_bytes)?;
    Ok(Head {
        manifest,
        manifest_bytes,
        manifest_digest,
        chunk_table,
        file_bytes,
    })
}

/// Size and time of the manifest, from the one header that is not predicted
/// whole: size and time are read, encoded again and compared.
fn read_first_header<R: Read>(source: &mut Source<R>) -> Result<(usize, u64), PackageError> {
    let place = "first header, byte 0";
    let mut found = [0; BLOCK_BYTES];
    source.fill(&mut found, place)?;
    let size = header::octal_field(&found[SIZE_FIELD]);
    let mtime = header::octal_field(&found[MTIME_FIELD]);
    let fields = size
        .zip(mtime)
        .filter(|(size, mtime)| header::encode(MANIFEST, *size, *mtime) == found);
    let Some((size, mtime)) = fields else {
        return Err(PackageError::new(
            Code::NotVersion2,
            "this is not a package of format version 2: it is another file, \
             a package of version 1, or damaged at its very beginning",
            place,
        )
        .found(first_bytes(&found))
        .wanted("the canonical header of manifest.toml"));
    };
    let buffered = usize::try_from(size).ok().filter(|size| *size > 0);
    match buffered {
        Some(buffered) if size <= MANIFEST_BYTES_MAX => Ok((buffered, mtime)),
        _ => Err(
            PackageError::new(Code::ManifestSize, "the manifest's size is wrong", place)
                .found(format!("{size} bytes"))
                .wanted(format!("1 to {MANIFEST_BYTES_MAX} bytes")),
        ),
    }
}

/// What the file seems to be, for the person who gave the wrong one.
fn first_bytes(block: &[u8]) -> String {
    match block {
        [0x1f, 0x8b, ..] => "a gzip file".to_string(),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd file".to_string(),
        [b'P', b'K', ..] => "a zip file".to_string(),
        block if block.iter().all(|byte| *byte == 0) => "zeros".to_string(),
        block if block.get(257..262) == Some(b"ustar") => {
            let name: Vec<u8> = block[..100]
                .iter()
                .copied()
                .take_while(|byte| *byte != 0)
                .collect();
            format!("the tar header of {}", String::from_utf8_lossy(&name))
        }
        block => String::from_utf8_lossy(&block[..16]).into_owned(),
    }
}

fn read_manifest_sha256<R: Read>(
    source: &mut Source<R>,
    digest: &Digest,
    mtime: u64,
) -> Result<(), PackageError> {
    source.expect_header(MANIFEST_SHA256, MANIFEST_SHA256_BYTES as u64, mtime)?;
    let mut found = [0; MANIFEST_SHA256_BYTES];
    source.fill(&mut found, MANIFEST_SHA256)?;
    if found[..] != manifest_sha256(digest)[..] {
        return Err(PackageError::new(
            Code::ManifestDigestMismatch,
            "the manifest is damaged: it does not have the digest in manifest.sha256",
            MANIFEST,
        )
        .found(digest)
        .wanted(String::from_utf8_lossy(&found).trim_end()));
    }
    source.expect_padding(MANIFEST_SHA256_BYTES as u64, MANIFEST_SHA256)
}

/// A signature that nobody checks is worse than none: refused until it is.
fn refuse_signature(found: &[u8], mtime: u64, place: &str) -> Result<(), PackageError> {
    let name_end = found.iter().position(|byte| *byte == 0).unwrap_or(0);
    let Ok(path) = std::str::from_utf8(&found[..name_end.min(header::NAME_MAX)]) else {
        return Ok(());
    };
    let canonical = name::is_signature_path(path)
        && header::octal_field(&found[SIZE_FIELD])
            .filter(|size| (1..=SIGNATURE_BYTES_MAX).contains(size))
            .is_some_and(|size| header::encode(path, size, mtime) == found);
    if !canonical {
        return Ok(());
    }
    Err(PackageError::new(
        Code::NotSupportedYet,
        "the package is signed, and this program cannot check signatures yet",
        place,
    )
    .found(path))
}

fn read_chunk_table<R: Read>(
    source: &mut Source<R>,
    manifest: &Manifest,
) -> Result<Vec<u8>, PackageError> {
    let size =
        usize::try_from(manifest.chunks.size).expect("a checked manifest's table is at most 1 MiB");
    let mut table = vec![0; size];
    source.fill(&mut table, CHUNKS_SHA256)?;
    source.expect_padding(manifest.chunks.size, CHUNKS_SHA256)?;
    let digest = Digest::of(&table);
    if digest != manifest.chunks.sha256 {
        return Err(PackageError::new(
            Code::ChunkTableMismatch,
            "the chunk table is damaged: it does not have the digest the manifest wants",
            CHUNKS_SHA256,
        )
        .found(digest)
        .wanted(manifest.chunks.sha256));
    }
    let mut rows = table.chunks_exact(DIGEST_BYTES);
    for entry in &manifest.entries {
        let count = chunk_count(entry.size);
        let first = if count > 0 { rows.next() } else { None };
        if let Some(row) = first
            && entry.size <= CHUNK_BYTES
            && row != entry.sha256.as_bytes()
        {
            return Err(PackageError::new(
                Code::ChunkTableInconsistent,
                "an entry's only chunk does not have the entry's digest",
                format!("{CHUNKS_SHA256}, row of {}", entry.path),
            )
            .wanted(entry.sha256));
        }
        for _ in 1..count {
            rows.next();
        }
    }
    Ok(table)
}

/// A file, or a row of parts, that can't hold the package that its manifest names.
fn check_file_size(options: ReadOptions, wanted: u64) -> Result<(), PackageError> {
    let Some(found) = options.file_size.filter(|found| *found != wanted) else {
        return Ok(());
    };
    let mut place = "size of the file".to_owned();
    if let Some(part_size) = options.part_size {
        let (parts, parts_wanted) = (part_count(found, part_size), part_count(wanted, part_size));
        let sizes = |parts, bytes| format!("{parts} of {part_size} bytes, {bytes} bytes together");
        if parts < parts_wanted {
            return Err(part_missing(parts + 1)
                .found(sizes(parts, found))
                .wanted(sizes(parts_wanted, wanted)));
        }
        if parts > parts_wanted {
            let error = PackageError::new(
                Code::PartSurplus,
                "there are more parts than the package has: one of them is another package's",
                format!("part .{:03}", parts_wanted + 1),
            );
            return Err(error
                .found(sizes(parts, found))
                .wanted(sizes(parts_wanted, wanted)));
        }
        place = format!("size of part .{parts:03}");
    }
    let (code, what) = if found < wanted {
        (
            Code::Truncated,
            "the file is too short: it was not copied whole",
        )
    } else {
        (Code::TrailingBytes, "bytes follow the end of the package")
    };
    Err(PackageError::new(code, what, place)
        .found(format!("{found} bytes"))
        .wanted(format!("{wanted} bytes")))
}
