//! One vector: a file or its parts, and what a reader must make of it.

use crate::digest::digest;

/// A vector of the suite.
#[derive(Clone, Debug)]
pub struct Vector {
    /// `area_defect`, the file's name too.
    pub name: String,
    /// What is wrong with it, or what it shows, and why a reader might miss it.
    pub sentence: String,
    /// The numbers of the MUSTs in SPEC.md that it is about.
    pub musts: Vec<u32>,
    /// The bytes.
    pub content: Content,
    /// What a reader must say.
    pub verdict: Verdict,
}

/// The bytes of a vector.
#[derive(Clone, Debug)]
pub enum Content {
    /// A package in one file.
    Whole(Vec<u8>),
    /// A split package in a folder of its own.
    Parts {
        /// The name that the reader is given.
        given: String,
        /// Names and bytes of the files in the folder.
        files: Vec<(String, Vec<u8>)>,
    },
}

/// What a reader must say.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The package is sound.
    Accept {
        /// The digest of its manifest.
        manifest_digest: String,
    },
    /// The package is refused.
    Reject(Box<Refusal>),
}

/// Why, where and when a package is refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The code of ERRORS.md.
    pub code: String,
    /// The step of SPEC section 8; `None` for what stands in section 7.
    pub step: Option<u32>,
    /// As this project's reader words it.
    pub place: String,
    /// What of the place is wrong, where a place has several parts.
    pub element: Option<String>,
    /// Only a deep pass finds it; a quick pass accepts the package.
    pub is_deep: bool,
    /// The data that was released before.
    pub released: Released,
    /// What a reader says that does not know the file's size, if something else.
    pub stream: Option<Box<Refusal>>,
}

/// The data that a reader gives out before it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// How many bytes.
    pub bytes: u64,
    /// Their digest.
    pub sha256: String,
}

impl Released {
    fn of(data: &[u8]) -> Self {
        Self {
            bytes: data.len() as u64,
            sha256: digest(data),
        }
    }
}

impl Vector {
    pub(crate) fn accept(bytes: Vec<u8>, manifest_digest: String, musts: &[u32]) -> Self {
        let verdict = Verdict::Accept { manifest_digest };
        Self::new(Content::Whole(bytes), musts, verdict)
    }

    pub(crate) fn refuse(
        bytes: Vec<u8>,
        step: u32,
        code: &str,
        musts: &[u32],
        place: &str,
    ) -> Self {
        let refusal = Refusal::new(Some(step), code, place);
        Self::new(
            Content::Whole(bytes),
            musts,
            Verdict::Reject(Box::new(refusal)),
        )
    }

    fn new(content: Content, musts: &[u32], verdict: Verdict) -> Self {
        Self {
            name: String::new(),
            sentence: String::new(),
            musts: musts.to_vec(),
            content,
            verdict,
        }
    }

    /// Which part of the place is wrong.
    pub(crate) fn element(mut self, element: &str) -> Self {
        self.refusal().element = Some(element.to_owned());
        self
    }

    /// The data that was released before.
    pub(crate) fn released(mut self, data: &[u8]) -> Self {
        self.refusal().released = Released::of(data);
        self
    }

    /// Only a deep pass finds it.
    pub(crate) fn deep(mut self) -> Self {
        self.refusal().is_deep = true;
        self
    }

    /// What is said instead where the file's size is not known.
    pub(crate) fn in_stream(mut self, step: u32, code: &str, place: &str, data: &[u8]) -> Self {
        let mut refusal = Refusal::new(Some(step), code, place);
        refusal.released = Released::of(data);
        self.refusal().stream = Some(Box::new(refusal));
        self
    }

    /// No step of section 8, but a rule of section 7.
    pub(crate) fn in_layer(mut self) -> Self {
        self.refusal().step = None;
        self.deep()
    }

    /// Found by names and sizes of parts, before the first step of section 8.
    pub(crate) fn before_reading(mut self) -> Self {
        self.refusal().step = None;
        self
    }

    /// The same verdict on a folder of parts. Parts are files, so their sizes are known.
    pub(crate) fn in_parts(mut self, given: &str, files: Vec<(String, Vec<u8>)>) -> Self {
        self.content = Content::Parts {
            given: given.to_owned(),
            files,
        };
        self
    }

    fn refusal(&mut self) -> &mut Refusal {
        match &mut self.verdict {
            Verdict::Reject(refusal) => refusal,
            Verdict::Accept { .. } => unreachable!("only refusals have places"),
        }
    }

    /// The same vector under its name and sentence.
    pub(crate) fn named(mut self, name: &str, words: &[&str]) -> Self {
        let words: Vec<&str> = words.iter().map(|line| line.trim()).collect();
        name.clone_into(&mut self.name);
        self.sentence = words.join(" ");
        self
    }
}

impl Refusal {
    fn new(step: Option<u32>, code: &str, place: &str) -> Self {
        Self {
            code: code.to_owned(),
            step,
            place: place.to_owned(),
            element: None,
            is_deep: false,
            released: Released::of(b""),
            stream: None,
        }
    }
}

/// The vectors of a file: each function makes one, its name is the vector's,
/// and its comment the vector's sentence in the index.
macro_rules! vectors {
    ($( $(#[doc = $words:literal])+ fn $name:ident() -> Vector $body:block )+) => {
        /// The vectors of this file, in its order.
        pub(crate) fn vectors() -> Vec<crate::vector::Vector> {
            vec![$( $name().named(stringify!($name), &[$($words),+]) ),+]
        }
        $( $(#[doc = $words])+ fn $name() -> crate::vector::Vector $body )+
    };
}
pub(crate) use vectors;
