//! An error that the server answered a login with.

use querycop_wire::SqlState;
use querycop_wire::error_response::ErrorView;

/// What the server said, for the log.
#[derive(Debug)]
pub(crate) struct ServerError {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A login that the server refused.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) error: ServerError,
    /// The server's own message, to be passed on as it is.
    pub(crate) message: Vec<u8>,
    /// Whether the client has not been sent anything yet, so that another attempt is possible.
    pub(crate) before_any_word: bool,
}

impl ServerError {
    pub(super) fn read(body: &[u8]) -> Self {
        let view = ErrorView::decode(body).ok();
        let code = view
            .as_ref()
            .and_then(ErrorView::code)
            .unwrap_or("?????")
            .to_owned();
        let message = view.map_or_else(
            || "error that can't be read".to_owned(),
            |view| view.message().into_owned(),
        );
        Self { code, message }
    }

    /// Whether another token might be taken.
    pub(crate) fn is_authentication(&self) -> bool {
        [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION]
            .iter()
            .any(|state| state.as_str() == self.code)
    }

    /// Whether the server's `pg_hba.conf` might let the role in without TLS.
    pub(crate) fn is_not_for_this_encryption(&self) -> bool {
        self.code == SqlState::INVALID_AUTHORIZATION.as_str()
    }
}
