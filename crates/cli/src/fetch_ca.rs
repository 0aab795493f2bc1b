//! `querycop fetch-ca`: writes the authority of an AlloyDB cluster's certificates to a file.

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use alloydb_connector::{Dialer, InstanceUri};
use querycop_gateway::{GoogleError, chain, dialer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error as ThisError;

use crate::exit::{self, FAILED, OK, OS_ERROR, complain, refuse_settings};
use crate::settings::{Values, google};
use crate::signals;

/// Time before a fetch that failed is tried again by `--watch`, unless the next one is due earlier.
const RETRY: Duration = Duration::from_mins(1);

/// What is fetched, and where it goes.
#[derive(Debug)]
pub(crate) struct FetchCaOptions {
    pub(crate) instance: InstanceUri,
    /// `None`: standard output.
    pub(crate) output: Option<PathBuf>,
    /// Fetch again each time this is over.
    pub(crate) watch: Option<Duration>,
}

/// The authority is not where it should be.
#[derive(Debug, ThisError)]
enum FetchError {
    #[error("credentials for Google Cloud")]
    Google(#[from] GoogleError),
    #[error("fetching the certificate authority")]
    Fetch(#[from] alloydb_connector::Error),
    #[error("the AlloyDB API gave no certificate in PEM form")]
    NoCertificate,
    #[error("writing {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Whether a file had to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Changed,
    Unchanged,
}

/// Fetches once, or until a signal ends it.
pub(crate) fn fetch_ca(values: &Values, options: &FetchCaOptions) -> ExitCode {
    let google = match google(values) {
        Ok(google) => google,
        Err(problems) => return refuse_settings(&problems),
    };
    let runtime = match exit::short_runtime() {
        Ok(runtime) => runtime,
        Err(status) => return status,
    };
    let status = runtime.block_on(async {
        let dialer = match dialer(&google).await {
            Ok(dialer) => dialer,
            Err(error) => {
                report(&FetchError::from(error));
                return FAILED;
            }
        };
        match options.watch {
            None => once(&dialer, options).await,
            Some(interval) => watch(&dialer, options, interval).await,
        }
    });
    runtime.shutdown_background();
    ExitCode::from(status)
}

async fn once(dialer: &Dialer, options: &FetchCaOptions) -> u8 {
    match fetch(dialer, options).await {
        Ok(_) => OK,
        Err(error) => {
            report(&error);
            FAILED
        }
    }
}

/// Goes on after a failure: what was fetched before is still there and most likely still right.
async fn watch(dialer: &Dialer, options: &FetchCaOptions, interval: Duration) -> u8 {
    let mut stop = match signals::Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            complain(&format!("querycop: listening for signals: {error}\n"));
            return OS_ERROR;
        }
    };
    loop {
        let fetched = tokio::select! {
            fetched = fetch(dialer, options) => fetched,
            _ = stop.received() => return OK,
        };
        let pause = match fetched {
            Ok(Written::Changed) => {
                complain(&format!("querycop: {} is new\n", target(options)));
                interval
            }
            Ok(Written::Unchanged) => interval,
            Err(error) => {
                report(&error);
                RETRY.min(interval)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.received() => return OK,
        }
    }
}

async fn fetch(dialer: &Dialer, options: &FetchCaOptions) -> Result<Written, FetchError> {
    let pem = dialer.cluster_ca(&options.instance).await?;
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    if !matches!(certificates.next(), Some(Ok(_))) || certificates.any(|next| next.is_err()) {
        return Err(FetchError::NoCertificate);
    }
    match &options.output {
        None => {
            exit::print(&pem);
            Ok(Written::Changed)
        }
        Some(path) => replace(path, pem.as_bytes()).map_err(|cause| FetchError::Write {
            path: path.clone(),
            cause,
        }),
    }
}

/// Puts the content in the place of the file, all at once: whoever reads it meanwhile reads the old
/// or the new one, and never a part. A file that is right already is not touched.
fn replace(path: &Path, content: &[u8]) -> io::Result<Written> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(Written::Unchanged);
    }
    // A link stays one: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut fresh_name = std::ffi::OsString::from(".");
    fresh_name.push(name);
    fresh_name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(fresh_name);
    let written = write_synced(&fresh, content).and_then(|()| fs::rename(&fresh, &path));
    if written.is_err() {
        // What is left of a failed attempt; the failure itself is what is reported.
        let _ = fs::remove_file(&fresh);
    }
    written.map(|()| Written::Changed)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    // An authority's certificate is no secret, and those who verify with it are other users.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(content)?;
    file.sync_all()
}

fn target(options: &FetchCaOptions) -> String {
    match &options.output {
        Some(path) => path.display().to_string(),
        None => "the certificate authority".to_owned(),
    }
}

fn report(error: &(dyn Error + 'static)) {
    complain(&format!("querycop: error: {}\n", chain(error)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_readable_by_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        assert_eq!(replace(&path, b"one").unwrap(), Written::Changed);
        assert_eq!(replace(&path, b"one").unwrap(), Written::Unchanged);
        assert_eq!(replace(&path, b"two").unwrap(), Written::Changed);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_directory_that_is_missing_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        replace(&directory.path().join("missing/ca.pem"), b"x").unwrap_err();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
