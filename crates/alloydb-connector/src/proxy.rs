//! What the environment says: the proxies on the way, and where credentials lie.
//!
//! Nothing else here reads the environment.

mod tunnel;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub(crate) use tunnel::{Lookup, Through};

use crate::{ConfigError, Mistake};

/// How connections leave this machine: directly, or through a SOCKS5 or HTTP CONNECT proxy.
#[derive(Clone)]
pub struct Proxy(Choice);

#[derive(Clone)]
enum Choice {
    None,
    Environment,
    Url { through: Through, url: SecretString },
}

/// What the dialer uses: the choice, made once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    through: Option<Through>,
    except: Exceptions,
}

/// Hosts that are reached directly.
#[derive(Clone, Debug, Default)]
struct Exceptions {
    everything: bool,
    names: Vec<String>,
    networks: Vec<(IpAddr, u8)>,
    loopback: bool,
}

impl Proxy {
    /// No proxy, whatever the environment says.
    pub fn none() -> Self {
        Self(Choice::None)
    }

    /// The default: `ALL_PROXY` or `all_proxy` (`socks5://`, `socks5h://`, `http://`), else
    /// `HTTPS_PROXY` or `https_proxy` (`http://`, asked to CONNECT). A value that can't be used is
    /// ignored, with a warning: it may be meant for others. Hosts, domains and networks in `NO_PROXY`
    /// are reached directly, and so is loopback. Read once, when the dialer is built.
    pub fn from_environment() -> Self {
        Self(Choice::Environment)
    }

    /// One proxy for everything, the admin API and loopback too: `socks5://`, `socks5h://` (which lets the proxy
    /// look names up) or `http://`, with `user:password@` where the proxy wants it.
    pub fn url(url: &str) -> Result<Self, ConfigError> {
        let through = Through::parse(url, "the builder")?;
        let url = url.into();
        Ok(Self(Choice::Url { through, url }))
    }

    /// The way of the admin API's requests; `reqwest` reads the environment by itself.
    pub(crate) fn apply(
        &self,
        client: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        Ok(match &self.0 {
            Choice::None => client.no_proxy(),
            Choice::Environment => client,
            Choice::Url { url, .. } => client.proxy(reqwest::Proxy::all(url.expose_secret())?),
        })
    }

    pub(crate) fn is_of_environment(&self) -> bool {
        matches!(self.0, Choice::Environment)
    }

    /// The way to instances.
    pub(crate) fn routes(&self) -> Routes {
        match &self.0 {
            Choice::None => Routes::default(),
            Choice::Environment => {
                let (routes, ignored) = Routes::read(variable);
                for mistake in ignored {
                    tracing::warn!("ignored: {mistake}");
                }
                routes
            }
            Choice::Url { through, .. } => Routes {
                through: Some(through.clone()),
                except: Exceptions::default(),
            },
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::from_environment()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Choice::None => formatter.write_str("Proxy(none)"),
            Choice::Environment => formatter.write_str("Proxy(environment)"),
            Choice::Url { through, .. } => write!(formatter, "Proxy({through:?})"),
        }
    }
}

impl Routes {
    /// The proxy to this host, or none.
    pub(crate) fn to(&self, host: &str) -> Option<&Through> {
        self.through
            .as_ref()
            .filter(|_| !self.except.contains(host))
    }

    /// What the variables say, and what is wrong with those that can't be used.
    fn read(look_up: impl Fn(&str) -> Option<String>) -> (Self, Vec<ConfigError>) {
        let named = |names: [&'static str; 2]| {
            names
                .into_iter()
                .find_map(|name| Some((name, look_up(name)?)))
        };
        let mut ignored = Vec::new();
        let proxies = [["ALL_PROXY", "all_proxy"], ["HTTPS_PROXY", "https_proxy"]];
        let through = proxies
            .into_iter()
            .filter_map(named)
            .find_map(|(name, url)| {
                let parsed = Through::parse(&url, name);
                parsed.map_err(|mistake| ignored.push(mistake)).ok()
            });
        let except = named(["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, text)| text);
        let mut except = Exceptions::parse(&except);
        except.loopback = true;
        (Self { through, except }, ignored)
    }
}

impl Exceptions {
    /// Commas between names, `.suffixes`, addresses, networks; `*` is everything.
    fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for item in text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let network = item.split_once('/').and_then(|(address, bits)| {
                let address: IpAddr = address.parse().ok()?;
                let most = if address.is_ipv4() { 32 } else { 128 };
                let bits = bits.parse().ok().filter(|bits: &u8| *bits <= most)?;
                Some((address, bits))
            });
            if item == "*" {
                parsed.everything = true;
            } else if let Some(network) = network {
                parsed.networks.push(network);
            } else if let Ok(address) = item.trim_matches(['[', ']']).parse::<IpAddr>() {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                parsed.networks.push((address, bits));
            } else {
                let name = item.trim_start_matches("*.").trim_matches('.');
                parsed.names.push(name.to_ascii_lowercase());
            }
        }
        parsed
    }

