//! The three forms of files with people in them, each a row a line.

use std::path::Path;

use clap::ValueEnum;
use serde::Deserialize;

use crate::authority::account_import::ImportRow;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A header line, then `email,password_hash[,scopes,roles]` in the order of the header.
    Csv,
    /// One object a line.
    Jsonl,
    /// `user:hash`, as Apache's `htpasswd -B` writes it; the user is an e-mail address.
    Htpasswd,
}

impl Format {
    /// The form that the file's name ends in.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let suffix = path.extension().or(path.file_name())?.to_str()?.to_ascii_lowercase();
        match suffix.trim_start_matches('.') {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "htpasswd" => Some(Self::Htpasswd),
            _ => None,
        }
    }
}

/// Why a line is no row. No text holds anything of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRow {
    #[error("the first line must name the columns: email,password_hash and, if wanted, scopes,roles")]
    Header,
    #[error("the line has another number of cells than the first one")]
    Cells,
    #[error("a carriage return stands within the line: end every line with a line feed, as Unix and Windows do, and save the file again")]
    CarriageReturn,
    #[error("a quote is not closed in the line: write each row in one line, without line ends inside its cells")]
    Quote,
    #[error("the line is not an object of email, password_hash and, if wanted, scopes, roles: each once, and nothing else")]
    Object,
    #[error("the line is not user:hash")]
    Htpasswd,
    #[error("the account is disabled where it comes from, and would not be here")]
    Disabled,
}

/// What lines are read with. A CSV file's first line makes the columns.
#[derive(Debug)]
pub(super) enum Rows {
    Csv(Option<Columns>),
    Jsonl,
    Htpasswd,
}

impl Rows {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv(None),
            Format::Jsonl => Self::Jsonl,
            Format::Htpasswd => Self::Htpasswd,
        }
    }

    /// Whether the next line is the one that says what the others mean: while it cannot be read nothing else makes sense either.
    pub(super) fn wants_header(&self) -> bool {
        matches!(self, Self::Csv(None))
    }

    /// The row in a line; None where there is none to expect: an empty line, a comment, the header.
    pub(super) fn read(&mut self, line: &str) -> Result<Option<ImportRow>, NoRow> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        // In a file of an old Macintosh all rows are one line, of which no reader must take the first for all there is.
        if line.trim_end_matches('\r').contains('\r') {
            return Err(NoRow::CarriageReturn);
        }
        match self {
            Self::Csv(Some(columns)) => columns.read(line).map(Some),
            Self::Csv(columns) => {
                *columns = Some(Columns::of(line)?);
                Ok(None)
            }
            Self::Jsonl => object(line).map(Some),
            Self::Htpasswd if line.starts_with('#') => Ok(None),
            Self::Htpasswd => {
                let (email, hash) = line.split_once(':').ok_or(NoRow::Htpasswd)?;
                Ok(Some(ImportRow {
                    email: email.to_owned(),
                    password_hash: hash.into(),
                    truncated: false,
                    scopes: String::new(),
                    roles: String::new(),
                }))
            }
        }
    }
}

/// Where each column stands.
#[derive(Debug)]
pub(super) struct Columns {
    count: usize,
    email: usize,
    password_hash: usize,
    scopes: Option<usize>,
    roles: Option<usize>,
    disabled_at: Option<usize>,
}

impl Columns {
    /// A column that is not known is refused: `scope` for `scopes` must not make an account without any.
    fn of(header: &str) -> Result<Self, NoRow> {
        // The last ones are of our own export: an import makes them anew.
        const KNOWN: [&str; 8] = ["email", "password_hash", "scopes", "roles", "sub", "created_at", "disabled_at", "password_changed_at"];
        let names = cells(header)?;
        let is_repeated = names.iter().enumerate().any(|(index, name)| names.iter().take(index).any(|earlier| earlier == name));
        if is_repeated || !names.iter().all(|name| KNOWN.contains(&name)) {
            return Err(NoRow::Header);
        }
        let place = |name: &str| names.iter().position(|column| column == name);
        let (Some(email), Some(password_hash)) = (place("email"), place("password_hash")) else {
            return Err(NoRow::Header);
        };
        let (scopes, roles, disabled_at) = (place("scopes"), place("roles"), place("disabled_at"));
        Ok(Self { count: names.len(), email, password_hash, scopes, roles, disabled_at })
    }

