//! Asking a proxy on this machine over HTTP.

use std::error::Error;
use std::net::Ipv6Addr;
use std::time::Duration;

use reqwest::Client;

/// The address of a page. An IPv6 address gets its brackets.
pub(crate) fn url(host: &str, port: &str, page: &str) -> String {
    let host = match host {
        "" => "localhost".to_owned(),
        host if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("http://{host}:{port}/{page}")
}

/// A client that goes straight to the proxy, and gives up after a time.
pub(crate) fn client(timeout: Duration) -> Result<Client, String> {
    let builder = Client::builder().no_proxy().timeout(timeout);
    builder.build().map_err(cause)
}

/// Runs what a command has to wait for.
pub(crate) fn block_on(task: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("starting the runtime: {error}"))?;
    runtime.block_on(task)
}

/// What is at the bottom of an error: the layers above it repeat the address.
pub(crate) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut bottom: &dyn Error = &error;
    while let Some(source) = bottom.source() {
        bottom = source;
    }
    bottom.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_families_are_urls() {
        assert_eq!(
            url("localhost", "9090", "startup"),
            "http://localhost:9090/startup"
        );
        assert_eq!(url("::1", "1", "x"), "http://[::1]:1/x");
        assert_eq!(url("[::1]", "1", "x"), "http://[::1]:1/x");
        assert_eq!(url("", "1", "x"), "http://localhost:1/x");
    }
}
