//! Files that an operator has written.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// A policy of ten thousand rules has less.
const MAX_BYTES: u64 = 8 << 20;

/// The text of a file, of at most 8 MiB.
///
/// Anything but a regular file is refused, at the end of symbolic links: a pipe would keep whoever
/// reads it waiting, and a device may never end.
pub fn read_text_file(path: &Path) -> io::Result<String> {
    // To open a pipe is to wait for its writer.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(without_waiting)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(invalid("it isn't a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(text)
    } else {
        Err(invalid("it has more than 8 MiB"))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_of_a_size_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("policy"), "version: 1\n").expect("a file");
        symlink("policy", path("link")).expect("a link");
        symlink("link", path("link-to-link")).expect("a link");
        for name in ["policy", "link", "link-to-link"] {
            assert_eq!(read_text_file(&path(name)).expect(name), "version: 1\n");
        }

        let length = usize::try_from(MAX_BYTES).expect("a length");
        fs::write(path("most"), " ".repeat(length)).expect("a file");
        read_text_file(&path("most")).expect("as long as it may be");
        fs::write(path("large"), " ".repeat(length + 1)).expect("a file");
        fs::write(path("bytes"), b"\xff").expect("a file");
        symlink("/dev/zero", path("device")).expect("a link");
        for (name, error) in [
            ("large", "it has more than 8 MiB"),
            ("device", "it isn't a regular file"),
            (".", "it isn't a regular file"),
            ("bytes", "stream did not contain valid UTF-8"),
        ] {
            let found = read_text_file(&path(name)).expect_err(name);
            assert_eq!(found.to_string(), error, "{name}");
        }
        let none = read_text_file(&path("none")).expect_err("none");
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
