//! What is encoded is decoded as the same, and not before it is all there.

use std::num::NonZeroU32;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use querycop_wire::backend::{self, Authentication, TransactionStatus};
use querycop_wire::error_response::{ErrorResponse, ErrorView, Severity};
use querycop_wire::scram::{self, ChannelBinding, Client, Offer, Outcome, Verifier};
use querycop_wire::startup::{self, CancelRequest, ProtocolVersion, StartupMessage, StartupPacket};
use querycop_wire::{SqlState, frame, frontend, tag};

/// Bytes that a C string can hold.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(1_u8..=255, 0..40)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn version() -> impl Strategy<Value = ProtocolVersion> {
    any::<u16>().prop_map(|minor| ProtocolVersion { major: 3, minor })
}

/// The body of the one frame in `bytes`, which is found at no earlier byte.
fn only_frame(bytes: &[u8], tag: u8) -> Vec<u8> {
    for end in 0..bytes.len() {
        assert_eq!(
            frame::decode(&bytes[..end], frame::MAX_LEN),
            Ok(None),
            "{end}"
        );
    }
    let followed = [bytes, b"Z\0"].concat();
    let (frame, used) = frame::decode(&followed, frame::MAX_LEN)
        .expect("the length is right")
        .expect("the frame is all there");
    assert_eq!((frame.tag, used, frame.raw()), (tag, bytes.len(), bytes));
    frame.body.to_vec()
}

fn encoded(tag: u8, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    only_frame(&out, tag)
}