    fn contains(&self, host: &str) -> bool {
        if self.everything {
            return true;
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            let loopback = self.loopback && address.is_loopback();
            return loopback || self.networks.iter().any(|network| holds(*network, address));
        }
        let host = host.to_ascii_lowercase();
        if self.loopback && host == "localhost" {
            return true;
        }
        self.names.iter().any(|name| {
            host.strip_suffix(name.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }
}

fn holds((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let shift = |of: u32| of - u32::from(bits);
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differing = network.to_bits() ^ address.to_bits();
            differing.checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differing = network.to_bits() ^ address.to_bits();
            differing.checked_shr(shift(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The credentials file of the environment, if there is one.
/// <https://cloud.google.com/docs/authentication/application-default-credentials>
pub(crate) fn application_default_file() -> Option<PathBuf> {
    if let Some(path) = variable("GOOGLE_APPLICATION_CREDENTIALS") {
        // A name that is given is used, so that a file that isn't there is an error.
        return Some(path.into());
    }
    let folder = match variable("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME")?).join(".config/gcloud"),
    };
    let file = folder.join("application_default_credentials.json");
    file.is_file().then_some(file)
}

/// The project to bill that the environment names.
pub(crate) fn quota_project() -> Option<String> {
    variable("GOOGLE_CLOUD_QUOTA_PROJECT")
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Takes a proxy's URL apart.
fn parse_url(text: &str, variable: &'static str) -> Result<Url, ConfigError> {
    let refuse = |reason| ConfigError::new(Mistake::Proxy { variable, reason });
    // curl takes `host:port` for an HTTP proxy.
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    let url = url.map_err(|_| refuse("it isn't a URL"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("it has no host"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(variables: &[(&str, &str)]) -> Routes {
        let (routes, ignored) = read(variables);
        assert!(ignored.is_empty(), "{ignored:?}");
        routes
    }

    fn read(variables: &[(&str, &str)]) -> (Routes, Vec<ConfigError>) {
        Routes::read(|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_socks_and_connect_proxies() {
        let all = routes(&[
            ("ALL_PROXY", "socks5h://u:p@proxy:1080"),
            ("HTTPS_PROXY", "http://x:1"),
        ]);
        assert!(matches!(all.to("10.0.0.5"), Some(Through::Socks5 { .. })));
        let https = routes(&[("https_proxy", "proxy:3128")]);
        assert!(matches!(
            https.to("10.0.0.5"),
            Some(Through::Connect { .. })
        ));
        assert!(routes(&[]).to("10.0.0.5").is_none());
    }

    #[test]
    fn exceptions_and_loopback_are_reached_directly() {
        let routes = routes(&[
            ("ALL_PROXY", "socks5://proxy:1080"),
            ("NO_PROXY", "10.0.0.0/8, .goog,example.com,192.168.7.7"),
        ]);
        for direct in [
            "10.1.2.3",
            "x.alloydb.goog",
            "example.com",
            "192.168.7.7",
            "127.0.0.2",
        ] {
            assert!(routes.to(direct).is_none(), "{direct}");
        }
        for proxied in [
            "11.1.2.3",
            "alloydb.google",
            "notexample.com",
            "192.168.7.8",
        ] {
            assert!(routes.to(proxied).is_some(), "{proxied}");
        }
    }

    #[test]
    fn a_proxy_that_cant_be_used_is_ignored_and_named_without_its_password() {
        for url in [
            "ftp://u:secret@proxy",
            "https://u:secret@proxy",
            "socks4://u:secret@proxy",
            "socks5://u:secret@bad host:1",
            "http://",
        ] {
            let (routes, ignored) = read(&[("ALL_PROXY", url), ("HTTPS_PROXY", "other:1")]);
            let next = routes.to("10.0.0.5").expect("the next one counts");
            assert_eq!(next.proxy(), ("other", 1));
            let error = ignored[0].to_string();
            assert!(
                error.contains("ALL_PROXY") && !error.contains("secret"),
                "{error}"
            );
        }
        let proxy = Proxy::url("socks5://u:secret@proxy:1080").unwrap();
        assert!(!format!("{proxy:?}").contains("secret"));
    }
}
