//! `shutdown`: tells a proxy to end.

use std::io::Write;
use std::time::Duration;

use reqwest::StatusCode;

use crate::flags::table::SHUTDOWN;
use crate::flags::values::Values;
use crate::flags::{FAILURE, SUCCESS, complain};
use crate::local_http;

/// How long the proxy may take to accept; it does so at once.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for `/quitquitquit`.
pub(crate) fn run(values: &Values, err: &mut dyn Write) -> u8 {
    let url = local_http::url(
        values.text(SHUTDOWN, "admin-address"),
        values.text(SHUTDOWN, "admin-port"),
        "quitquitquit",
    );
    let asked = local_http::block_on(async {
        let client = local_http::client(TIMEOUT)?;
        match client.post(&url).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(()),
            Ok(answer) => Err(format!("the answer was {}", answer.status())),
            Err(error) => Err(local_http::cause(error)),
        }
    });
    match asked {
        Ok(()) => SUCCESS,
        Err(cause) => {
            let hint = "was the proxy started with --quitquitquit, and with this --admin-port?";
            complain(
                err,
                &format!("failed to send shutdown request: POST {url}: {cause}; {hint}"),
            );
            FAILURE
        }
    }
}
