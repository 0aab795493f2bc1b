//! What a relay knows of the conversation it carries: where messages begin, what is under way.

use std::task::Context;

use querycop_serve::{BUFFER_SIZE, Inspect, Passage};
use querycop_wire::error_response::ErrorView;
use querycop_wire::frame::{self, FrameError, Header};
use querycop_wire::tag::{backend, frontend};

use crate::oversight::{Oversight, RelayError};
use crate::registry::Phase;

/// The state of the conversation between a client and a server after the login.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// Bytes that are still to come of a message that is larger than a buffer and passes in pieces.
    client_rest: usize,
    server_rest: usize,
    /// `ReadyForQuery` that the server still owes.
    owed: u32,
    /// Messages of the extended protocol were sent and no `Sync` yet.
    unsynced: bool,
    /// The last message that made the server owe a `ReadyForQuery`.
    last_request: Request,
    in_transaction: bool,
    /// The client has sent `Terminate`, or the server an error that ends the session.
    end_announced: bool,
}

/// A message that the server answers with `ReadyForQuery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// `Query` or `FunctionCall`.
    Statement,
    Sync,
}

/// The client's half of the conversation.
pub(crate) struct FromClient<'a, 'c>(pub(crate) Half<'a, 'c>);

/// The server's half of the conversation.
pub(crate) struct FromServer<'a, 'c>(pub(crate) Half<'a, 'c>);

/// What a half of the conversation needs when it looks at bytes.
pub(crate) struct Half<'a, 'c> {
    pub(crate) conversation: &'a mut Conversation,
    /// What the session is under, if statements have to be seen.
    pub(crate) oversight: Option<&'a mut Oversight>,
    pub(crate) cx: &'a mut Context<'c>,
}

impl Conversation {
    /// A conversation after the first `ReadyForQuery`.
    pub(crate) fn new() -> Self {
        Self {
            client_rest: 0,
            server_rest: 0,
            owed: 0,
            unsynced: false,
            last_request: Request::Statement,
            in_transaction: false,
            end_announced: false,
        }
    }

    /// What the session is doing.
    pub(crate) fn phase(&self) -> Phase {
        if self.owed > 0 || self.unsynced || self.client_rest > 0 {
            Phase::Active
        } else if self.in_transaction {
            Phase::IdleInTransaction
        } else {
            Phase::Idle
        }
    }

    /// Whether what went to the client ends with a whole message, so that another may follow.
    pub(crate) fn client_can_be_told(&self) -> bool {
        self.server_rest == 0
    }

    /// Whether what went to the server ends with a whole message.
    pub(crate) fn server_can_be_told(&self) -> bool {
        self.client_rest == 0
    }

    /// Whether the end of the connection is no surprise: the client or the server announced it.
    pub(crate) fn end_was_announced(&self) -> bool {
        self.end_announced
    }

    /// Looks at what the client has sent, where nothing but the messages' tags has to be seen.
    pub(crate) fn hear_client(&mut self, bytes: &[u8]) -> Result<Passage, RelayError> {
        let mut rest = self.client_rest;
        let cleared = walk(&mut rest, bytes, |tag, _| self.client_said(tag))?;
        self.client_rest = rest;
        Ok(Passage::of(cleared))
    }

    /// Looks at what the server has sent, likewise.
    pub(crate) fn hear_server(&mut self, bytes: &[u8]) -> Result<Passage, RelayError> {
        let mut rest = self.server_rest;
        let cleared = walk(&mut rest, bytes, |tag, body| self.server_said(tag, body))?;
        self.server_rest = rest;
        Ok(Passage::of(cleared))
    }

    /// How many of `bytes` bytes belong to a message of the client that passes in pieces.
    pub(crate) fn client_continues(&mut self, bytes: usize) -> usize {
        let here = self.client_rest.min(bytes);
        self.client_rest -= here;
        here
    }

    /// So many bytes of the client's message are still to come.
    pub(crate) fn client_sends_on(&mut self, rest: usize) {
        self.client_rest = rest;
    }

    /// How many of `bytes` bytes belong to a message of the server that passes in pieces.
    pub(crate) fn server_continues(&mut self, bytes: usize) -> usize {
        let here = self.server_rest.min(bytes);
        self.server_rest -= here;
        here
    }

