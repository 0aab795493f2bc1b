//! Where an instance's socket goes.

use std::path::{Path, PathBuf};

use crate::settings::{Bind, InstanceName};

/// The file name that libpq appends to the directory it is given, whatever the port.
const SOCKET: &str = ".s.PGSQL.5432";

/// The short name `PROJECT.REGION.CLUSTER.INSTANCE`, or the DNS name.
pub(crate) fn short_name(name: &InstanceName) -> String {
    match name {
        InstanceName::Uri(uri) => format!(
            "{}.{}.{}.{}",
            uri.project(),
            uri.location(),
            uri.cluster(),
            uri.instance()
        ),
        InstanceName::Dns(name) => name.clone(),
    }
}

/// The socket of an instance under a directory for all sockets.
pub(crate) fn under(parent: &str, name: &InstanceName) -> Bind {
    // A colon, of a project with a domain, would divide hosts in a connection string.
    let folder = short_name(name).to_lowercase().replace(':', "_");
    let parent = PathBuf::from(parent);
    let directory = parent.join(folder);
    Bind::Unix { parent, directory }
}

/// The socket at an exact path, with or without the file's name.
pub(crate) fn exactly(path: &str) -> Bind {
    let given = Path::new(path);
    let is_socket = given.file_name().is_some_and(|name| name == SOCKET);
    let directory = match given.parent() {
        Some(parent) if is_socket => parent,
        _ => given,
    };
    // With a slash at its end the directory itself must be there, as with the original.
    let parent = match directory.parent() {
        _ if path.ends_with('/') && !is_socket => directory,
        Some(parent) => parent,
        None => directory,
    };
    let or_here = |path: &Path| {
        if path.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            // Without the slash at its end.
            path.components().collect()
        }
    };
    Bind::Unix {
        parent: or_here(parent),
        directory: or_here(directory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(parent: &str, directory: &str) -> Bind {
        Bind::Unix {
            parent: parent.into(),
            directory: directory.into(),
        }
    }

    #[test]
    fn a_directory_is_made_for_each_instance() {
        let uri = "projects/Google.com:P/locations/L/clusters/C/instances/I";
        let name = InstanceName::Uri(uri.parse().unwrap());
        assert_eq!(
            under("/run", &name),
            unix("/run", "/run/google.com_p.l.c.i")
        );
        let name = InstanceName::Dns("DB.example.com".to_owned());
        assert_eq!(under("x", &name), unix("x", "x/db.example.com"));
    }

    #[test]
    fn an_exact_path_is_a_directory() {
        for (path, parent, directory) in [
            ("/run/db", "/run", "/run/db"),
            ("/run/db/.s.PGSQL.5432", "/run", "/run/db"),
            ("/run/db/", "/run/db", "/run/db"),
            ("db", ".", "db"),
            (".s.PGSQL.5432", ".", "."),
            ("a/.s.PGSQL.5432", ".", "a"),
            ("/.s.PGSQL.5432", "/", "/"),
        ] {
            assert_eq!(exactly(path), unix(parent, directory), "{path}");
        }
    }
}
