//! Values of flags to settings: what excludes what, in the original's order, and what has no effect.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::instance::{self, Defaults};
use super::mistake::{Mistake, got};
use super::table::ROOT;
use super::url::{is_http, is_url};
use super::values::Values;
use crate::settings::{
    AdminServer, Credential, FailedInstance, HttpServer, Identity, Impersonation, Instance,
    ListenerTls, Logging, Refresh, Settings, Shutdown, StartUpCheck, Telemetry,
};

/// Everything that was said, wherever it was.
pub(crate) struct Said {
    pub(crate) values: Values,
    /// The instances, with their queries.
    pub(crate) instances: Vec<String>,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) version: String,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) notices: Vec<String>,
}

impl Said {
    /// Makes settings of it.
    pub(crate) fn resolve(mut self) -> Result<Settings, Mistake> {
        self.check_fuse()?;
        let address = self.check_listeners()?;
        let credential = self.credential()?;
        let admin_endpoint = self.admin_endpoint()?;
        let tls = self.tls()?;
        let start_up_check = self.start_up_check()?;
        let dns_period = self.positive("--dns-period", "dns-period")?;
        let defaults = Defaults {
            address,
            first_port: self.values.int(ROOT, "port"),
            unix_directory: self.text("unix-socket").to_owned(),
            public_ip: self.switch("public-ip"),
            psc: self.switch("psc"),
            auto_iam_authn: self.switch("auto-iam-authn"),
            credential: credential.clone(),
            tls,
        };
        let instances = instance::read(&self.instances, &defaults, &mut self.notices)?;
        let login_token = self.login_token(&instances);
        let http = self.http();
        let telemetry = self.telemetry()?;
        Ok(Settings {
            identity: Identity {
                credential,
                impersonation: impersonation(self.text("impersonate-service-account")),
            },
            login_token,
            admin_endpoint,
            universe_domain: self.non_empty("universe-domain"),
            user_agents: self.words("user-agent"),
            refresh: self.refresh(),
            max_connections: self.values.uint(ROOT, "max-connections"),
            http,
            admin: AdminServer {
                address: self.text("admin-address").to_owned(),
                port: self.text("admin-port").to_owned(),
                debug: self.switch("debug"),
                quitquitquit: self.switch("quitquitquit"),
            },
            start_up_check,
            failed_instance: if self.switch("skip-failed-instance-config") {
                FailedInstance::IsSkipped
            } else {
                FailedInstance::EndsAll
            },
            shutdown: Shutdown {
                min_sigterm_delay: self.values.duration(ROOT, "min-sigterm-delay"),
                max_sigterm_delay: self.values.duration(ROOT, "max-sigterm-delay"),
                exit_zero_sigterm: self.switch("exit-zero-sigterm"),
                fail_readiness_on_term: self.switch("fail-readiness-on-term"),
            },
            logging: Logging {
                structured: self.switch("structured-logs"),
                quiet: self.switch("quiet"),
                debug: self.switch("debug-logs"),
            },
            telemetry,
            dns_period,
            config_file: self.config_file,
            version: self.version,
            instances,
            notices: self.notices,
        })
    }

    fn check_fuse(&self) -> Result<(), Mistake> {
        let fuse = !self.text("fuse").is_empty();
        if self.instances.is_empty() && !fuse {
            return Err(Mistake::NoInstance);
        }
        if fuse && self.switch("run-connection-test") {
            return Err(Mistake::FuseConnectionTest);
        }
        if fuse { Err(Mistake::Fuse) } else { Ok(()) }
    }

    fn check_listeners(&self) -> Result<IpAddr, Mistake> {
        for (name, first) in [("address", "--address"), ("port", "--port")] {
            if self.values.is_given("unix-socket") && self.values.is_given(name) {
                let second = "--unix-socket";
                return Err(Mistake::Exclusive { first, second });
            }
        }
        match self.text("address") {
            // The original takes no address for the default one.
            "" if !self.values.is_given("address") => Ok(Ipv4Addr::LOCALHOST.into()),
            text => text.parse().map_err(|_| Mistake::Address(text.to_owned())),
        }
    }

    fn credential(&self) -> Result<Credential, Mistake> {
        let token = (!self.text("token").is_empty(), "--token");
        let file = (
            !self.text("credentials-file").is_empty(),
            "--credentials-file",
        );
        let gcloud = (self.switch("gcloud-auth"), "--gcloud-auth");
        let json = (
            !self.text("json-credentials").is_empty(),
            "--json-credentials",
        );
        for ((has_first, first), (has_second, second)) in [
            (token, file),
            (token, gcloud),
            (file, gcloud),
            (json, token),
            (json, file),
            (json, gcloud),
        ] {
            if has_first && has_second {
                return Err(Mistake::Exclusive { first, second });
            }
        }
        Ok(if token.0 {
            Credential::Token(self.text("token").into())
        } else if file.0 {
            Credential::File(self.text("credentials-file").into())
        } else if gcloud.0 {
            Credential::Gcloud
        } else if json.0 {
            Credential::Json(self.text("json-credentials").into())
        } else {
            Credential::ApplicationDefault
        })
    }

