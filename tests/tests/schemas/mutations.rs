//! Many small mistakes in a sound TOML file, one at a time.

/// Values that are wrong somewhere and right elsewhere.
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "7",
    "-1",
    "100",
    "1000",
    "86400",
    "86401",
    "9007199254740992",
    "1.5",
    "true",
    "false",
    "\"\"",
    "\"x\"",
    "\"x y\"",
    "\" x\"",
    "\"x\\ny\"",
    "\"x\\u0000\"",
    "\"\u{e4}\"",
    "\"1.2\"",
    "\"1.2.3\"",
    "\"01.2.3\"",
    "\"linux/arm/v7\"",
    "\"linux\"",
    "\"/x\"",
    "\"X.y:5/a/b:1\"",
    "\"a_.b\"",
    "\"docker-archive:\"",
    "\"docker-archive:x:@\"",
    "\"http://[::1]:80/?a\"",
    "\"http://x/#y\"",
    "\"https://x/\"",
    "\"HEAD\"",
    "\"docker\"",
    "\"compose\"",
    "\"running\"",
    "\"web.caisson-old\"",
    "\"caisson.local/x\"",
    "[]",
    "[\"http\"]",
    "[\"running\"]",
    "[\"running\", \"running\"]",
    "[1]",
    "{}",
    "{ x = 1 }",
];

/// Texts that one rule takes and another refuses: names, references, versions,
/// platforms and addresses, at the edges of their forms.
const TEXTS: &[&str] = &[
    "a",
    "ab",
    "0a",
    "A",
    "Ab",
    "a.",
    ".a",
    "-a",
    "a-",
    "a_b",
    "a__b",
    "a___b",
    "a--b",
    "a..b",
    "a/b",
    "a//b",
    "/a",
    "a/",
    "A/b",
    "a/B",
    "a_b.c/d",
    "a-.c/d",
    "-a.c/d",
    "localhost/a",
    "localhost:5/a",
    "local_host:5/a",
    "reg.example:5000/a/b",
    "reg.example:500000/a",
    "reg.example:/a",
    "reg.example:x/a",
    "docker.io/a",
    "a:1",
    "a:",
    ":1",
    "a:.1",
    "a:-1",
    "a:_1",
    "a:1:2",
    "a@b",
    "a@sha256:00",
    "a+b",
    "a b",
    "caisson.local/a",
    "caisson.local:5/a",
    "1",
    "1.2",
    "1.2.3",
    "1.2.3-",
    "1.2.3-rc.1",
    "1.2.3-01",
    "1.2.3-0a",
    "1.2.3+01",
    "1.2.3+a_b",
    "1.02.3",
    "v1.2.3",
    "1.2.3.4",
    "0.0",
    "01.1",
    "1.041",
    "1000.1",
    "linux/amd64",
    "Linux/X86_64",
    "linux/arm/v7",
    "linux/arm/v7/x",
    "linux/",
    "linux//v7",
    "linux/arm/",
    "linux/a b",
    "http://a",
    "http://a/",
    "http://a?b",
    "http://a:80",
    "http://a:/",
    "http://a:x/",
    "http://a_b.c-d/e",
    "http://a..b/",
    "http://[::1]",
    "http://[::1",
    "http://[::g]/",
    "http://u@a/",
    "http://a/u@b",
    "http://a/#b",
    "http:///a",
    "HTTP://a",
    "docker-archive:a",
    "docker-archive::b",
    "docker-archive:a:",
    "docker-archive:a:@1",
    "docker-archive:a:@x",
    "docker-archive:a:b:c",
    "archive:a",
    "fat32",
    "FAT32",
    "0MiB",
    "1MiB",
    "1MB",
    "2MB",
    "5 GB",
    "5GB",
    "5gb",
    "700",
    "999kB",
    "5TiB",
    "-5MiB",
    "1.5GiB",
];

/// The number at the end of a line such as `status = 204`, if it is one, replaced
/// by others.
pub(crate) fn numbers(sound: &str, by: &[i64]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in sound.lines().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        if value.parse::<i64>().is_ok() {
            for by in by {
                let mut changed: Vec<String> = sound.lines().map(str::to_owned).collect();
                changed[number] = format!("{key} = {by}");
                found.push(changed.join("\n"));
            }
        }
    }
    found
}

/// Every number that stands in the schema as a bound, and its neighbours.
pub(crate) fn bounds(schema: &serde_json::Value, found: &mut Vec<i64>) {
    if let Some(members) = schema.as_object() {
        for (key, member) in members {
            match member.as_i64() {
                Some(bound) if key == "minimum" || key == "maximum" => {
                    found.extend([bound - 1, bound, bound + 1]);
                }
                _ => bounds(member, found),
            }
        }
    }
    found.sort_unstable();
    found.dedup();
}

/// Each line once removed, its key misspelt, or its value replaced; and each line
/// twice.
pub(crate) fn mutations(sound: &str) -> Vec<String> {
    let lines: Vec<&str> = sound.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut replace = |by: &str| {
            let mut changed = lines.clone();
            changed[number] = by;
            found.push(changed.join("\n"));
        };
        replace("");
        if let Some((key, value)) = line.split_once(" = ") {
            replace(&format!("{line}\n{key}s = 1"));
            for value in VALUES {
                replace(&format!("{key} = {value}"));
            }
            if value.starts_with('"') {
                for text in TEXTS {
                    replace(&format!("{key} = \"{text}\""));
                }
            }
        } else if line.starts_with("[[") {
            replace(&format!("{line}\nunknown = 1"));
        }
    }
    found
}
