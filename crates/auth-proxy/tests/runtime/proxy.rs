//! A proxy of this process, on a thread of its own.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use alloydb_connector::IpType;
use querycop_auth_proxy::{
    AdminServer, Bind, Credential, FailedInstance, Hooks, HttpServer, Identity, Instance,
    InstanceName, Logger, Logging, Proxy, Refresh, Settings, Shutdown, StartUpCheck, StopHandle,
    Telemetry, Trigger,
};
use querycop_serve::Endpoint;
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::{DEADLINE, eventually};
use tokio::sync::Notify;

use crate::lab::{APP_TOKEN, PASSWORD, ROLE, lab, uri};

/// An instance of the lab behind any port.
pub(crate) fn instance(name: &str) -> Instance {
    named(InstanceName::Uri(uri(name).parse().expect("it is a URI")))
}

/// An instance behind any port.
pub(crate) fn named(name: InstanceName) -> Instance {
    Instance {
        name,
        bind: Bind::Tcp {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
        },
        ip_type: IpType::Private,
        auto_iam_authn: false,
        identity: None,
        tls: None,
    }
}

/// The original's defaults, for the lab and without fixed ports.
pub(crate) fn settings(instances: impl IntoIterator<Item = Instance>) -> Settings {
    Settings {
        instances: instances.into_iter().collect(),
        identity: token(APP_TOKEN),
        login_token: None,
        universe_domain: None,
        admin_endpoint: Some(lab().emulator.http_url()),
        user_agents: Vec::new(),
        refresh: Refresh::Ahead,
        max_connections: 0,
        http: HttpServer {
            address: "localhost".to_owned(),
            port: "0".to_owned(),
            health_check: false,
            with_backend_check: false,
            prometheus: false,
            prometheus_namespace: String::new(),
        },
        admin: AdminServer {
            address: "localhost".to_owned(),
            port: "0".to_owned(),
            debug: false,
            quitquitquit: false,
        },
        start_up_check: StartUpCheck::Off,
        failed_instance: FailedInstance::EndsAll,
        shutdown: Shutdown {
            min_sigterm_delay: Duration::ZERO,
            max_sigterm_delay: Duration::ZERO,
            exit_zero_sigterm: false,
            fail_readiness_on_term: false,
        },
        logging: Logging::default(),
        telemetry: Telemetry {
            project: None,
            prefix: String::new(),
            sample_rate: 10_000,
            disable_metrics: false,
            disable_traces: false,
            disable_built_in: true,
            otlp_endpoint: None,
        },
        dns_period: Duration::from_secs(30),
        config_file: None,
        notices: Vec::new(),
        version: "0.0.0".to_owned(),
    }
}

/// Who sends this token.
pub(crate) fn token(token: &str) -> Identity {
    Identity {
        credential: Credential::Token(token.into()),
        impersonation: None,
    }
}

/// A running proxy.
pub(crate) struct Running {
    endpoints: Vec<(String, Endpoint)>,
    http: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    stop: StopHandle,
    reload: Arc<Notify>,
    logger: Logger,
    out: Written,
    err: Written,
    thread: JoinHandle<u8>,
}

/// What a channel of the log got.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().expect("nobody panics with it");
        String::from_utf8(bytes.clone()).expect("it is text")
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().expect("nobody panics with it");
        all.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts a proxy.
pub(crate) fn start(settings: Settings) -> Running {
    let started = try_start(settings, Hooks::default());
    started.expect("the proxy starts")
}