    fn admin_endpoint(&self) -> Result<Option<String>, Mistake> {
        let name = "alloydbadmin-api-endpoint";
        if self.values.is_given(name) && self.values.is_given("universe-domain") {
            return Err(Mistake::Exclusive {
                first: "--alloydbadmin-api-endpoint",
                second: "--universe-domain",
            });
        }
        let Some(text) = self.non_empty(name) else {
            return Ok(None);
        };
        if !is_url(&text) {
            return Err(Mistake::Url {
                flag: "--alloydbadmin-api-endpoint",
                value: text,
            });
        }
        Ok(Some(text.strip_suffix('/').unwrap_or(&text).to_owned()))
    }

    fn tls(&self) -> Result<Option<ListenerTls>, Mistake> {
        match (
            self.non_empty("tls-cert-file"),
            self.non_empty("tls-key-file"),
        ) {
            (Some(certificate), Some(key)) => Ok(Some(ListenerTls {
                certificate: certificate.into(),
                key: key.into(),
            })),
            (None, None) => Ok(None),
            _ => Err(Mistake::TlsHalf),
        }
    }

    fn start_up_check(&mut self) -> Result<StartUpCheck, Mistake> {
        let timeout = self.positive("--startup-timeout", "startup-timeout")?;
        if self.switch("startup-check") {
            if self.switch("run-connection-test") {
                self.ignore("run-connection-test", "--startup-check does more");
            }
            return Ok(StartUpCheck::Retry { timeout });
        }
        if self.values.is_given("startup-timeout") {
            self.ignore("startup-timeout", "--startup-check was not set");
        }
        Ok(if self.switch("run-connection-test") {
            StartUpCheck::Once
        } else {
            StartUpCheck::Off
        })
    }

    fn login_token(&mut self, instances: &[Instance]) -> Option<secrecy::SecretString> {
        let token = self.non_empty("login-token")?;
        if self.switch("auto-iam-authn") || instances.iter().any(|one| one.auto_iam_authn) {
            return Some(token.into());
        }
        self.ignore("login-token", "--auto-iam-authn was not set");
        None
    }

    fn http(&mut self) -> HttpServer {
        let (health_check, prometheus) = (self.switch("health-check"), self.switch("prometheus"));
        if self.values.is_given("http-port") && !health_check && !prometheus {
            self.ignore("http-port", "--prometheus or --health-check was not set");
        }
        HttpServer {
            address: self.text("http-address").to_owned(),
            port: self.text("http-port").to_owned(),
            health_check,
            with_backend_check: self.switch("with-backend-check"),
            prometheus,
            prometheus_namespace: self.text("prometheus-namespace").to_owned(),
        }
    }

    fn telemetry(&mut self) -> Result<Telemetry, Mistake> {
        let project = self.non_empty("telemetry-project");
        if project.is_none() {
            if self.values.is_given("telemetry-prefix") {
                self.ignore("telemetry-prefix", "--telemetry-project was not set");
            }
            for name in ["disable-metrics", "disable-traces"] {
                if self.switch(name) {
                    self.ignore(name, "--telemetry-project was not set");
                }
            }
        }
        let otlp_endpoint = self.non_empty("otlp-endpoint");
        if let Some(value) = otlp_endpoint.clone().filter(|value| !is_http(value)) {
            let flag = "--otlp-endpoint";
            return Err(Mistake::Url { flag, value });
        }
        Ok(Telemetry {
            project,
            prefix: self.text("telemetry-prefix").to_owned(),
            sample_rate: self.values.int(ROOT, "telemetry-sample-rate"),
            disable_metrics: self.switch("disable-metrics"),
            disable_traces: self.switch("disable-traces"),
            disable_built_in: self.switch("disable-built-in-telemetry"),
            otlp_endpoint: otlp_endpoint.or_else(|| self.otlp_endpoint_of_environment()),
        })
    }

    /// What others told all programs doesn't stop this one.
    fn otlp_endpoint_of_environment(&mut self) -> Option<String> {
        let value = self.otlp_endpoint.take()?;
        if !is_http(&value) {
            let notice = format!(
                "Ignoring OTEL_EXPORTER_OTLP_ENDPOINT: not a valid URL{}",
                got(&value)
            );
            self.notices.push(notice);
            return None;
        }
        Some(value)
    }

    fn refresh(&self) -> Refresh {
        match self.non_empty("static-connection-info") {
            _ if self.switch("lazy-refresh") => Refresh::Lazy,
            Some(file) => Refresh::Static(file.into()),
            None => Refresh::Ahead,
        }
    }

    fn positive(&self, flag: &'static str, name: &str) -> Result<Duration, Mistake> {
        match self.values.duration(ROOT, name) {
            Duration::ZERO => Err(Mistake::NotPositive(flag)),
            time => Ok(time),
        }
    }

    fn ignore(&mut self, name: &str, reason: &str) {
        self.notices
            .push(format!("Ignoring --{name} because {reason}"));
    }

    fn switch(&self, name: &str) -> bool {
        self.values.switch(name)
    }

    fn text(&self, name: &str) -> &str {
        self.values.text(ROOT, name)
    }

    fn non_empty(&self, name: &str) -> Option<String> {
        let text = self.text(name);
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn words(&self, name: &str) -> Vec<String> {
        self.text(name)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

/// Reads a list of service accounts: the first is the one to act as.
pub(crate) fn impersonation(list: &str) -> Option<Impersonation> {
    let mut accounts = list
        .split(',')
        .map(str::trim)
        .filter(|account| !account.is_empty());
    let target = accounts.next()?.to_owned();
    let delegates = accounts.map(str::to_owned).collect();
    Some(Impersonation { target, delegates })
}
