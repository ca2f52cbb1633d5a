//! Reads TOML tables key by key and says the line of everything it refuses.
//!
//! Knows types and lines, not meaning: which keys exist is [`super::keys`], what
//! their values may be is decided where they are used.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{self, Keys};
use crate::error::{Code, Error};

/// The file being read.
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    pub(super) path: &'t Path,
}

impl Source<'_> {
    /// A refusal at a byte offset of the file.
    fn error(&self, offset: usize, what: impl Into<String>) -> Error {
        Error::new(Code::Catalog, what).at(self.place(offset))
    }

    /// `FILE, line N`. An offset past the end or inside a character still has a line.
    fn place(&self, offset: usize) -> String {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let newlines = before
            .iter()
            .fold(0_usize, |count, &byte| count + usize::from(byte == b'\n'));
        format!("{}, line {}", self.path.display(), newlines + 1)
    }

    /// The TOML parser's own refusal.
    pub(super) fn syntax(&self, error: &toml::de::Error) -> Error {
        let offset = error.span().map_or(0, |span| span.start);
        // The parser's words span several lines with a drawing; the first says it.
        let words = error
            .message()
            .lines()
            .next()
            .unwrap_or("not valid TOML")
            .to_owned();
        self.error(offset, "the service catalog is not valid TOML")
            .found(words)
    }
}

/// One table of the file, with the name a person would use for it.
pub(super) struct Section<'s> {
    source: &'s Source<'s>,
    name: &'s str,
    offset: usize,
    table: &'s DeTable<'s>,
}

impl<'s> Section<'s> {
    pub(super) fn top(source: &'s Source<'s>, document: &'s Spanned<DeTable<'s>>) -> Self {
        Self {
            source,
            name: "the top of the file",
            offset: 0,
            table: document.get_ref(),
        }
    }

