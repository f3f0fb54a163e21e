//! Files that only their owner may read, written whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// A file of mode 0600 in the making. It gets its name when it is finished; dropped before that, it leaves nothing behind. A signal
/// drops nothing: whoever takes longer than a moment listens for those that end a process.
pub(super) struct PrivateFile {
    file: BufWriter<File>,
    fresh: PathBuf,
    path: PathBuf,
    is_finished: bool,
}

impl PrivateFile {
    /// Begins what will be `path`, beside it. What is there now stays there until the new file is finished.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something of that name that is no file"));
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let fresh = path.with_file_name(format!(".hallpass-{:016x}", u64::from_ne_bytes(random)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        Ok(Self { file: BufWriter::new(file), fresh, path: path.to_owned(), is_finished: false })
    }

    /// Takes over the owner and the mode of another file.
    pub(super) fn resemble(&self, other: &Metadata) -> io::Result<()> {
        let file = self.file.get_ref();
        let own = file.metadata()?;
        if (other.uid(), other.gid()) != (own.uid(), own.gid()) {
            fchown(file, Some(other.uid()), Some(other.gid()))?;
        }
        file.set_permissions(other.permissions())
    }

    /// Puts the file in its place, once it is on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.fresh, &self.path)?;
        self.is_finished = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The file is complete and in its place; only a power cut within seconds could still bring the old one back.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // That it cannot be removed is nothing that anybody could act on here.
            let _ = fs::remove_file(&self.fresh);
        }
    }
}