fn assert_startup(packet: &StartupPacket, bytes: &[u8]) {
    for end in 0..bytes.len() {
        assert_eq!(startup::decode(&bytes[..end]), Ok(None), "{end}");
    }
    let followed = [bytes, b"Q\0"].concat();
    let decoded = startup::decode(&followed).expect("the packet is valid");
    assert_eq!(decoded, Some((packet.clone(), bytes.len())));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn startup_message(
        version in version(),
        user in "[^\0]{1,15}",
        database in option::of("[^\0]{0,15}"),
        settings in prop::collection::btree_map("[a-c_.]{1,3}", "[^\0]{0,20}", 0..5),
    ) {
        let mut params = vec![("user", user.as_str())];
        params.extend(database.as_deref().map(|database| ("database", database)));
        params.extend(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let message = StartupMessage::new(version, &params).expect("the parameters are valid");
        prop_assert_eq!(message.version(), version);
        prop_assert_eq!(message.user(), &user);
        let database = database.as_deref().filter(|database| !database.is_empty());
        prop_assert_eq!(message.database(), database.unwrap_or(&user));
        let expected: Vec<_> = params.iter().map(|(a, b)| (a.as_bytes(), b.as_bytes())).collect();
        prop_assert_eq!(message.parameters().collect::<Vec<_>>(), expected);
        let bytes = message.as_bytes().to_vec();
        assert_startup(&StartupPacket::Message(message), &bytes);
    }

    #[test]
    fn cancel_request(process_id: u32, secret in vec(any::<u8>(), 4..=256)) {
        let cancel = CancelRequest::new(process_id, &secret).expect("the secret is valid");
        prop_assert_eq!((cancel.process_id(), cancel.secret()), (process_id, secret.as_slice()));
        let bytes = cancel.as_bytes().to_vec();
        assert_startup(&StartupPacket::Cancel(cancel), &bytes);
    }

    #[test]
    fn authentication(salt: [u8; 4], data in bytes(), names in vec("[A-Z-]{1,20}", 0..4)) {
        let request = |encode: &dyn Fn(&mut Vec<u8>)| encoded(tag::backend::AUTHENTICATION, encode);
        let body = request(&|out| backend::authentication_ok(out));
        prop_assert_eq!(Authentication::decode(&body), Ok(Authentication::Ok));
        let body = request(&|out| backend::authentication_cleartext(out));
        prop_assert_eq!(Authentication::decode(&body), Ok(Authentication::CleartextPassword));
        let body = request(&|out| backend::authentication_md5(out, salt));
        prop_assert_eq!(Authentication::decode(&body), Ok(Authentication::Md5Password { salt }));
        let body = request(&|out| backend::authentication_sasl_continue(out, &data));
        prop_assert_eq!(Authentication::decode(&body), Ok(Authentication::SaslContinue(&data)));
        let body = request(&|out| backend::authentication_sasl_final(out, &data));
        prop_assert_eq!(Authentication::decode(&body), Ok(Authentication::SaslFinal(&data)));
        let names: Vec<_> = names.iter().map(String::as_bytes).collect();
        let body = request(&|out| backend::authentication_sasl(out, names.iter().copied()));
        match Authentication::decode(&body) {
            Ok(Authentication::Sasl(list)) => prop_assert_eq!(list.iter().collect::<Vec<_>>(), names),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn session_messages(
        process_id: u32,
        secret in vec(any::<u8>(), 4..=256),
        name in text(),
        value in text(),
        rows: u64,
    ) {
        let body = encoded(tag::backend::BACKEND_KEY_DATA, |out| {
            backend::backend_key_data(out, process_id, &secret);
        });
        let key = backend::BackendKeyData { process_id, secret: &secret };
        prop_assert_eq!(backend::BackendKeyData::decode(&body), Ok(key));

        let body = encoded(tag::backend::PARAMETER_STATUS, |out| {
            backend::parameter_status(out, &name, &value);
        });
        let status = backend::ParameterStatus { name: &name, value: &value };
        prop_assert_eq!(backend::ParameterStatus::decode(&body), Ok(status));

        let command = format!("INSERT 0 {rows}");
        let body = encoded(tag::backend::COMMAND_COMPLETE, |out| {
            backend::command_complete(out, &command);
        });
        let complete = backend::CommandComplete::decode(&body);
        let complete = complete.map(|complete| (complete.tag(), complete.rows()));
        prop_assert_eq!(complete, Ok((command.as_bytes(), Some(rows))));

        for byte in *b"EIT" {
            let status = TransactionStatus::decode(&[byte]).expect("all three are known");
            let body = encoded(tag::backend::READY_FOR_QUERY, |out| {
                backend::ready_for_query(out, status);
            });
            prop_assert_eq!(TransactionStatus::decode(&body), Ok(status));
        }
    }

    #[test]
    fn negotiate_protocol_version(version in version(), options in vec(text(), 0..5)) {
        let options: Vec<_> = options.iter().map(Vec::as_slice).collect();
        let body = encoded(tag::backend::NEGOTIATE_PROTOCOL_VERSION, |out| {
            backend::negotiate_protocol_version(out, version, &options);
        });
        let view = backend::NegotiateProtocolVersion::decode(&body).expect("the body is valid");
        prop_assert_eq!(view.version, version);
        prop_assert_eq!(view.options().collect::<Vec<_>>(), options);
    }

    #[test]
    fn error_response(message: String, detail: Option<String>, hint: Option<String>) {
        let mut response = ErrorResponse::new(Severity::Fatal, SqlState::IO_ERROR, &message);
        if let Some(detail) = &detail {
            response = response.detail(detail);
        }
        if let Some(hint) = &hint {
            response = response.hint(hint);
        }
        let body = encoded(tag::backend::ERROR_RESPONSE, |out| response.encode(out));
        prop_assert_eq!(&encoded(tag::backend::NOTICE_RESPONSE, |out| response.encode_notice(out)), &body);
        let view = ErrorView::decode(&body).expect("the body is valid");
        let sent = |text: &String| text.replace('\0', "").into_bytes();
        prop_assert_eq!(view.severity(), Some("FATAL".into()));
        prop_assert_eq!(view.code(), Some("58030"));
        prop_assert_eq!(view.message().into_owned().into_bytes(), sent(&message));
        prop_assert_eq!(view.field(b'D').map(<[u8]>::to_vec), detail.as_ref().map(sent));
        prop_assert_eq!(view.field(b'H').map(<[u8]>::to_vec), hint.as_ref().map(sent));
    }

    #[test]
    fn frontend_messages(sql in text(), mechanism in text(), data in option::of(bytes())) {
        let body = encoded(tag::frontend::QUERY, |out| frontend::query(out, &sql));
        prop_assert_eq!(frontend::Query::decode(&body), Ok(frontend::Query { text: &sql }));

        let body = encoded(tag::frontend::PASSWORD, |out| frontend::password_message(out, &sql));
        let password = frontend::PasswordMessage::decode(&body);
        prop_assert_eq!(password.map(|message| message.password()), Ok(sql.as_slice()));

        let data = data.as_deref();
        let body = encoded(tag::frontend::PASSWORD, |out| {
            frontend::sasl_initial_response(out, &mechanism, data);
        });
        let response = frontend::SaslInitialResponse { mechanism: &mechanism, data };
        prop_assert_eq!(frontend::SaslInitialResponse::decode(&body), Ok(response));

        let data = data.unwrap_or_default();
        let body = encoded(tag::frontend::PASSWORD, |out| frontend::sasl_response(out, data));
        prop_assert_eq!(body.as_slice(), data);
        prop_assert!(encoded(tag::frontend::SYNC, frontend::sync).is_empty());
        prop_assert!(encoded(tag::frontend::TERMINATE, frontend::terminate).is_empty());
    }

    #[test]
    fn scram_exchange(
        // HMAC pads a key with NUL, so a password must not end in one to differ from another.
        password in text(),
        other in text(),
        salt in vec(any::<u8>(), 1..40),
        nonces: ([u8; 18], [u8; 18]),
        end_point in option::of(vec(any::<u8>(), 32..=64)),
    ) {
        let verifier = Verifier::derive(&password, &salt, NonZeroU32::MIN);
        let verifier: Verifier = verifier.to_string().parse().expect("we write valid verifiers");
        let (binding, offer) = match &end_point {
            Some(hash) => (
                ChannelBinding::TlsServerEndPoint(hash),
                Offer::Plus { end_point: hash.clone() },
            ),
            None => (ChannelBinding::NotOffered, Offer::Plain),
        };
        for attempt in [&password, &other] {
            let (client, message) = Client::start(binding, &nonces.0);
            let server = scram::Server::new(verifier.clone(), offer.clone());
            let (server, message) = server
                .client_first(binding.mechanism().as_bytes(), &message, &nonces.1)
                .expect("our client's first message is valid");
            let challenge = client.server_first(&message).expect("our server's is as well");
            let (client, message) = challenge.prove(attempt);
            let (outcome, message) = server.client_final(&message).expect("and our proof");
            prop_assert_eq!(outcome == Outcome::Authenticated, *attempt == password);
            prop_assert_eq!(client.server_final(&message), Ok(outcome));
        }
    }
}
