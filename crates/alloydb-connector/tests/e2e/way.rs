//! The way to the instance: TCP, proxies, time limits.

use std::io;
use std::time::Duration;

use alloydb_connector::{
    Credentials, DialFailure, DialOptions, DialTarget, Dialer, Error, Proxy, Socket,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::dialling::echoes;
use crate::fake::{Fake, TOKEN, chain, instance, key, private, until};

fn failure(error: &Error) -> &DialFailure {
    match error {
        Error::Dial(dial) => dial.failure(),
        other => panic!("it isn't the dial that failed: {other}"),
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_and_forces_a_refresh() {
    let fake = Fake::start().await;
    let refuse =
        |_: DialTarget| async { Err::<TcpStream, _>(io::ErrorKind::ConnectionRefused.into()) };
    let options = DialOptions::new().dial_function(refuse);
    let dialer = fake.dialer().await;
    let error = dialer.dial(&instance(), &options).await.unwrap_err();
    let kind = io::ErrorKind::ConnectionRefused;
    assert!(
        matches!(failure(&error), DialFailure::Tcp { kind: of, .. } if *of == kind),
        "{error}"
    );
    until("a forced refresh", || fake.calls() == (2, 2)).await;
    dialer.dial(&instance(), &private()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_given_up() {
    let fake = Fake::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let options = DialOptions::new().dial_function(move |_| TcpStream::connect(address));
    let dialer = fake.builder().connect_timeout(Duration::from_millis(50));
    let dialer = dialer.build().await.unwrap();
    let error = dialer.dial(&instance(), &options).await.unwrap_err();
    assert!(
        matches!(failure(&error), DialFailure::Timeout { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn any_carrier_of_bytes_will_do() {
    let fake = Fake::start().await;
    let tunnel = fake.tunnel;
    let options = DialOptions::new().dial_function(move |_| async move {
        let (near, mut far) = tokio::io::duplex(4096);
        let mut tcp = TcpStream::connect(tunnel).await?;
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut far, &mut tcp).await });
        Ok::<_, io::Error>(Socket::new(near))
    });
    let dialer = fake.dialer().await;
    let mut stream = dialer.dial(&instance(), &options).await.unwrap();
    assert!(stream.tcp().is_none() && stream.peer_addr().is_none());
    echoes(&mut stream).await;
}

#[tokio::test]
async fn keep_alive_and_no_delay_are_set() {
    let fake = Fake::start().await;
    let dialer = fake.builder().tcp_keep_alive(Some(Duration::from_secs(77)));
    let dialer = dialer.build().await.unwrap();
    let stream = dialer.dial(&instance(), &private()).await.unwrap();
    let tcp = stream.tcp().unwrap();
    assert!(tcp.nodelay().unwrap());
    let socket = socket2::SockRef::from(tcp);
    assert!(socket.keepalive().unwrap());
    assert_eq!(
        socket.tcp_keepalive_time().unwrap(),
        Duration::from_secs(77)
    );
    let off = fake.builder().tcp_keep_alive(None).build().await.unwrap();
    let stream = off.dial(&instance(), &private()).await.unwrap();
    assert!(
        !socket2::SockRef::from(stream.tcp().unwrap())
            .keepalive()
            .unwrap()
    );
}

#[tokio::test]
async fn any_timeout_and_any_keep_alive_can_be_dialled_with() {
    let fake = Fake::start().await;
    for (keep_alive, set) in [(Duration::MAX, 32_767), (Duration::from_millis(1), 1)] {
        let dialer = fake
            .builder()
            .connect_timeout(Duration::MAX)
            .refresh_timeout(Duration::MAX)
            .tcp_keep_alive(Some(keep_alive));
        let dialer = dialer.build().await.unwrap();
        let stream = dialer.dial(&instance(), &private()).await.unwrap();
        let socket = socket2::SockRef::from(stream.tcp().unwrap());
        let period = socket.tcp_keepalive_time().unwrap();
        assert_eq!(period, Duration::from_secs(set));
        dialer.cluster_ca(&instance()).await.unwrap();
    }
}

/// A process of its own, because these proxies are found through the environment.
#[tokio::test]
async fn the_environments_proxies_never_see_a_loopback_admin_api() {
    const NAME: &str = "way::the_environments_proxies_never_see_a_loopback_admin_api";
    if let Ok(tunnel) = std::env::var("CONNECTOR_TEST_TUNNEL") {
        let dialer = Dialer::builder()
            .credentials(Credentials::token(TOKEN.into()))
            .admin_endpoint(std::env::var("CONNECTOR_TEST_ADMIN").unwrap())
            .dial_function(move |_| TcpStream::connect(tunnel.clone()));
        let dialer = dialer.build().await.unwrap();
        dialer.dial(&instance(), &private()).await.unwrap();
        return;
    }
    let fake = Fake::start().await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .envs(["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, &url)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("CONNECTOR_TEST_ADMIN", fake.endpoint())
        .env("CONNECTOR_TEST_TUNNEL", fake.tunnel.to_string())
        .output();
    let output = tokio::select! {
        biased;
        _ = proxy.accept() => panic!("the proxy was asked"),
        output = output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(fake.calls(), (1, 1));
}

/// A proxy that takes one kind of greeting, tells what it was asked for, and relays to the fake.
async fn proxy(
    fake: &Fake,
    greet: Greeting,
) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (told, asked) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tunnel, admin) = (fake.tunnel, fake.admin);
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.expect("it listens");
            let told = told.clone();
            tokio::spawn(async move {
                let wanted = match greet {
                    Greeting::Socks => socks(&mut tcp).await,
                    Greeting::Connect(answer) => connect(&mut tcp, answer).await,
                };
                let wanted = wanted.expect("the client speaks the protocol");
                // The admin API's own requests go the same way.
                let to = if wanted.contains(":5433") {
                    tunnel
                } else {
                    admin
                };
                told.send(wanted).expect("the test reads it");
                let mut server = TcpStream::connect(to).await.expect("the fake listens");
                tokio::io::copy_bidirectional(&mut tcp, &mut server).await
            });
        }
    });
    (port, asked)
}

#[derive(Clone, Copy)]
enum Greeting {
    Socks,
    Connect(&'static str),
}

/// RFC 1928 and RFC 1929, for user `u` with password `p`.
async fn socks(tcp: &mut TcpStream) -> io::Result<String> {
    let mut methods = [0; 2];
    tcp.read_exact(&mut methods).await?;
    let mut offered = vec![0; methods[1].into()];
    tcp.read_exact(&mut offered).await?;
    assert!(offered.contains(&2), "a login is offered");
    tcp.write_all(&[5, 2]).await?;
    let mut login = [0; 5];
    tcp.read_exact(&mut login).await?;
    assert_eq!(&login, b"\x01\x01u\x01p");
    tcp.write_all(&[1, 0]).await?;
    let mut request = [0; 10];
    tcp.read_exact(&mut request).await?;
    assert_eq!(
        request[..4],
        [5, 1, 0, 1],
        "a connection to an IPv4 address"
    );
    tcp.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let ip = std::net::Ipv4Addr::from([request[4], request[5], request[6], request[7]]);
    Ok(format!(
        "{ip}:{}",
        u16::from_be_bytes([request[8], request[9]])
    ))
}

async fn connect(tcp: &mut TcpStream, answer: &str) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await?);
    }
    tcp.write_all(answer.as_bytes()).await?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn through(fake: &Fake, url: &str) -> Dialer {
    Dialer::builder()
        .credentials(Credentials::token(TOKEN.into()))
        .admin_endpoint(fake.endpoint())
        .rsa_key(key())
        .proxy(Proxy::url(url).unwrap())
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_socks5_proxy_is_asked_with_its_login() {
    let fake = Fake::start().await;
    let (port, mut asked) = proxy(&fake, Greeting::Socks).await;
    let dialer = through(&fake, &format!("socks5h://u:p@127.0.0.1:{port}")).await;
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    echoes(&mut stream).await;
    let mut all = Vec::new();
    while let Ok(one) = asked.try_recv() {
        all.push(one);
    }
    assert!(all.contains(&"10.0.0.5:5433".to_owned()), "{all:?}");
    assert_eq!(all.len(), 3, "the admin API's two calls too: {all:?}");
}

#[tokio::test]
async fn an_http_proxy_is_asked_to_connect() {
    let fake = Fake::start().await;
    let ok = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
    let (port, mut asked) = proxy(&fake, Greeting::Connect(ok)).await;
    let file = static_file(&fake);
    let dialer = Dialer::builder()
        .credentials(Credentials::token(TOKEN.into()))
        .static_connection_info(&*file)
        .proxy(Proxy::url(&format!("http://u:p%40@127.0.0.1:{port}")).unwrap());
    let dialer = dialer.build().await.unwrap();
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    echoes(&mut stream).await;
    let request = asked.recv().await.unwrap();
    assert!(
        request.starts_with("CONNECT 10.0.0.5:5433 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("Proxy-Authorization: Basic dTpwQA==\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_proxy_may_give_no_reason_for_its_yes() {
    let fake = Fake::start().await;
    let ok = "HTTP/1.1 200\r\n\r\n";
    let (port, _asked) = proxy(&fake, Greeting::Connect(ok)).await;
    let file = static_file(&fake);
    let dialer = Dialer::builder()
        .credentials(Credentials::token(TOKEN.into()))
        .static_connection_info(&*file)
        .proxy(Proxy::url(&format!("http://127.0.0.1:{port}")).unwrap());
    let dialer = dialer.build().await.unwrap();
    let mut stream = dialer.dial(&instance(), &private()).await.unwrap();
    echoes(&mut stream).await;
}

#[tokio::test]
async fn a_proxys_refusal_is_quoted() {
    let fake = Fake::start().await;
    let no = "HTTP/1.1 403 Forbidden by policy\r\n\r\n";
    let (port, _asked) = proxy(&fake, Greeting::Connect(no)).await;
    let file = static_file(&fake);
    let dialer = Dialer::builder()
        .credentials(Credentials::token(TOKEN.into()))
        .static_connection_info(&*file)
        .proxy(Proxy::url(&format!("http://127.0.0.1:{port}")).unwrap());
    let dialer = dialer.build().await.unwrap();
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    assert!(
        chain(&error).contains("403 Forbidden by policy"),
        "{}",
        chain(&error)
    );
}

/// Keeps plain HTTP requests of the admin API off the proxy.
fn static_file(fake: &Fake) -> tempfile::TempPath {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let life = Duration::from_hours(1);
    let mut content = serde_json::json!({"privateKey": key.serialize_pem()});
    content[instance().as_str()] = serde_json::json!({
        "ipAddress": "10.0.0.5",
        "pemCertificateChain": fake.api.cluster.client_chain(&key.public_key_pem(), life),
        "caCert": fake.api.cluster.root_pem(),
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content.to_string()).unwrap();
    file.into_temp_path()
}