    fn read(&self, line: &str) -> Result<ImportRow, NoRow> {
        let cells = Some(cells(line)?).filter(|cells| cells.len() == self.count).ok_or(NoRow::Cells)?;
        let cell = |column: Option<usize>| column.and_then(|column| cells.get(column)).unwrap_or_default().to_owned();
        if !cell(self.disabled_at).is_empty() {
            return Err(NoRow::Disabled);
        }
        let password_hash = cells.get(self.password_hash).unwrap_or_default().into();
        Ok(ImportRow { email: cell(Some(self.email)), password_hash, truncated: false, scopes: cell(self.scopes), roles: cell(self.roles) })
    }
}

/// The cells of one line (RFC 4180), without the line ends inside quotes that the RFC allows: nothing that is imported can hold one.
fn cells(line: &str) -> Result<csv::StringRecord, NoRow> {
    // The end of the line is part of the last cell where that one's quote is still open.
    let line = format!("{line}\n");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).buffer_capacity(line.len()).from_reader(line.as_bytes());
    let cells = reader.records().next().and_then(Result::ok).ok_or(NoRow::Cells)?;
    if cells.iter().any(|cell| cell.contains('\n')) { Err(NoRow::Quote) } else { Ok(cells) }
}

/// What `user import` and `user export` call a person in JSON Lines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    email: String,
    password_hash: String,
    #[serde(default)]
    scopes: Words,
    #[serde(default)]
    roles: Words,
    disabled_at: Option<i64>,
    // Of our own export: an import makes them anew.
    #[serde(rename = "sub")]
    _sub: Option<String>,
    #[serde(rename = "created_at")]
    _created_at: Option<i64>,
    #[serde(rename = "password_changed_at")]
    _password_changed_at: Option<i64>,
}

/// Space separated, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<Words> for String {
    fn from(words: Words) -> Self {
        match words {
            Words::Text(text) => text,
            Words::List(list) => list.join(" "),
        }
    }
}