/// Starts a proxy, which may fail: with its last words then.
pub(crate) fn try_start(settings: Settings, hooks: Hooks) -> Result<Running, String> {
    let (out, err) = (Written::default(), Written::default());
    let logger = Logger::new(settings.logging, out.clone(), err.clone());
    let (tell, told) = mpsc::channel();
    let log = logger.clone();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async move {
            match Proxy::start(settings, log, hooks).await {
                Ok(proxy) => {
                    let parts = (
                        proxy.endpoints(),
                        proxy.http_addr(),
                        proxy.admin_addr(),
                        proxy.stop_handle(),
                        proxy.reload_handle(),
                    );
                    let _ = tell.send(Ok(parts));
                    proxy.run().await
                }
                Err(error) => {
                    let mut text = error.to_string();
                    let mut cause = std::error::Error::source(&error);
                    while let Some(error) = cause {
                        text = format!("{text}: {error}");
                        cause = error.source();
                    }
                    let _ = tell.send(Err(text));
                    1
                }
            }
        })
    });
    let (endpoints, http, admin, stop, reload) = told.recv().expect("it says how it went")?;
    Ok(Running {
        endpoints,
        http,
        admin,
        stop,
        reload,
        logger,
        out,
        err,
        thread,
    })
}

impl Running {
    /// The port of a listener, by its position.
    pub(crate) fn port(&self, position: usize) -> u16 {
        let endpoint = &self.endpoints[position].1;
        let port = endpoint
            .to_string()
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        port.expect("it is TCP")
    }

    /// psql as the role with a password, through a listener.
    pub(crate) fn psql(&self, position: usize) -> Psql {
        worker("127.0.0.1", self.port(position))
    }

    pub(crate) fn connect(&self, position: usize) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port(position)));
        let stream = stream.expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    /// A client whose instance has asked it for its password.
    pub(crate) fn connect_through(&self, position: usize) -> TcpStream {
        let mut client = self.connect(position);
        let sent = client.write_all(b"\0\0\0\x15\0\x03\0\0user\0worker\0\0");
        sent.expect("it is taken");
        let mut tag = [0];
        client.read_exact(&mut tag).expect("it is answered");
        assert_eq!(tag, *b"R");
        client
    }

    /// Standard output so far.
    pub(crate) fn out(&self) -> String {
        self.logger.flush();
        self.out.text()
    }

    /// Standard error so far.
    pub(crate) fn err(&self) -> String {
        self.logger.flush();
        self.err.text()
    }

    /// Waits for a line on standard output.
    pub(crate) fn wait_for_out(&self, part: &str) {
        eventually(part, || self.out().contains(part).then_some(()));
    }

    /// Waits for a line on standard error.
    pub(crate) fn wait_for_err(&self, part: &str) {
        eventually(part, || self.err().contains(part).then_some(()));
    }

    /// Status and body of an answer of health or metrics.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        request(self.http.expect("it has an HTTP server"), "GET", path)
    }

    /// Status and body of an answer of the admin server.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, String) {
        request(self.admin.expect("it has an admin server"), method, path)
    }

    /// Reads the instances again.
    pub(crate) fn reload(&self) {
        self.reload.notify_one();
    }

    /// Sends a signal, as it were.
    pub(crate) fn signal(&self, trigger: Trigger) {
        self.stop.stop(trigger);
    }

    /// Waits for its end; returns the exit status.
    pub(crate) fn wait(self) -> u8 {
        self.thread.join().expect("it doesn't panic")
    }

    /// Ends it; returns all that it wrote to standard error.
    pub(crate) fn err_after_stop(self) -> String {
        let (logger, err) = (self.logger.clone(), self.err.clone());
        self.stop();
        logger.flush();
        err.text()
    }

    /// Ends it.
    pub(crate) fn stop(self) -> u8 {
        self.signal(Trigger::Terminate);
        self.wait()
    }
}

/// psql as the role with a password.
pub(crate) fn worker(host: &str, port: u16) -> Psql {
    Psql::new(host, port)
        .user(ROLE)
        .password(PASSWORD)
        .dbname("postgres")
}

/// psql as the role with a password, over a Unix socket.
pub(crate) fn worker_at(directory: &Path) -> Psql {
    worker(directory.to_str().expect("it is text"), 5432)
}

fn request(addr: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("it has a status"), body.to_owned())
}
