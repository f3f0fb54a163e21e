//! Reading the columns of a row, whichever driver it is from. What cannot be read is reported with table, column and id, never a panic:
//! other programs and failing disks write to databases too.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::Error;

/// A row of either driver. The outer Option is None when the column does not hold what is asked for.
pub(super) trait Columns {
    fn text(&self, column: &str) -> Option<Option<String>>;
    fn number(&self, column: &str) -> Option<Option<i64>>;
}

macro_rules! columns_of {
    ($row:ty) => {
        impl Columns for $row {
            fn text(&self, column: &str) -> Option<Option<String>> {
                self.try_get(column).ok()
            }

            fn number(&self, column: &str) -> Option<Option<i64>> {
                self.try_get(column).ok()
            }
        }
    };
}
columns_of!(SqliteRow);
columns_of!(PgRow);

/// A row that knows what to say when one of its columns is bad.
pub(super) struct Record<'r> {
    table: &'static str,
    id: String,
    row: &'r dyn Columns,
}

impl<'r> Record<'r> {
    /// `key` is the column of the primary key.
    pub(super) fn of(table: &'static str, key: &'static str, row: &'r dyn Columns) -> Result<Self, Error> {
        let unreadable = || Error::Corrupt { table, column: key, id: "?".to_owned() };
        let id = row.text(key).flatten().ok_or_else(unreadable)?;
        Ok(Self { table, id, row })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, Error> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, Error> {
        self.row.text(column).ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn number(&self, column: &'static str) -> Result<i64, Error> {
        self.optional_number(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn optional_number(&self, column: &'static str) -> Result<Option<i64>, Error> {
        self.row.number(column).ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn corrupt(&self, column: &'static str) -> Error {
        Error::Corrupt { table: self.table, column, id: self.id.clone() }
    }
}

/// Words as scopes and roles are stored: scope tokens (RFC 6749 s3.3) with one space between; no words are the empty text.
pub(super) fn is_word_list(text: &str) -> bool {
    text.is_empty() || text.split(' ').all(is_word)
}

/// `1*( %x21 / %x23-5B / %x5D-7E )`: visible ASCII without quote and backslash.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_words_has_single_spaces_and_no_quotes() {
        for good in ["", "a", "a b", "hallpass:admin read/write !#[]~"] {
            assert!(is_word_list(good), "{good:?}");
        }
        for bad in [" ", " a", "a ", "a  b", "a\tb", "a\nb", "a\"b", "a\\b", "\u{e4}", "a\u{0}"] {
            assert!(!is_word_list(bad), "{bad:?}");
        }
        assert!(is_word("a") && !is_word("") && !is_word("a b"));
    }
}
