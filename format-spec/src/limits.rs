//! Every limit of the format, each with the reason for its value.
//!
//! SPEC section 3 lists the same numbers; a test compares the two. A limit is
//! checked before the memory or the time it protects is spent.

/// Greatest size of `manifest.toml`, in bytes. It is buffered whole. Room for
/// about 600 layers with their entries: more than four images at the engines'
/// own limit of layers.
pub const MANIFEST_BYTES_MAX: u64 = 256 * 1024;

/// Greatest number of signature entries. A key roll-over needs two, a vendor
/// and an operator two each.
pub const SIGNATURES_MAX: usize = 8;

/// Greatest size of one signature entry, in bytes. A minisign file has about
/// 300 bytes; its comments may be longer.
pub const SIGNATURE_BYTES_MAX: u64 = 4 * 1024;

/// Size of one chunk, in bytes: what a reader buffers to verify data before
/// it releases it. Smaller chunks make the table larger, larger ones the buffer.
pub const CHUNK_BYTES: u64 = 1024 * 1024;

/// Greatest size of `chunks.sha256`, in bytes: 32 768 rows, 32 GiB of data.
/// The table is held in memory, so this is also a part of the memory budget.
pub const CHUNK_TABLE_BYTES_MAX: u64 = 1024 * 1024;

/// Greatest number of entries after `chunks.sha256`. It bounds the reader's
/// list; blobs alone fill the manifest before they reach it.
pub const ENTRIES_MAX: usize = 1024;

/// Greatest number of images of one package.
pub const IMAGES_MAX: usize = 64;

/// Greatest number of `[[services]]` of one package.
pub const SERVICES_MAX: usize = 64;

/// Greatest number of layers of one image: what Docker's layer store takes.
pub const LAYERS_MAX: usize = 125;

/// Greatest size of an image's config, in bytes. One chunk, so that the
/// chunk's digest is the config's digest and a device may buffer it whole.
pub const CONFIG_BYTES_MAX: u64 = CHUNK_BYTES;

/// Greatest sum of the unpacked layer sizes of one image, in bytes: four
/// times what the chunk table can hold. More than that is not an image for a
/// device but a decompression bomb.
pub const DIFF_BYTES_TOTAL_MAX: u64 = 128 * 1024 * 1024 * 1024;

/// Greatest zstd window of a layer, as a power of two: 4 MiB. A decoder holds
/// the window in memory.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 22;

/// Greatest integer in the manifest: 2^53 - 1, the greatest that every JSON
/// reader keeps exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Greatest size that the ustar header's eleven octal digits can say, in
/// bytes. Above it, and only above it, a pax `size` record precedes the header.
pub const USTAR_SIZE_MAX: u64 = 0o777_7777_7777;

/// Greatest `mtime`, in seconds since 1970: eleven octal digits, the year 2242.
pub const MTIME_MAX: u64 = 0o777_7777_7777;

/// Longest name after `files/`, in bytes: with the folder it fits the 100
/// bytes of the header's name field.
pub const FILE_NAME_MAX: usize = 90;

/// Longest service name, in bytes. It becomes part of container and image names.
pub const SERVICE_NAME_MAX: usize = 64;

/// Longest service revision, in bytes.
pub const SERVICE_REVISION_MAX: usize = 128;

/// Longest image reference, in bytes. With the prefix of the local names it
/// stays below the 255 bytes that engines accept.
pub const REFERENCE_MAX: usize = 200;

/// Longest tag of an image reference, in bytes. Engines accept 128; the
/// derived names may append `-` and a platform.
pub const TAG_MAX: usize = 95;

/// Longest platform, in bytes.
pub const PLATFORM_MAX: usize = 32;

/// Longest version, in bytes. With 13 more it still fits into a tag.
pub const VERSION_MAX: usize = 96;

/// Greatest number of names in `requires`.
pub const REQUIRES_MAX: usize = 16;

/// Longest feature name in `requires`, in bytes.
pub const FEATURE_NAME_MAX: usize = 32;

/// Greatest number of `[notes]`.
pub const NOTES_MAX: usize = 32;

/// Longest key of a note, in bytes.
pub const NOTE_KEY_MAX: usize = 64;

/// Longest value of a note, in bytes of UTF-8.
pub const NOTE_VALUE_MAX: usize = 4096;

/// Greatest number of parts of a split package: three digits in a name.
pub const PARTS_MAX: u32 = 999;
