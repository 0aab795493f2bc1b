//! `wait`: until a proxy is ready.

use std::io::Write;
use std::time::Duration;

use reqwest::StatusCode;

use crate::flags::table::{WAIT, everywhere};
use crate::flags::values::Values;
use crate::flags::{FAILURE, SUCCESS, complain};
use crate::local_http;

/// How long to wait before asking again.
const PERIOD: Duration = Duration::from_secs(1);

/// Asks for `/startup` until the answer is 200 or the time is over.
pub(crate) fn run(values: &Values, err: &mut dyn Write) -> u8 {
    let flags: Vec<_> = everywhere().copied().collect();
    let url = local_http::url(
        values.text(&flags, "http-address"),
        values.text(&flags, "http-port"),
        "startup",
    );
    let max = values.duration(WAIT, "max");
    let waiting = local_http::block_on(async {
        let client = local_http::client(max)?;
        // What was seen last says what is wrong with a proxy that never gets ready.
        let mut seen = "there was no answer".to_owned();
        let ready = tokio::time::timeout(max, until_ready(&client, &url, &mut seen)).await;
        ready.map_err(|_| {
            format!("the proxy was not ready within {max:?}: GET {url}: {seen}; was it started with --health-check?")
        })
    });
    match waiting {
        Ok(()) => SUCCESS,
        Err(text) => {
            complain(err, &text);
            FAILURE
        }
    }
}

async fn until_ready(client: &reqwest::Client, url: &str, seen: &mut String) {
    loop {
        match client.get(url).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => return,
            Ok(answer) => *seen = format!("the answer was {}", answer.status()),
            Err(error) => *seen = local_http::cause(error),
        }
        tokio::time::sleep(PERIOD).await;
    }
}
