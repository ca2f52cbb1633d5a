//! A command line as systemd reads it in `ExecStart=`: written, and read back.
//!
//! systemd splits at white space outside quotes, undoes C escapes, replaces `%x`
//! everywhere and `$NAME` in every word but the first (`systemd.service(5)`, "Command
//! lines"). A path with any of these must arrive as it is.

/// One `ExecStart=` value.
pub(super) fn quote(program: &str, arguments: &[&str]) -> String {
    // No variables are replaced in the program's own word, so no `$$` there.
    let mut line = quote_word(program, false);
    for argument in arguments {
        line.push(' ');
        line.push_str(&quote_word(argument, true));
    }
    line
}

fn quote_word(word: &str, variables: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:=@+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from('"');
    for character in word.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '%' => quoted.push_str("%%"),
            '$' if variables => quoted.push_str("$$"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// The words of an `ExecStart=` value; `None` for what [`quote`] would not write
/// (other escapes, specifiers, variables): then somebody else wrote the line, and what
/// it means is not guessed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = first_word(rest, !words.is_empty())?;
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

fn first_word(text: &str, variables: bool) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut quoted = false;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => word.push(escaped),
                _ => return None,
            },
            '%' => word.push(doubled(&mut characters, '%')?),
            '$' if variables => word.push(doubled(&mut characters, '$')?),
            '\'' if !quoted => return None,
            _ if character.is_whitespace() && !quoted => return Some((word, &text[at..])),
            _ => word.push(character),
        }
    }
    (!quoted).then_some((word, ""))
}

/// The second of a pair that stands for one.
fn doubled(characters: &mut std::str::CharIndices<'_>, wanted: char) -> Option<char> {
    characters
        .next()
        .map(|(_, second)| second)
        .filter(|second| *second == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd would run another program, or recover in another directory.
    #[test]
    fn awkward_paths_arrive_as_they_are() {
        assert_eq!(
            quote("/usr/bin/x", &["--a", "b c"]),
            "/usr/bin/x --a \"b c\""
        );
        assert_eq!(
            quote("/opt/my $app/x", &["$HOME"]),
            "\"/opt/my $app/x\" \"$$HOME\""
        );
        assert_eq!(
            quote("/x", &["100%", "a\"b\\c", ""]),
            "/x \"100%%\" \"a\\\"b\\\\c\" \"\""
        );
        let awkward = [
            "/a b", "/%n", "/$X", "/q\"q", "/b\\n", "/ä ö", "/it's", "", "/;", "/#",
        ];
        for program in &awkward[..awkward.len() - 3] {
            let mut words = vec![(*program).to_owned()];
            words.extend(awkward.iter().map(|word| (*word).to_owned()));
            assert_eq!(split(&quote(program, &awkward)), Some(words), "{program}");
        }
    }

    /// A line by another hand must not be read as if it were ours.
    #[test]
    fn lines_by_others_are_not_guessed_at() {
        for line in [
            "/x %n",
            "/x $HOME",
            "/x \"open",
            "/x \\t",
            "/x 'a b'",
            "/x a%",
            "/x \\",
        ] {
            assert_eq!(split(line), None, "{line}");
        }
        assert_eq!(
            split("  /x   a  "),
            Some(vec!["/x".to_owned(), "a".to_owned()])
        );
    }
}
