//! Packages that no honest writer makes: taken apart, changed in one place and
//! put together again, with the digests around the change made right or left.

use std::io::Read;

use edgepkg::digest::Digest;
use edgepkg::header;
use edgepkg::limits::CHUNK_BYTES;
use edgepkg::writer::PackageDraft;

use crate::support::package;

/// A package in parts.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) mtime: u64,
    /// In file order, the three of the head included.
    pub(crate) parts: Vec<(String, Vec<u8>)>,
}

impl Forge {
    pub(crate) fn new(draft: &PackageDraft) -> Self {
        let bytes = package(draft);
        let mut parts = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_string();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            parts.push((name, data));
        }
        let forge = Self {
            mtime: draft.mtime,
            parts,
        };
        assert_eq!(forge.bytes(), bytes, "taking apart loses nothing");
        forge
    }

    pub(crate) fn data(&mut self, name: &str) -> &mut Vec<u8> {
        let part = self.parts.iter_mut().find(|(part, _)| part == name);
        &mut part.expect("the package has this part").1
    }

    pub(crate) fn manifest(&mut self) -> String {
        String::from_utf8(self.data("manifest.toml").clone()).unwrap()
    }

    /// Replaces text in the manifest, once, and makes `manifest.sha256` right.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        let text = self.manifest();
        assert!(text.contains(from), "{from:?} is in the manifest");
        *self.data("manifest.toml") = text.replacen(from, to, 1).into_bytes();
        self.seal_manifest()
    }

    pub(crate) fn seal_manifest(mut self) -> Self {
        let digest = Digest::of(self.data("manifest.toml"));
        *self.data("manifest.sha256") = format!("{}  manifest.toml\n", digest.hex()).into_bytes();
        self
    }

    /// Makes the chunk table fit the data, and the manifest the chunk table.
    pub(crate) fn seal_chunks(mut self) -> Self {
        let mut table = Vec::new();
        for (_, data) in &self.parts[3..] {
            for chunk in data.chunks(usize::try_from(CHUNK_BYTES).unwrap()) {
                table.extend_from_slice(Digest::of(chunk).as_bytes());
            }
        }
        *self.data("chunks.sha256") = table;
        self.seal_table()
    }

    /// Makes the manifest fit the chunk table as it stands.
    pub(crate) fn seal_table(mut self) -> Self {
        let table = Digest::of(self.data("chunks.sha256"));
        let text = self.manifest();
        let (before, _) = text.rsplit_once("sha256 = ").unwrap();
        *self.data("manifest.toml") = format!("{before}sha256 = \"{table}\"\n").into_bytes();
        self.seal_manifest()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, data) in &self.parts {
            bytes.extend(header::encode(name, data.len() as u64, self.mtime));
            bytes.extend(data);
            bytes.resize(bytes.len() + header::padding_len(data.len() as u64), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }
}
