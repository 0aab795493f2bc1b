//! The process's limit of open files.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard limit and returns it (`None`: unlimited).
///
/// A session needs two descriptors; the usual soft limit of 1,024 would end at 500 sessions.
pub fn raise_file_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(limit.current);
    }
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(limit.maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_file_limit().unwrap();
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
        assert_eq!(raised, getrlimit(Resource::Nofile).current);
    }
}