    /// So many bytes of the server's message are still to come.
    pub(crate) fn server_sends_on(&mut self, rest: usize) {
        self.server_rest = rest;
    }

    /// The client has sent a message.
    pub(crate) fn client_said(&mut self, tag: u8) {
        match tag {
            frontend::QUERY | frontend::FUNCTION_CALL => {
                self.owed += 1;
                self.last_request = Request::Statement;
            }
            frontend::SYNC => {
                self.owed += 1;
                self.unsynced = false;
                self.last_request = Request::Sync;
            }
            frontend::PARSE
            | frontend::BIND
            | frontend::DESCRIBE
            | frontend::EXECUTE
            | frontend::CLOSE
            | frontend::FLUSH => self.unsynced = true,
            // While it takes COPY data the server ignores Sync. So the ones that are under way when
            // the data end will never be answered; a Query is, when its COPY is complete.
            frontend::COPY_DONE | frontend::COPY_FAIL if self.last_request == Request::Sync => {
                self.owed = 0;
                self.unsynced = true;
            }
            frontend::TERMINATE => self.end_announced = true,
            _ => {}
        }
    }

    /// The server has sent a message.
    pub(crate) fn server_said(&mut self, tag: u8, body: &[u8]) {
        match tag {
            backend::READY_FOR_QUERY => {
                self.owed = self.owed.saturating_sub(1);
                self.in_transaction = body != b"I";
            }
            backend::ERROR_RESPONSE => {
                let severity = ErrorView::decode(body)
                    .ok()
                    .and_then(|error| error.severity());
                self.end_announced |=
                    severity.is_some_and(|severity| severity == "FATAL" || severity == "PANIC");
            }
            _ => {}
        }
    }
}

impl Inspect for FromClient<'_, '_> {
    type Error = RelayError;

    fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, RelayError> {
        let Half {
            conversation,
            oversight,
            cx,
        } = &mut self.0;
        match oversight {
            Some(oversight) => oversight.hear_client(conversation, bytes, cx),
            None => conversation.hear_client(bytes),
        }
    }
}

impl Inspect for FromServer<'_, '_> {
    type Error = RelayError;

    fn inspect(&mut self, bytes: &[u8]) -> Result<Passage, RelayError> {
        let Half {
            conversation,
            oversight,
            cx,
        } = &mut self.0;
        match oversight {
            Some(oversight) => oversight.hear_server(conversation, bytes, cx),
            None => conversation.hear_server(bytes),
        }
    }
}

