//! PostgreSQL drivers over the connector, each behind a feature of its name.
#![cfg_attr(
    all(
        unix,
        feature = "tokio-postgres",
        feature = "deadpool-postgres",
        feature = "bb8",
        feature = "diesel-async",
        feature = "sqlx",
        feature = "sea-orm"
    ),
    doc = "",
    doc = include_str!("../../docs/drivers.md")
)]

#[cfg(feature = "bb8")]
pub mod bb8;
#[cfg(feature = "tokio-postgres")]
mod connect;
#[cfg(feature = "tokio-postgres")]
mod connect_error;
#[cfg(feature = "deadpool-postgres")]
pub mod deadpool;
#[cfg(feature = "diesel-async")]
pub mod diesel_async;
#[cfg(all(unix, feature = "sea-orm"))]
pub mod sea_orm;
#[cfg(all(unix, feature = "sqlx"))]
pub mod sqlx;
#[cfg(feature = "tokio-postgres")]
pub mod tokio_postgres;

#[cfg(feature = "tokio-postgres")]
pub use self::connect::AlloyDbConnect;
#[cfg(feature = "tokio-postgres")]
pub use self::connect_error::ConnectError;

/// What the e-mail address of every service account ends in, and its role's name doesn't.
const SERVICE_ACCOUNT_SUFFIX: &str = ".gserviceaccount.com";

/// The database role of an IAM principal, as automatic IAM login wants to see it: the e-mail
/// address in lower case, that of a service account without its `.gserviceaccount.com`.
///
/// A name that is a role's already stays as it is, so that a configuration may have either form.
/// The connector never does this by itself: a role of a password login may be called anything.
///
/// ```
/// use alloydb_connector::drivers::iam_role;
///
/// assert_eq!(iam_role("app@prod.iam.gserviceaccount.com"), "app@prod.iam");
/// assert_eq!(iam_role("app@prod.iam"), "app@prod.iam");
/// assert_eq!(iam_role("Alice@Example.com"), "alice@example.com");
/// ```
pub fn iam_role(principal: &str) -> String {
    let mut role = principal.to_ascii_lowercase();
    if let Some(length) = role.strip_suffix(SERVICE_ACCOUNT_SUFFIX).map(str::len) {
        role.truncate(length);
    }
    role
}

/// An error with its causes, for peers and drivers that take one line of text.
#[cfg(any(unix, feature = "tokio-postgres"))]
pub(crate) fn one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors tell their cause in their own text already.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("refresh")]
    struct Quiet(#[source] io::Error);

    #[derive(Debug, Error)]
    #[error("dial: {0}")]
    struct Talkative(#[source] Quiet);

    #[test]
    fn each_cause_is_told_once() {
        let error = Talkative(Quiet(io::Error::other("refused")));
        assert_eq!(one_line(&error), "dial: refresh: refused");
    }
}
