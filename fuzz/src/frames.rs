//! What holds for every frame and every view of its body, whatever the bytes.

use querycop_wire::error_response::ErrorView;
use querycop_wire::{backend, frame, frontend};

/// Panics if the bytes break what the decoders promise.
pub(crate) fn check(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((frame, used))) = frame::decode(rest, frame::MAX_LEN) {
        assert_eq!(frame.raw(), &rest[..used]);
        assert_eq!(frame.body, &rest[frame::Header::LEN..used]);
        let header = frame::Header::decode(rest, frame::MAX_LEN).expect("the frame has one");
        assert_eq!(header.map(|header| header.total()), Some(used));
        for end in (0..used).take(32) {
            assert_eq!(
                frame::decode(&rest[..end], frame::MAX_LEN),
                Ok(None),
                "{end}"
            );
        }
        check_body(frame.body);
        rest = &rest[used..];
    }
    check_body(bytes);
}

/// A body is given to all views, since a peer may send anything under any tag.
fn check_body(body: &[u8]) {
    check_frontend(body);
    check_backend(body);
    check_authentication(body);
    if let Ok(view) = ErrorView::decode(body) {
        let _ = (view.severity(), view.code(), view.message());
        let read: usize = view.fields().map(|(_, text)| text.len() + 2).sum();
        assert_eq!(read + 1, body.len());
    }
}

fn check_frontend(body: &[u8]) {
    if let Ok(view) = frontend::Query::decode(body) {
        assert_encodes(body, |out| frontend::query(out, view.text));
    }
    if let Ok(view) = frontend::PasswordMessage::decode(body) {
        assert_encodes(body, |out| frontend::password_message(out, view.password()));
    }
    if let Ok(view) = frontend::SaslInitialResponse::decode(body) {
        assert_encodes(body, |out| {
            frontend::sasl_initial_response(out, view.mechanism, view.data);
        });
    }
    if let Ok(view) = frontend::Parse::decode(body) {
        let types = 4 * usize::from(view.parameter_types);
        assert_eq!(view.name.len() + view.query.len() + types + 4, body.len());
    }
    if let Ok(view) = frontend::Bind::decode(body) {
        let names = view.portal.len() + view.statement.len() + 2;
        assert_eq!(names + view.values.len(), body.len());
    }
    if let Ok(view) = frontend::Execute::decode(body) {
        assert_eq!(view.portal.len() + 5, body.len());
    }
    if let Ok(view) = frontend::FunctionCall::decode(body) {
        assert_eq!(view.arguments.len() + 4, body.len());
    }
    let close = frontend::Close::decode(body).map(|close| close.target);
    let describe = frontend::Describe::decode(body).map(|describe| describe.target);
    assert_eq!(close, describe);
}

fn check_backend(body: &[u8]) {
    if let Ok(view) = backend::CommandComplete::decode(body) {
        let _ = view.rows();
        assert_eq!(view.tag().len() + 1, body.len());
    }
    if let Ok(key) = backend::BackendKeyData::decode(body) {
        assert_encodes(body, |out| {
            backend::backend_key_data(out, key.process_id, key.secret);
        });
    }
    if let Ok(view) = backend::NegotiateProtocolVersion::decode(body) {
        let options: Vec<_> = view.options().collect();
        assert_encodes(body, |out| {
            backend::negotiate_protocol_version(out, view.version, &options);
        });
    }
    if let Ok(view) = backend::ParameterStatus::decode(body) {
        assert_encodes(body, |out| {
            backend::parameter_status(out, view.name, view.value);
        });
    }
    if let Ok(status) = backend::TransactionStatus::decode(body) {
        assert_encodes(body, |out| backend::ready_for_query(out, status));
    }
}

fn check_authentication(body: &[u8]) {
    use backend::Authentication;
    let Ok(request) = Authentication::decode(body) else {
        return;
    };
    let _ = request.method_name();
    match request {
        Authentication::CleartextPassword => {
            assert_encodes(body, backend::authentication_cleartext);
        }
        Authentication::Md5Password { salt } => {
            assert_encodes(body, |out| backend::authentication_md5(out, salt));
        }
        Authentication::Ok => assert_encodes(body, backend::authentication_ok),
        Authentication::Sasl(mechanisms) => {
            assert_encodes(body, |out| {
                backend::authentication_sasl(out, mechanisms.iter());
            });
        }
        Authentication::SaslContinue(data) => {
            assert_encodes(body, |out| backend::authentication_sasl_continue(out, data));
        }
        Authentication::SaslFinal(data) => {
            assert_encodes(body, |out| backend::authentication_sasl_final(out, data));
        }
        Authentication::Gss
        | Authentication::GssContinue(_)
        | Authentication::KerberosV5
        | Authentication::Other(_)
        | Authentication::Sspi => (),
    }
}

/// What was read is written as the same bytes again.
fn assert_encodes(body: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    encode(&mut out);
    let (frame, used) = frame::decode(&out, frame::MAX_LEN)
        .expect("we send valid frames")
        .expect("we send whole frames");
    assert_eq!((frame.body, used), (body, out.len()));
}
