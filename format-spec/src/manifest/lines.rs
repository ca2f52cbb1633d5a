//! The line grammar of the canonical manifest: lines, tables, keys, values.
//!
//! This is not a TOML parser. The canonical form is so narrow that its reader
//! is a cursor that asks for one key after the other; any TOML that is not
//! canonical is refused at the first line that differs.
//!
//! Attacks answered: nesting and exponential blow-up (no recursion, no inline
//! table, no dotted key), memory (no tree of lines or tokens is built; what is
//! kept is smaller than the text), two readings of one text (there is one
//! grammar), odd Unicode (only inside notes, no control characters).

use crate::error::{Code, PackageError};
use crate::limits::INTEGER_MAX;

/// A cursor over the lines of a manifest.
pub(super) struct Lines<'a> {
    rest: &'a str,
    number: usize,
    tables: &'static [Table],
}

/// One table's name and all keys it may have, for errors that say more than
/// "unexpected".
#[derive(Clone, Copy)]
pub(super) struct Table {
    /// As it stands in the header line; empty for the top of the file.
    pub(super) header: &'static str,
    pub(super) keys: &'static [&'static str],
}

impl<'a> Lines<'a> {
    /// A cursor before the first line of a text that may have these tables.
    pub(super) fn new(text: &'a str, tables: &'static [Table]) -> Self {
        Self {
            rest: text,
            number: 1,
            tables,
        }
    }

    /// The value of a string key that must be next.
    pub(super) fn string(&mut self, table: Table, key: &str) -> Result<String, PackageError> {
        match self.optional_string(key)? {
            Some(value) => Ok(value),
            None => Err(self.misfit(table, Some(key))),
        }
    }

    /// The value of a string key if it is next.
    pub(super) fn optional_string(&mut self, key: &str) -> Result<Option<String>, PackageError> {
        let Some(value) = self.value_of(key) else {
            return Ok(None);
        };
        let text = unquote(value).map_err(|why| self.bad_value(key, why, value))?;
        self.advance();
        Ok(Some(text))
    }

    /// The value of an integer key that must be next.
    pub(super) fn integer(&mut self, table: Table, key: &str) -> Result<u64, PackageError> {
        match self.optional_integer(key)? {
            Some(value) => Ok(value),
            None => Err(self.misfit(table, Some(key))),
        }
    }

    /// The value of an integer key if it is next.
    pub(super) fn optional_integer(&mut self, key: &str) -> Result<Option<u64>, PackageError> {
        let Some(value) = self.value_of(key) else {
            return Ok(None);
        };
        let number = integer_value(key, value, &self.place())?;
        self.advance();
        Ok(Some(number))
    }

    /// True if this key is next with the value `true`, the only one it may have.
    pub(super) fn optional_true(&mut self, key: &str) -> Result<bool, PackageError> {
        let Some(value) = self.value_of(key) else {
            return Ok(false);
        };
        if value != "true" {
            return Err(self.bad_value(key, "`true`, or no such line", value));
        }
        self.advance();
        Ok(true)
    }