/// Calls `message` for each message that begins in `bytes`, and says how many bytes may go on.
///
/// A message that is not all there is held until it is, unless it is larger than a buffer: that one
/// passes in pieces, and `rest` counts what is still to come of it. `message` then gets the piece.
#[inline]
fn walk(
    rest: &mut usize,
    bytes: &[u8],
    mut message: impl FnMut(u8, &[u8]),
) -> Result<usize, FrameError> {
    let mut at = (*rest).min(bytes.len());
    *rest -= at;
    while let Some(header) = Header::decode(&bytes[at..], frame::MAX_LEN)? {
        let available = bytes.len() - at;
        let total = header.total();
        if total <= available {
            message(header.tag, &bytes[at + Header::LEN..at + total]);
            at += total;
        } else if total <= BUFFER_SIZE {
            break;
        } else {
            message(header.tag, &bytes[at + Header::LEN..]);
            *rest = total - available;
            at = bytes.len();
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 4).unwrap();
        [&[tag][..], &len.to_be_bytes(), body].concat()
    }

    fn client(conversation: &mut Conversation, tags: &[u8]) {
        for tag in tags {
            let bytes = message(*tag, b"");
            assert_eq!(
                conversation.hear_client(&bytes).unwrap(),
                Passage::of(bytes.len())
            );
        }
    }

    fn ready(conversation: &mut Conversation, status: &[u8]) {
        conversation.hear_server(&message(b'Z', status)).unwrap();
    }

    #[test]
    fn a_query_is_under_way_until_the_server_is_ready() {
        let mut conversation = Conversation::new();
        client(&mut conversation, b"Q");
        assert_eq!(conversation.phase(), Phase::Active);
        ready(&mut conversation, b"T");
        assert_eq!(conversation.phase(), Phase::IdleInTransaction);
        client(&mut conversation, b"Q");
        ready(&mut conversation, b"I");
        assert_eq!(conversation.phase(), Phase::Idle);
    }

    #[test]
    fn a_pipeline_is_under_way_until_its_last_sync_is_answered() {
        let mut conversation = Conversation::new();
        client(&mut conversation, b"PBESBES");
        ready(&mut conversation, b"I");
        assert_eq!(conversation.phase(), Phase::Active);
        ready(&mut conversation, b"I");
        assert_eq!(conversation.phase(), Phase::Idle);
    }

    #[test]
    fn messages_without_sync_are_under_way() {
        let mut conversation = Conversation::new();
        client(&mut conversation, b"PBE");
        assert_eq!(conversation.phase(), Phase::Active);
    }

    #[test]
    fn the_sync_that_copy_swallows_is_not_waited_for() {
        let mut conversation = Conversation::new();
        // libpq: COPY FROM STDIN as an extended query, data, end, and the Sync that counts.
        client(&mut conversation, b"PBDESddcS");
        ready(&mut conversation, b"I");
        assert_eq!(conversation.phase(), Phase::Idle);
    }

    #[test]
    fn copy_by_a_simple_query_is_answered_once() {
        let mut conversation = Conversation::new();
        client(&mut conversation, b"Qddc");
        assert_eq!(conversation.phase(), Phase::Active);
        ready(&mut conversation, b"I");
        assert_eq!(conversation.phase(), Phase::Idle);
    }

    #[test]
    fn a_fatal_error_announces_the_end() {
        let mut conversation = Conversation::new();
        let error = |severity: &str| message(b'E', format!("V{severity}\0Mgone\0\0").as_bytes());
        conversation.hear_server(&error("ERROR")).unwrap();
        assert!(!conversation.end_was_announced());
        conversation.hear_server(&error("FATAL")).unwrap();
        assert!(conversation.end_was_announced());
    }

    #[test]
    fn a_message_larger_than_a_buffer_passes_in_pieces() {
        let mut conversation = Conversation::new();
        let bytes = message(b'D', &vec![0; BUFFER_SIZE * 2]);
        let (first, last) = bytes.split_at(BUFFER_SIZE);
        assert_eq!(
            conversation.hear_server(first).unwrap(),
            Passage::of(first.len())
        );
        assert!(!conversation.client_can_be_told());
        assert_eq!(
            conversation.hear_server(last).unwrap(),
            Passage::of(last.len())
        );
        assert!(conversation.client_can_be_told());
    }

    #[test]
    fn a_length_that_can_t_be_is_refused() {
        Conversation::new().hear_client(b"Q\0\0\0\x03").unwrap_err();
        Conversation::new()
            .hear_server(b"D\xff\xff\xff\xff")
            .unwrap_err();
    }

    proptest! {
        #[test]
        fn messages_are_found_however_they_are_split(
            sizes in proptest::collection::vec(0..3 * BUFFER_SIZE, 1..6),
            splits in proptest::collection::vec(1..BUFFER_SIZE, 1..40),
        ) {
            let stream: Vec<u8> =
                sizes.iter().flat_map(|size| message(b'D', &vec![b'x'; *size])).collect();
            let mut rest = 0;
            let mut seen = 0;
            let mut held: Vec<u8> = Vec::new();
            let mut passed = 0;
            let mut at = 0;
            let mut splits = splits.iter().cycle();
            while at < stream.len() {
                let room = BUFFER_SIZE - held.len();
                let take = room.min(*splits.next().unwrap()).min(stream.len() - at);
                held.extend_from_slice(&stream[at..at + take]);
                at += take;
                let cleared = walk(&mut rest, &held, |_, _| seen += 1).unwrap();
                prop_assert!(held.len() < BUFFER_SIZE || cleared > 0);
                held.drain(..cleared);
                passed += cleared;
            }
            prop_assert_eq!(passed, stream.len());
            prop_assert_eq!(seen, sizes.len());
            prop_assert_eq!(rest, 0);
        }
    }
}
