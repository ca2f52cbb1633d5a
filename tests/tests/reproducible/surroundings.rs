//! What may differ between two runs of `caisson-pack build`, and must not matter.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use caisson_tests::engines::faketime;

use super::forms::{Form, Packed};

/// One way to run a build.
pub(crate) struct Surrounding {
    pub(crate) title: &'static str,
    /// Ends with `exec "$0" "$@"`, which is the build.
    pub(crate) shell: String,
    pub(crate) no_environment: bool,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) flags: &'static [&'static str],
    /// Sources and output are given relative to this folder, which is the current one.
    pub(crate) inside: Option<PathBuf>,
    /// Where the package goes, if not beside the others.
    pub(crate) output: Option<PathBuf>,
    pub(crate) form: Form,
    /// An ordinary user.
    pub(crate) other_user: bool,
    /// The package's date is another one, so it is another package.
    pub(crate) dated: bool,
}

impl Surrounding {
    fn new(title: &'static str) -> Self {
        Self {
            title,
            shell: "exec \"$0\" \"$@\"".to_owned(),
            no_environment: false,
            environment: Vec::new(),
            flags: &[],
            inside: None,
            output: None,
            form: Form::USUAL,
            other_user: false,
            dated: false,
        }
    }

    fn shell(title: &'static str, before: &str) -> Self {
        Self {
            shell: format!("{before} \"$0\" \"$@\""),
            ..Self::new(title)
        }
    }

    fn environment(title: &'static str, variables: &[(&'static str, &str)]) -> Self {
        Self {
            environment: variables
                .iter()
                .map(|(name, value)| (*name, value.into()))
                .collect(),
            ..Self::new(title)
        }
    }

    fn flags(title: &'static str, flags: &'static [&'static str]) -> Self {
        Self {
            flags,
            ..Self::new(title)
        }
    }

    fn form(title: &'static str, form: Form) -> Self {
        Self {
            form,
            ..Self::new(title)
        }
    }
}

/// All of them, the usual one first. `folder` has the sources; `memory` is a folder on
/// another file system.
pub(crate) fn all(folder: &Path, memory: &Path) -> Result<Vec<Surrounding>> {
    let mut list = vec![
        Surrounding::new("usual"),
        Surrounding {
            inside: Some(folder.to_owned()),
            ..Surrounding::new("other folder, relative paths")
        },
        Surrounding::environment("TZ=Pacific/Kiritimati", &[("TZ", "Pacific/Kiritimati")]),
        Surrounding::environment("TZ=XXX+11:30", &[("TZ", "XXX+11:30")]),
        Surrounding::shell("umask 077", "umask 077; exec"),
        Surrounding::shell("umask 000", "umask 000; exec"),
        Surrounding::environment(
            "LANG, LC_ALL=tr_TR.UTF-8",
            &[("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8")],
        ),
        Surrounding {
            no_environment: true,
            ..Surrounding::new("no environment")
        },
        Surrounding::environment(
            "HOME, USER, TMPDIR",
            &[
                ("HOME", "/nowhere"),
                ("USER", "somebody"),
                ("TMPDIR", "/dev/shm"),
            ],
        ),
        Surrounding::flags("--threads 1", &["--threads", "1"]),
        Surrounding::flags("--threads 2", &["--threads", "2"]),
        Surrounding::flags("--threads 3", &["--threads", "3"]),
        Surrounding::flags("--threads 16", &["--threads", "16"]),
        Surrounding::flags("--json, another file name", &["--json"]),
        Surrounding {
            output: Some(memory.to_owned()),
            ..Surrounding::new("output on another file system")
        },
        Surrounding::shell("20 open files at most", "ulimit -n 20; exec"),
        Surrounding::shell("nice 19", "exec nice -n 19"),
        Surrounding::shell("standard input closed", "exec <&-; exec"),
    ];
    list.extend(forms());
    list.push(clock()?);
    list.push(Surrounding {
        other_user: true,
        ..Surrounding::shell(
            "ordinary user",
            "exec setpriv --reuid 65534 --regid 65534 --clear-groups",
        )
    });
    list.push(Surrounding {
        dated: true,
        ..Surrounding::environment("SOURCE_DATE_EPOCH=86400", &[("SOURCE_DATE_EPOCH", "86400")])
    });
    list.push(Surrounding {
        dated: true,
        environment: vec![
            ("SOURCE_DATE_EPOCH", "86400".into()),
            ("TZ", "XXX-11".into()),
        ],
        ..Surrounding::new("the same, another TZ")
    });
    Ok(list)
}

/// Other archives of the same image.
fn forms() -> Vec<Surrounding> {
    let usual = Form::USUAL;
    let packed = |packed| Form { packed, ..usual };
    vec![
        Surrounding::form(
            "entries in opposite order",
            Form {
                backwards: true,
                ..usual
            },
        ),
        Surrounding::form(
            "other times, owners, modes",
            Form {
                odd_attributes: true,
                ..usual
            },
        ),
        Surrounding::form("layers gzip -1", packed(Packed::Gzip(1))),
        Surrounding::form("layers gzip -9", packed(Packed::Gzip(9))),
        Surrounding::form("layers zstd", packed(Packed::Zstd)),
        Surrounding::form(
            "docker media types",
            Form {
                oci_types: false,
                ..usual
            },
        ),
        Surrounding::form(
            "docker media types, gzip",
            Form {
                oci_types: false,
                ..packed(Packed::Gzip(6))
            },
        ),
    ]
}

/// A clock five years on.
fn clock() -> Result<Surrounding> {
    let library = faketime()?;
    Ok(Surrounding {
        environment: vec![
            ("LD_PRELOAD", library.into_os_string()),
            ("FAKETIME", "2031-02-03 04:05:06".into()),
        ],
        ..Surrounding::new("clock in 2031")
    })
}

/// Lets every user in, since temporary folders are their owner's.
pub(crate) fn open_to_all(folder: &Path) -> Result<()> {
    Ok(fs::set_permissions(
        folder,
        fs::Permissions::from_mode(0o777),
    )?)
}
