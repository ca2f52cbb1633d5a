//! Packages that were made, or damaged, to do harm.

use serde_json::json;

use super::{compared, config, container, draft, edited, layers, put, with_config};
use crate::program::Desk;

/// Text of an image that moves the cursor could hide the very difference that
/// matters; a long one could push it off the screen.
#[test]
fn foreign_text_stays_text() {
    let desk = Desk::new();
    put(&desk, "a", &draft());
    put(
        &desk,
        "b",
        &with_config(|config| {
            config["config"]["Env"] = json!([
                "A=\u{1b}[2J\u{202e}x\r\n",
                format!("B={}", "b".repeat(10_000))
            ]);
            config["config"]["Labels"] = json!({"\u{1b}]0;x\u{7}\n": "\u{9b}1A"});
            config["config"]["\u{7f}"] = json!(["\u{200b}"]);
            config["\u{1b}c"] = json!(1);
        }),
    );
    let words = desk.run("diff a b").succeeded().stdout;
    for character in words.chars() {
        assert!(character == '\n' || !character.is_control(), "{words:?}");
        assert!(!"\u{200b}\u{202e}".contains(character), "{words:?}");
    }
    assert!(
        words.lines().all(|line| line.chars().count() < 400),
        "{words}"
    );
    assert!(words.contains("(10000 characters)"), "{words}");
    // For programs it is whole.
    let seen = compared(&desk, "a", "b").to_string();
    assert!(seen.contains(&"b".repeat(10_000)));
}

/// Nothing of a package is shown that was not verified, and damage is not passed
/// off as a difference.
#[test]
fn damage_is_refused() {
    let desk = Desk::new();
    put(&desk, "a", &draft());
    put(&desk, "b", &edited(|draft| draft.release = Some(9)));
    let sound = desk.read("b");
    let config_end = {
        let config = config(&container(), &layers()).to_string();
        let found = sound
            .windows(config.len())
            .position(|bytes| bytes == config.as_bytes());
        found.expect("the config is in the package as it is") + config.len()
    };
    for position in (0..config_end).step_by(config_end / 120) {
        let mut bent = sound.clone();
        bent[position] ^= 1 << (position % 8);
        desk.write("b", &bent);
        for order in ["a b", "b a"] {
            let ran = desk.run(&format!("diff {order}"));
            assert_eq!(
                (ran.status, ran.stdout.as_str()),
                (10, ""),
                "byte {position}: {ran:?}"
            );
        }
    }
    // A config that contradicts its manifest. The one layer that does is not read.
    for (package, code) in crate::damage::contradictions().into_iter().skip(2) {
        desk.write("b", package);
        let code = code.expect("only the first is sound");
        let ran = desk.run("diff a b").refused(code, 10);
        assert!(ran.stderr.contains("where:  b: blobs/"), "{}", ran.stderr);
    }
    desk.run("diff a none").refused("usage.file_unreadable", 2);
    desk.run("diff a").refused("usage.invalid", 2);
    // Far deeper than any parser should follow.
    let mut draft = draft();
    let mut config = config(&container(), &layers()).to_string();
    config.pop();
    let deep = format!(r#"{config},"x":{}{}}}"#, "[".repeat(9000), "]".repeat(9000));
    draft.images[0].config = deep.into_bytes();
    put(&desk, "b", &draft);
    desk.run("diff a b").refused("manifest.inconsistent", 10);
}
