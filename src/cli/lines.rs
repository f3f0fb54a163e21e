//! A file taken line by line, in memory that does not grow with it: a line that is too long is passed over, not kept.

use std::io::{self, BufRead};

/// An address, a hash and a few dozen scopes are far shorter.
const LONGEST: usize = 4096;

/// Why a line is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLine {
    #[error("the line is longer than 4096 bytes")]
    TooLong,
    #[error("the line is not UTF-8")]
    NotUtf8,
    #[error("the line holds a NUL character")]
    Nul,
}

/// Lines, counted from 1. `\n` and `\r\n` end a line, a byte order mark at the beginning is left out.
pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
    /// Bytes taken so far.
    pub(super) position: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn of(reader: R) -> Self {
        Self { reader, line: Vec::with_capacity(LONGEST), number: 0, position: 0 }
    }

    /// The next line and its number.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<&str, BadLine>)>> {
        let Some(is_whole) = self.read()? else { return Ok(None) };
        self.number += 1;
        Ok(Some((self.number, if is_whole { self.text() } else { Err(BadLine::TooLong) })))
    }

    /// Reads up to the next `\n`. False: there was more than is kept.
    fn read(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let (mut is_whole, mut is_begun) = (true, false);
        loop {
            let part = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                part => part?,
            };
            if part.is_empty() {
                return Ok(is_begun.then_some(is_whole));
            }
            is_begun = true;
            let end = memchr::memchr(b'\n', part);
            let text = &part[..end.unwrap_or(part.len())];
            // One more than allowed may be the `\r` before the end.
            is_whole &= self.line.len() + text.len() <= LONGEST + 1;
            if is_whole {
                self.line.extend_from_slice(text);
            }
            let used = end.map_or(part.len(), |end| end + 1);
            self.reader.consume(used);
            self.position += used as u64;
            if end.is_some() {
                return Ok(Some(is_whole));
            }
        }
    }

    fn text(&self) -> Result<&str, BadLine> {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(line);
        if line.len() > LONGEST {
            return Err(BadLine::TooLong);
        }
        if line.contains(&0) {
            return Err(BadLine::Nul);
        }
        std::str::from_utf8(line).map_err(|_| BadLine::NotUtf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    fn lines(bytes: &[u8]) -> Vec<(u64, Result<String, BadLine>)> {
        let mut lines = Lines::of(BufReader::with_capacity(7, bytes));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push((number, line.map(str::to_owned)));
        }
        assert_eq!(lines.position, bytes.len() as u64);
        all
    }

    fn good(texts: &[&str]) -> Vec<(u64, Result<String, BadLine>)> {
        (1..).zip(texts).map(|(number, text)| (number, Ok((*text).to_owned()))).collect()
    }

    #[test]
    fn h10_crlf_a_byte_order_mark_and_a_missing_last_line_end_make_no_difference() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\nb"), good(&["a", "b"]));
        assert_eq!(lines(b"\xef\xbb\xbfa\r\n\r\nb\r\n"), good(&["a", "", "b"]));
        assert_eq!(lines(b"a\rb\n\n"), good(&["a\rb", ""]));
    }

    #[test]
    fn h10_nul_and_what_is_not_utf_8_are_refused_line_by_line() {
        assert_eq!(lines(b"a\0\n\xff\nb"), [(1, Err(BadLine::Nul)), (2, Err(BadLine::NotUtf8)), (3, Ok("b".to_owned()))]);
        assert_eq!(lines(b"\xff\xfea\0")[0].1, Err(BadLine::Nul));
    }

    #[test]
    fn h10_a_line_of_4096_bytes_is_read_and_a_longer_one_is_passed_over() {
        let longest = "a".repeat(LONGEST);
        assert_eq!(lines(format!("{longest}\r\nb").as_bytes()), good(&[&longest, "b"]));
        assert_eq!(lines(format!("{longest}a\nb").as_bytes()), [(1, Err(BadLine::TooLong)), (2, Ok("b".to_owned()))]);
    }

    /// The same part, so many times, without ever copying it.
    struct Repeated<'a> {
        part: &'a [u8],
        times: usize,
    }

    impl BufRead for Repeated<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            Ok(if self.times > 0 { self.part } else { b"" })
        }

        fn consume(&mut self, length: usize) {
            self.times -= usize::from(length > 0);
        }
    }

    impl Read for Repeated<'_> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn h10_a_line_of_a_gigabyte_takes_no_more_memory_than_any_other() {
        let part = vec![b'a'; 1 << 20];
        let mut lines = Lines::of(Repeated { part: &part, times: 1 << 10 }.chain(&b"\nb"[..]));
        assert_eq!(lines.next().unwrap(), Some((1, Err(BadLine::TooLong))));
        assert_eq!(lines.next().unwrap(), Some((2, Ok("b"))));
        assert_eq!(lines.position, (1 << 30) + 2);
        assert!(lines.line.capacity() <= 2 * (LONGEST + 1));
    }
}
