//! As much of Markdown as the checks need: fenced blocks, inline code, tables.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// The fenced blocks of a document.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in document.lines() {
        let fence = line.strip_prefix("```");
        open = match (open.take(), fence) {
            (Some(block), Some(_)) => {
                blocks.push(block);
                None
            }
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                Some(block)
            }
            (None, Some(language)) => Some(Block {
                language: language.to_owned(),
                text: String::new(),
            }),
            (None, None) => None,
        };
    }
    assert_eq!(open, None, "a block without an end");
    blocks
}

/// The texts of the blocks in one language.
pub(crate) fn blocks_in(document: &str, language: &str) -> Vec<String> {
    blocks(document)
        .into_iter()
        .filter(|block| block.language == language)
        .map(|block| block.text)
        .collect()
}

/// What stands between single backticks, outside of blocks.
pub(crate) fn inline_code(document: &str) -> Vec<String> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The cells of every table row; bold marks are taken off.
pub(crate) fn table_rows(document: &str) -> Vec<Vec<String>> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .map(|row| {
            row.split('|')
                .map(|cell| cell.trim().trim_matches('*').to_owned())
                .collect()
        })
        .collect()
}

/// From one heading to the next of its level or above.
pub(crate) fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().unwrap_or("#");
    let (_, rest) = document
        .split_once(&format!("{heading}\n"))
        .unwrap_or_else(|| panic!("no heading `{heading}`"));
    let end = (1..=level.len())
        .filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level))))
        .min();
    &rest[..end.unwrap_or(rest.len())]
}

/// If this finds too little, every check above it passes.
#[test]
fn what_is_there_is_found() {
    let text =
        "# A\n`x` and `y z`\n```sh\nrun `a`\n```\n## B\n| `k` | **v** |\n### C\nc\n# D\n`d`\n";
    assert_eq!(inline_code(text), ["x", "y z", "k", "d"]);
    assert_eq!(blocks_in(text, "sh"), ["run `a`\n"]);
    assert_eq!(table_rows(text), [["`k`", "v"]]);
    assert_eq!(section(text, "## B"), "| `k` | **v** |\n### C\nc");
    assert_eq!(section(text, "# D"), "`d`\n");
}