    /// A refusal at the head of this table.
    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        self.source.error(self.offset, what)
    }

    /// The folder relative files are resolved against.
    pub(super) fn folder(&self) -> &Path {
        self.source.path.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn field(&self, key: &str) -> Option<Field<'s>> {
        let (name, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Field {
            source: self.source,
            section: self.name,
            key: name,
            value,
        })
    }

    /// A string, if the key is there.
    pub(super) fn text(&self, key: &str) -> Result<Option<(&'s str, Field<'s>)>, Error> {
        self.field(key)
            .map(|field| Ok((field.text()?, field)))
            .transpose()
    }

    /// A string that must be there and must not be empty.
    pub(super) fn required_text(&self, key: &str) -> Result<(&'s str, Field<'s>), Error> {
        let (text, field) = self.text(key)?.ok_or_else(|| self.missing(key))?;
        if text.is_empty() {
            return Err(field.error(format!("`{key}` in {} is empty", self.name)));
        }
        Ok((text, field))
    }

    /// A whole number within `range`, or `default` without the key.
    pub(super) fn number(
        &self,
        key: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, Error> {
        let Some(field) = self.field(key) else {
            return Ok(default);
        };
        field
            .integer()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                field
                    .error(format!("`{key}` in {} is out of range", self.name))
                    .found(field.shown())
                    .wanted(format!(
                        "a whole number from {} to {}",
                        range.start(),
                        range.end()
                    ))
            })
    }

    /// A table below this one, if it is there.
    pub(super) fn section(&self, key: &str, name: &'s str) -> Result<Option<Self>, Error> {
        let Some(field) = self.field(key) else {
            return Ok(None);
        };
        let table = field
            .value
            .get_ref()
            .as_table()
            .ok_or_else(|| field.wrong_type("a table"))?;
        let offset = field.key.span().start;
        Ok(Some(Self {
            source: self.source,
            name,
            offset,
            table,
        }))
    }

    /// An array of tables; none without the key.
    pub(super) fn sections(&self, key: &str, name: &'s str) -> Result<Vec<Self>, Error> {
        let Some(field) = self.field(key) else {
            return Ok(Vec::new());
        };
        let wrong = || field.wrong_type(&format!("tables headed `{name}`"));
        let array = field.value.get_ref().as_array().ok_or_else(wrong)?;
        let mut sections = Vec::new();
        for element in array {
            let table = element.get_ref().as_table().ok_or_else(wrong)?;
            let offset = element.span().start;
            sections.push(Self {
                source: self.source,
                name,
                offset,
                table,
            });
        }
        Ok(sections)
    }

    pub(super) fn missing(&self, key: &str) -> Error {
        self.error(format!("the key `{key}` is missing in {}", self.name))
    }

    /// Refuses the first key (in file order) that this version of the catalog doesn't have.
    pub(super) fn refuse_unknown(&self, keys: &Keys, version: u32) -> Result<(), Error> {
        let mut names: Vec<&Spanned<DeString<'_>>> = self.table.keys().collect();
        names.sort_by_key(|name| name.span().start);
        for name in names {
            let key: &str = name.get_ref();
            if keys.of(version).contains(&key) {
                continue;
            }
            return Err(self.unknown(keys, version, key, name.span().start));
        }
        Ok(())
    }

    fn unknown(&self, keys: &Keys, version: u32, key: &str, offset: usize) -> Error {
        if version == 1 && (keys.version_2.contains(&key) || keys.later.contains(&key)) {
            let mut error = self
                .source
                .error(offset, format!("`{key}` in {} needs catalog version 2", self.name))
                .found("catalog_version = 1")
                .next("write `catalog_version = 2`, and `[services.probe]` instead of `[services.health_check]`");
            error.code = Code::CatalogVersion;
            return error;
        }
        if keys.later.contains(&key) {
            return self
                .source
                .error(offset, format!("the probe `{key}` is not supported yet"));
        }
        let error = self
            .source
            .error(offset, format!("unknown key `{key}` in {}", self.name));
        if keys.version_1.contains(&key) {
            return error.next(
                keys.moved
                    .unwrap_or("remove it: catalog version 2 does without it"),
            );
        }
        match keys::nearest(key, keys.of(version)) {
            Some(known) => error.next(format!("did you mean `{known}`?")),
            None => error.wanted(format!("one of: {}", keys.of(version).join(", "))),
        }
    }
}

/// One key and its value.
pub(super) struct Field<'s> {
    source: &'s Source<'s>,
    section: &'s str,
    key: &'s Spanned<DeString<'s>>,
    value: &'s Spanned<DeValue<'s>>,
}

impl<'s> Field<'s> {
    /// A refusal at this key.
    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        self.source.error(self.key.span().start, what)
    }

    pub(super) fn text(&self) -> Result<&'s str, Error> {
        self.value
            .get_ref()
            .as_str()
            .ok_or_else(|| self.wrong_type("a string"))
    }

    /// A whole number that isn't negative and fits; `None` for anything else.
    pub(super) fn integer(&self) -> Option<u64> {
        let integer = self.value.get_ref().as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    pub(super) fn truth(&self) -> Result<bool, Error> {
        self.value
            .get_ref()
            .as_bool()
            .ok_or_else(|| self.wrong_type("true or false"))
    }

    /// An array of strings.
    pub(super) fn texts(&self) -> Result<Vec<&'s str>, Error> {
        let wrong = || self.wrong_type("an array of strings");
        let array = self.value.get_ref().as_array().ok_or_else(wrong)?;
        array
            .iter()
            .map(|element| element.get_ref().as_str().ok_or_else(wrong))
            .collect()
    }

    /// The value as the file spells it.
    pub(super) fn shown(&self) -> String {
        self.source
            .text
            .get(self.value.span())
            .unwrap_or("")
            .to_owned()
    }

    fn wrong_type(&self, wanted: &str) -> Error {
        self.error(format!(
            "`{}` in {} has the wrong type",
            self.key.get_ref(),
            self.section
        ))
        .found(format!("{} value", self.value.get_ref().type_str()))
        .wanted(wanted)
    }
}