    /// The text of the value of a key that must be next.
    pub(super) fn raw(&mut self, table: Table, key: &str) -> Result<&'a str, PackageError> {
        let value = self
            .value_of(key)
            .ok_or_else(|| self.misfit(table, Some(key)))?;
        self.advance();
        Ok(value)
    }

    /// The next line as key and string value, if it has that form.
    pub(super) fn any_string(&mut self) -> Result<Option<(&'a str, String)>, PackageError> {
        let Some((key, _)) = self.line().and_then(|line| line.split_once(" = ")) else {
            return Ok(None);
        };
        let value = self.optional_string(key)?;
        Ok(value.map(|value| (key, value)))
    }

    /// True, and moves past them, if an empty line and this header are next.
    pub(super) fn table(&mut self, table: Table) -> bool {
        let after = self
            .rest
            .strip_prefix('\n')
            .and_then(|rest| rest.strip_prefix(table.header))
            .and_then(|rest| rest.strip_prefix('\n'));
        if let Some(after) = after {
            self.rest = after;
            self.number += 2;
        }
        after.is_some()
    }

    /// Moves past an empty line and this header, which must be next.
    pub(super) fn required_table(&mut self, table: Table) -> Result<(), PackageError> {
        if self.table(table) {
            return Ok(());
        }
        Err(match self.line_after_empty() {
            Some(line) if self.is_unknown_table(line) => self.unknown_table(line),
            line => self
                .error(
                    Code::MissingKey,
                    &format!("the table `{}` is missing", table.header),
                )
                .found(line.unwrap_or("the end of the manifest"))
                .wanted(table.header),
        })
    }

    /// Nothing more of this table may follow: an empty line or the end is next.
    pub(super) fn table_end(&self, table: Table) -> Result<(), PackageError> {
        match self.line() {
            None | Some("") => Ok(()),
            Some(_) => Err(self.misfit(table, None)),
        }
    }

    /// The text ends here.
    pub(super) fn end(&mut self) -> Result<(), PackageError> {
        let Some(line) = self.line_after_empty() else {
            return Ok(());
        };
        Err(if self.is_unknown_table(line) {
            self.unknown_table(line)
        } else {
            self.error(
                Code::NotCanonical,
                "a line that must not stand at the end of the manifest",
            )
            .found(line)
        })
    }

    /// Where the cursor is, for errors.
    pub(super) fn place(&self) -> String {
        format!("manifest.toml, line {}", self.number)
    }

    /// The line under the cursor without its line feed; `None` at the end.
    fn line(&self) -> Option<&'a str> {
        self.rest.split_once('\n').map(|(line, _)| line)
    }

    /// The line under the cursor, or the next one if that is empty.
    fn line_after_empty(&mut self) -> Option<&'a str> {
        if self.rest.starts_with('\n') && self.rest.len() > 1 {
            self.advance();
        }
        self.line()
    }

    fn is_unknown_table(&self, line: &str) -> bool {
        line.starts_with('[') && self.tables.iter().all(|table| table.header != line)
    }

    fn unknown_table(&self, line: &str) -> PackageError {
        self.error(Code::UnknownKey, "a table that version 2 does not have")
            .found(line)
    }

    fn advance(&mut self) {
        if let Some((_, rest)) = self.rest.split_once('\n') {
            self.rest = rest;
            self.number += 1;
        }
    }

    fn value_of(&self, key: &str) -> Option<&'a str> {
        self.line()?.strip_prefix(key)?.strip_prefix(" = ")
    }

    /// Why the line under the cursor is wrong, where `wanted` is the key that
    /// should stand there, or nothing more of this table should.
    pub(super) fn misfit(&self, table: Table, wanted: Option<&str>) -> PackageError {
        let line = self.line();
        let key = line
            .and_then(|line| line.split_once(" = "))
            .map(|(key, _)| key);
        let unknown = key.is_some_and(|key| is_bare_key(key) && !table.keys.contains(&key));
        let is_other_part = line.is_none_or(|line| line.is_empty() || line.starts_with('['))
            || key.is_some_and(|key| table.keys.contains(&key));
        let error = match wanted {
            _ if unknown => self.error(Code::UnknownKey, "a key that version 2 does not have"),
            Some(wanted) if is_other_part => {
                self.error(Code::MissingKey, &format!("the key `{wanted}` is missing"))
            }
            _ => self.error(
                Code::NotCanonical,
                "a line that is repeated, out of order or not in the canonical form",
            ),
        };
        let error = error.found(line.unwrap_or("the end of the manifest"));
        match wanted {
            Some(wanted) => error.wanted(format!("{wanted} = ...")),
            None => error.wanted("an empty line and the next table"),
        }
    }

    fn bad_value(&self, key: &str, wanted: &str, found: &str) -> PackageError {
        self.error(
            Code::BadValue,
            &format!("`{key}` has a value it cannot have"),
        )
        .found(found)
        .wanted(wanted)
    }

    fn error(&self, code: Code, what: &str) -> PackageError {
        PackageError::new(code, what, self.place())
    }
}

/// A decimal integer in its one spelling.
pub(super) fn integer_value(key: &str, value: &str, place: &str) -> Result<u64, PackageError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    if value.is_empty() || !digits || (value != "0" && value.starts_with('0')) {
        return Err(PackageError::new(
            Code::BadValue,
            format!("`{key}` has a value it cannot have"),
            place,
        )
        .found(value)
        .wanted("a decimal number without sign or leading zeros"));
    }
    match value.parse::<u64>() {
        Ok(number) if number <= INTEGER_MAX => Ok(number),
        _ => Err(
            PackageError::new(Code::LimitExceeded, format!("`{key}` is too large"), place)
                .found(value)
                .wanted(format!("at most {INTEGER_MAX}")),
        ),
    }
}

/// The content of a basic string in its one spelling, or what is wanted instead.
pub(super) fn unquote(value: &str) -> Result<String, &'static str> {
    const WANTED: &str = "a text in double quotes, with only \\\" \\\\ \\n \\t escaped";
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .ok_or(WANTED)?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '"' => return Err(WANTED),
            '\\' => match characters.next() {
                Some('"') => '"',
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('t') => '\t',
                _ => return Err(WANTED),
            },
            _ if character.is_control() => return Err("no control characters"),
            _ => character,
        });
    }
    Ok(text)
}

fn is_bare_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
