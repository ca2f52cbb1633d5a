//! Archives whose tar itself is wrong.

use super::Case;
use crate::archive::Item;

pub(super) const CASES: &[Case] = &[
    (
        "a path that climbs out",
        |a| a.0.push(Item::file("../evil", b"x")),
        "source.entry_refused",
    ),
    (
        "a path that climbs inside",
        |a| a.0.push(Item::file("a/../b", b"x")),
        "source.entry_refused",
    ),
    (
        "an absolute path",
        |a| a.0.push(Item::file("/etc/passwd", b"x")),
        "source.entry_refused",
    ),
    (
        "a file without a name",
        |a| a.0.push(Item::file(".", b"")),
        "source.entry_refused",
    ),
    (
        "a device",
        |a| {
            a.0.push(Item {
                kind: tar::EntryType::Char,
                ..Item::file("tty", b"")
            });
        },
        "source.entry_refused",
    ),
    (
        "a pipe",
        |a| {
            a.0.push(Item {
                kind: tar::EntryType::Fifo,
                ..Item::file("pipe", b"")
            });
        },
        "source.entry_refused",
    ),
    (
        "a sparse file",
        |a| {
            a.0.push(Item {
                kind: tar::EntryType::GNUSparse,
                ..Item::file("sparse", b"")
            });
        },
        "source.entry_refused",
    ),
    (
        "a link out of the archive",
        |a| a.0.push(Item::link("a/l", "../../etc/passwd")),
        "source.link_refused",
    ),
    (
        "an absolute link",
        |a| a.0.push(Item::link("l", "/etc/passwd")),
        "source.link_refused",
    ),
    (
        "a hard link out of the archive",
        |a| {
            a.0.push(Item {
                kind: tar::EntryType::Link,
                ..Item::link("a/l", "../x")
            });
        },
        "source.link_refused",
    ),
    (
        "links in a circle",
        |a| {
            *a.item("manifest.json") = Item::link("manifest.json", "l");
            a.0.push(Item::link("l", "manifest.json"));
        },
        "source.link_refused",
    ),
    (
        "a folder as manifest.json",
        |a| {
            *a.item("manifest.json") = Item {
                kind: tar::EntryType::Directory,
                ..Item::file("manifest.json", b"")
            };
        },
        "source.link_refused",
    ),
    (
        "a layer named outside",
        |a| a.edit_manifest("\"Layers\":[\"", "\"Layers\":[\"../"),
        "source.link_refused",
    ),
    (
        "an entry twice",
        |a| {
            let again = a.0[0].clone();
            a.0.push(again);
        },
        "source.entry_duplicate",
    ),
    (
        "an entry twice in two spellings",
        |a| {
            let mut again = a.0[0].clone();
            again.path.insert_str(0, "./");
            a.0.push(again);
        },
        "source.entry_duplicate",
    ),
    (
        "a global header that renames",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::XGlobalHeader,
                    ..Item::file("g", b"10 path=x\n")
                },
            );
        },
        "source.entry_refused",
    ),
    (
        "a pax header that is none",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::XHeader,
                    ..Item::file("p", b"99 path=x\n")
                },
            );
        },
        "source.not_a_tar",
    ),
    (
        "a pax size that is none",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::XHeader,
                    ..Item::file("p", b"10 size=x\n")
                },
            );
        },
        "source.not_a_tar",
    ),
    (
        "a pax size past the end",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::XHeader,
                    ..Item::file("p", b"29 size=18446744073709551615\n")
                },
            );
        },
        "source.truncated",
    ),
    (
        "a pax sparse map",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::XHeader,
                    ..Item::file("p", b"22 GNU.sparse.major=1\n")
                },
            );
        },
        "source.entry_refused",
    ),
    (
        "a huge pax header",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::XHeader,
                    ..Item::file("p", &vec![b'x'; 70_000])
                },
            );
        },
        "source.limit_exceeded",
    ),
    (
        "a huge long name",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::GNULongName,
                    ..Item::file("p", &vec![b'x'; 70_000])
                },
            );
        },
        "source.limit_exceeded",
    ),
    (
        "a long name over the limit",
        |a| {
            a.0.insert(
                0,
                Item {
                    kind: tar::EntryType::GNULongName,
                    ..Item::file("p", &[b'x'; 5000])
                },
            );
        },
        "source.limit_exceeded",
    ),
];
