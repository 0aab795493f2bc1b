//! The admin API in gRPC, on the port of REST.

use std::sync::Arc;

use alloydb_emulator::Transport;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;

use crate::client::public_key_pem;
use crate::world::{CLUSTER, PRIMARY, World};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(string, tag = "5")]
    public_key: String,
    #[prost(bool, tag = "6")]
    use_metadata_exchange: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "2")]
    ip_address: String,
    #[prost(string, tag = "6")]
    psc_dns_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Made {
    #[prost(string, repeated, tag = "2")]
    pem_certificate_chain: Vec<String>,
    #[prost(string, tag = "3")]
    ca_cert: String,
}

/// Calls a method; the message or the status and its text.
async fn call<T: Message + Default>(
    world: &World,
    method: &str,
    request: &Request,
) -> Result<T, (String, String)> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(world.emulator.admin_ca_pem().as_bytes());
    roots.add(ca.expect("PEM")).expect("a CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let authority = world
        .emulator
        .https_url()
        .replace("https://localhost", "127.0.0.1");
    let stream = TcpStream::connect(&authority).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    let io = TokioIo::new(stream.await.expect("the handshake succeeds"));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .expect("h2");
    tokio::spawn(connection);
    let message = request.encode_to_vec();
    let len = u32::try_from(message.len()).expect("short").to_be_bytes();
    let body = [&[0], len.as_slice(), &message].concat();
    let request = http::Request::post(format!("https://localhost{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", "Bearer alices token")
        .header("user-agent", "grpc-test")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let head = response.headers().clone();
    let body = response.into_body().collect().await.expect("a body");
    let trailers = body.trailers().cloned().unwrap_or(head);
    let field = |name: &str| {
        let value = trailers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    if field("grpc-status") != "0" {
        return Err((field("grpc-status"), field("grpc-message")));
    }
    let bytes = body.to_bytes();
    Ok(T::decode(&bytes[5..]).expect("the message"))
}

#[tokio::test]
async fn both_methods_answer_in_both_versions() {
    let world = World::new().await;
    for version in ["v1beta", "v1alpha"] {
        let service = format!("/google.cloud.alloydb.{version}.AlloyDBAdmin");
        let instance = Request {
            parent: PRIMARY.to_owned(),
            ..Request::default()
        };
        let info: Info = call(&world, &format!("{service}/GetConnectionInfo"), &instance)
            .await
            .unwrap();
        assert_eq!(
            (info.ip_address.as_str(), info.psc_dns_name.as_str()),
            ("127.0.0.1", "localhost")
        );
        let cluster = Request {
            parent: CLUSTER.to_owned(),
            public_key: public_key_pem(),
            use_metadata_exchange: true,
        };
        let made: Made = call(
            &world,
            &format!("{service}/GenerateClientCertificate"),
            &cluster,
        )
        .await
        .unwrap();
        assert_eq!(made.pem_certificate_chain.len(), 3);
        assert_eq!(
            made.ca_cert,
            world.emulator.cluster_ca_pem(CLUSTER).unwrap()
        );
    }
    let requests = world.emulator.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.transport == Transport::Grpc)
    );
    assert_eq!(requests[0].headers["user-agent"], "grpc-test");
}

#[tokio::test]
async fn errors_have_their_status() {
    let world = World::new().await;
    let path = "/google.cloud.alloydb.v1beta.AlloyDBAdmin/GetConnectionInfo";
    let call = async |parent: &str, path| {
        let parent = Request {
            parent: parent.to_owned(),
            ..Request::default()
        };
        call::<Info>(&world, path, &parent)
            .await
            .err()
            .map(|(status, _)| status)
    };
    assert_eq!(
        call(&format!("{PRIMARY}x"), path).await.as_deref(),
        Some("5")
    );
    assert_eq!(call("p:r:c:i", path).await.as_deref(), Some("3"));
    assert_eq!(
        call(PRIMARY, "/google.cloud.alloydb.v1beta.AlloyDBAdmin/X")
            .await
            .as_deref(),
        Some("12")
    );
    world.emulator.set_roles(crate::world::ALICE, []).unwrap();
    assert_eq!(call(PRIMARY, path).await.as_deref(), Some("7"));
}