fn object(line: &str) -> Result<ImportRow, NoRow> {
    // serde would take an array for a struct, by position.
    let object: Object =
        Some(line.trim()).filter(|text| text.starts_with('{')).and_then(|text| serde_json::from_str(text).ok()).ok_or(NoRow::Object)?;
    if object.disabled_at.is_some() {
        return Err(NoRow::Disabled);
    }
    let Object { email, password_hash, scopes, roles, .. } = object;
    Ok(ImportRow { email, password_hash: password_hash.into(), truncated: false, scopes: scopes.into(), roles: roles.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of the row, or why there is none.
    fn read(rows: &mut Rows, line: &str) -> Result<Option<[String; 4]>, NoRow> {
        let row = rows.read(line)?;
        Ok(row.map(|row| [row.email, row.password_hash.expose().to_owned(), row.scopes, row.roles]))
    }

    fn row(cells: [&str; 4]) -> Result<Option<[String; 4]>, NoRow> {
        Ok(Some(cells.map(str::to_owned)))
    }

    #[test]
    fn csv_columns_may_come_in_any_order_and_quoted() {
        let mut rows = Rows::of(Format::Csv);
        assert_eq!(read(&mut rows, "roles,\"email\",password_hash"), Ok(None));
        assert_eq!(read(&mut rows, "\"x y\",a@b,$2b$"), row(["a@b", "$2b$", "", "x y"]));
        assert_eq!(read(&mut rows, ",\"\"\"a\"\"@b\",h"), row(["\"a\"@b", "h", "", ""]));
        assert_eq!(read(&mut rows, "  "), Ok(None));
        for line in ["a@b,h", "x,a@b,h,more"] {
            assert_eq!(read(&mut rows, line), Err(NoRow::Cells), "{line}");
        }
    }

    #[test]
    fn a_row_that_does_not_end_with_its_line_is_refused_and_never_cut() {
        let mut rows = Rows::of(Format::Csv);
        assert_eq!(read(&mut rows, "email,password_hash,roles"), Ok(None));
        for line in ["a@b,h,\"x", "\"a@b,h,x", "a@b,h,\"x\"\"", "a@b,h,\""] {
            assert_eq!(read(&mut rows, line), Err(NoRow::Quote), "{line}");
        }
        for line in ["a@b,h,x\rc@d,h,y", "a@b,h,\"x\ry\"", "\ra@b,h,x"] {
            assert_eq!(read(&mut rows, line), Err(NoRow::CarriageReturn), "{line}");
        }
        assert_eq!(read(&mut rows, "a@b,h,x\r\r"), row(["a@b", "h", "", "x"]));
        for format in [Format::Csv, Format::Htpasswd] {
            assert_eq!(read(&mut Rows::of(format), "# people\ra@b:h"), Err(NoRow::CarriageReturn), "{format:?}");
        }
    }

    #[test]
    fn a_csv_file_without_a_header_that_is_understood_is_refused_whole() {
        for header in [
            "email",
            "password_hash",
            "email,password_hash,scope",
            "email,password_hash,email",
            "a@b.example,$2b$10$x",
            "email;password_hash",
            "Email,Password_hash",
        ] {
            let mut rows = Rows::of(Format::Csv);
            assert_eq!((read(&mut rows, header), rows.wants_header()), (Err(NoRow::Header), true), "{header}");
        }
    }

    #[test]
    fn json_lines_take_words_as_text_or_as_a_list_and_nothing_unknown() {
        let mut rows = Rows::of(Format::Jsonl);
        assert_eq!(read(&mut rows, r#"{"email":"a@b","password_hash":"h"}"#), row(["a@b", "h", "", ""]));
        assert_eq!(
            read(&mut rows, r#" {"email":"a@b","password_hash":"h","roles":"x y","scopes":["s","t"]} "#),
            row(["a@b", "h", "s t", "x y"])
        );
        for line in [
            r#"{"email":"a@b"}"#,
            r#"{"email":"a@b","password_hash":"h","scope":"x"}"#,
            r#"{"email":"a@b","password_hash":"h","email":"c@d"}"#,
            r#"{"email":"a@b","password_hash":"h","roles":1}"#,
            r#"["a@b","h"]"#,
            "{",
            "null",
        ] {
            assert_eq!(read(&mut rows, line), Err(NoRow::Object), "{line}");
        }
    }

    #[test]
    fn a_line_of_htpasswd_is_split_at_the_first_colon_and_comments_are_passed_over() {
        let mut rows = Rows::of(Format::Htpasswd);
        assert_eq!(read(&mut rows, "a@b:$2y$:x"), row(["a@b", "$2y$:x", "", ""]));
        assert_eq!(read(&mut rows, "# people"), Ok(None));
        assert_eq!(read(&mut rows, "a@b"), Err(NoRow::Htpasswd));
    }

    #[test]
    fn somebody_who_was_disabled_is_not_enabled_by_moving_house() {
        let mut rows = Rows::of(Format::Csv);
        assert_eq!(read(&mut rows, "email,password_hash,disabled_at"), Ok(None));
        assert_eq!(read(&mut rows, "a@b,h,1800000000"), Err(NoRow::Disabled));
        assert_eq!(read(&mut rows, "a@b,h,"), row(["a@b", "h", "", ""]));
        let line = r#"{"email":"a@b","password_hash":"h","disabled_at":1800000000}"#;
        assert_eq!(read(&mut Rows::of(Format::Jsonl), line), Err(NoRow::Disabled));
    }

    #[test]
    fn the_form_is_known_by_the_end_of_the_name() {
        for (name, format) in [
            ("a.csv", Some(Format::Csv)),
            ("b.JSONL", Some(Format::Jsonl)),
            (".htpasswd", Some(Format::Htpasswd)),
            ("x/site.htpasswd", Some(Format::Htpasswd)),
            ("people.txt", None),
            ("-", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
