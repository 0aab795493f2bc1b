//! What holds for both sides of SCRAM, whatever the peer says: it never proves anything.

use std::num::NonZeroU32;

use querycop_wire::scram::{
    ChannelBinding, Client, ExpectServerFirst, NONCE_LEN, Offer, Outcome, Server, Verifier,
};

/// `[0; 18]` in base64.
const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAAAA";

/// Panics if the bytes break what the machines promise.
pub(crate) fn check(bytes: &[u8]) {
    let (first, rest) = bytes.split_at(bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len()));
    let second = rest.get(1..).unwrap_or_default();
    check_client(first, second);
    check_client(&[b"r=", NONCE.as_bytes(), first].concat(), second);
    check_client(&[b"r=", NONCE.as_bytes(), b"x,s=AAAA,i=1"].concat(), first);
    check_server(first, second);
    check_server(
        b"n,,n=,r=x",
        &[b"c=biws,r=x", NONCE.as_bytes(), first].concat(),
    );
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(verifier) = text.parse::<Verifier>()
    {
        let written = verifier.to_string();
        let again: Verifier = written.parse().expect("what we write can be read");
        assert_eq!(again.to_string(), written);
    }
}

fn start() -> ExpectServerFirst {
    Client::start(ChannelBinding::Unsupported, &[0; NONCE_LEN]).0
}

fn check_client(server_first: &[u8], server_final: &[u8]) {
    let Ok(challenge) = start().server_first(server_first) else {
        return;
    };
    // Many iterations are allowed, and only take time.
    if challenge.iterations() > 8 {
        return;
    }
    let (expect, _) = challenge.prove(server_final);
    assert_ne!(
        expect.server_final(server_final).ok(),
        Some(Outcome::Authenticated)
    );
}

fn check_server(client_first: &[u8], client_final: &[u8]) {
    let offers = [
        (Offer::Plain, b"SCRAM-SHA-256".as_slice()),
        (
            Offer::Plus {
                end_point: vec![7; 32],
            },
            b"SCRAM-SHA-256",
        ),
        (
            Offer::Plus {
                end_point: vec![7; 32],
            },
            b"SCRAM-SHA-256-PLUS",
        ),
    ];
    for (offer, mechanism) in offers {
        let verifier = Verifier::derive(b"a password", b"salt", NonZeroU32::MIN);
        let server = Server::new(verifier, offer);
        let Ok((expect, challenge)) = server.client_first(mechanism, client_first, &[0; NONCE_LEN])
        else {
            continue;
        };
        assert!(challenge.starts_with(b"r="));
        if let Ok((outcome, _)) = expect.client_final(client_final) {
            assert_ne!(outcome, Outcome::Authenticated);
        }
    }
}
