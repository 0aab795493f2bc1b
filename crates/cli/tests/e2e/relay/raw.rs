//! A client that sends and reads single messages, for what drivers hide.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use querycop_testkit::wait::DEADLINE;
use querycop_wire::error_response::ErrorView;
use querycop_wire::frame::Header;

/// Protocol 3.0 and 3.2, as the start-up packet has them.
pub(crate) const V3_0: u32 = 3 << 16;
pub(crate) const V3_2: u32 = V3_0 + 2;

/// The role of every session here: trusted.
const ROLE: &str = "postgres";

/// Login granted and ready, as a scripted server says it.
pub(crate) const LOGGED_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// One message as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) body: Vec<u8>,
}

/// What an `ErrorResponse` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) hint: String,
}

/// A connection in clear.
pub(crate) struct RawClient {
    stream: TcpStream,
    input: BufReader<TcpStream>,
    key: Vec<u8>,
}

impl RawClient {
    /// Connects and says nothing.
    pub(crate) fn connect(port: u16) -> Self {
        TcpStream::connect(("127.0.0.1", port))
            .expect("somebody listens there")
            .into()
    }

    /// Logs in as the superuser, who must be trusted.
    pub(crate) fn log_in(port: u16) -> Self {
        Self::log_in_as(port, ROLE, V3_0)
    }

    /// Logs in as a role that must be trusted.
    pub(crate) fn log_in_as(port: u16, role: &str, version: u32) -> Self {
        let mut client = Self::connect(port);
        client.start_up(role, version);
        client.logged_in()
    }

    /// Logs in with these parameters in the start-up packet, in this order.
    pub(crate) fn log_in_with(port: u16, parameters: &[(&str, &str)]) -> Self {
        let mut client = Self::connect(port);
        client.start_up_with(parameters, V3_0);
        client.logged_in()
    }

    fn logged_in(mut self) -> Self {
        loop {
            let message = self.expect_message();
            match message.tag {
                b'K' => self.key = message.body,
                b'Z' => return self,
                b'E' => assert_eq!(message.error(), ServerError::default(), "login"),
                _ => {}
            }
        }
    }

    /// Tries to log in and returns what it is refused with.
    pub(crate) fn expect_refusal(port: u16, role: &str) -> ServerError {
        let mut client = Self::connect(port);
        client.start_up(role, V3_0);
        client.expect_last_words()
    }

    /// Sends the start-up packet.
    pub(crate) fn start_up(&mut self, role: &str, version: u32) {
        self.start_up_with(&[("user", role), ("database", "postgres")], version);
    }

    pub(crate) fn start_up_with(&mut self, parameters: &[(&str, &str)], version: u32) {
        let mut body = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            body.extend(format!("{name}\0{value}\0").bytes());
        }
        body.push(0);
        let length = length_of(&body);
        self.send(&[&length[..], &body].concat());
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the gateway reads");
    }

    /// Sends a simple query.
    pub(crate) fn send_query(&mut self, sql: &str) {
        self.send(&message(b'Q', format!("{sql}\0").as_bytes()));
    }

    /// Sends a simple query and returns what comes up to `ReadyForQuery`, with that.
    pub(crate) fn query(&mut self, sql: &str) -> Vec<Message> {
        self.send_query(sql);
        self.read_until_ready()
    }

    /// The only value of the only row of a simple query.
    pub(crate) fn value(&mut self, sql: &str) -> String {
        self.send_query(sql);
        self.read_value()
    }

    /// The only value of the only row of what is under way.
    pub(crate) fn read_value(&mut self) -> String {
        let answer = self.read_until_ready();
        let rows: Vec<_> = answer
            .iter()
            .filter(|message| message.tag == b'D')
            .collect();
        assert_eq!(rows.len(), 1, "{answer:?}");
        rows[0].value()
    }

    /// All messages up to `ReadyForQuery`, with that.
    pub(crate) fn read_until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.expect_message());
            if messages.last().is_some_and(|message| message.tag == b'Z') {
                return messages;
            }
        }
    }

    /// All messages until the other side closes in good order.
    pub(crate) fn read_to_end(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.try_read().expect("the end comes in good order")).collect()
    }

    /// The next message, which must come.
    pub(crate) fn expect_message(&mut self) -> Message {
        let message = self.try_read().expect("a message comes");
        message.expect("a message comes before the end")
    }

    /// An `ErrorResponse`, and then the end.
    pub(crate) fn expect_last_words(&mut self) -> ServerError {
        let error = self.expect_message().error();
        assert_eq!(self.read_to_end(), [], "after the last words");
        error
    }

    /// The next message; `None` if the other side has closed instead.
    pub(crate) fn try_read(&mut self) -> io::Result<Option<Message>> {
        let Some((tag, length)) = self.read_header()? else {
            return Ok(None);
        };
        let mut body = vec![0; length];
        self.input.read_exact(&mut body)?;
        Ok(Some(Message { tag, body }))
    }

    /// The tag of the next message and the length of its body, which is left to be read.
    pub(crate) fn read_header(&mut self) -> io::Result<Option<(u8, usize)>> {
        let mut header = [0; Header::LEN];
        match self.input.read(&mut header[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // A timeout is no end.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
        self.input.read_exact(&mut header[1..])?;
        let [tag, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        Ok(Some((tag, length - 4)))
    }

    /// What comes, byte by byte.
    pub(crate) fn input(&mut self) -> &mut impl Read {
        &mut self.input
    }

    /// The sending half, for a thread of its own.
    pub(crate) fn writer(&self) -> TcpStream {
        duplicate(&self.stream)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn close_writing(&self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("it is connected");
    }

    /// Process id and secret, as the server gave them.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The server's process.
    pub(crate) fn backend_pid(&self) -> u32 {
        let pid = self.key.first_chunk().expect("the server gave a key");
        u32::from_be_bytes(*pid)
    }
}

impl From<TcpStream> for RawClient {
    fn from(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("it is TCP");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("the deadline is not zero");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("the deadline is not zero");
        let input = BufReader::with_capacity(1 << 16, duplicate(&stream));
        Self {
            stream,
            input,
            key: Vec::new(),
        }
    }
}

impl Message {
    /// The first value of a `DataRow`.
    pub(crate) fn value(&self) -> String {
        assert_eq!(self.tag, b'D', "{self:?}");
        // Number of columns, length of the first.
        String::from_utf8_lossy(&self.body[6..]).into_owned()
    }

    /// What it says as an `ErrorResponse`.
    pub(crate) fn error(&self) -> ServerError {
        assert_eq!(self.tag, b'E', "{self:?}");
        let view = ErrorView::decode(&self.body).expect("it is well formed");
        let text = |field| String::from_utf8_lossy(view.field(field).unwrap_or_default());
        ServerError {
            severity: text(b'V').into_owned(),
            code: text(b'C').into_owned(),
            message: text(b'M').into_owned(),
            detail: text(b'D').into_owned(),
            hint: text(b'H').into_owned(),
        }
    }
}

/// The tags of messages, for comparison with a literal.
pub(crate) fn tags(messages: &[Message]) -> String {
    messages
        .iter()
        .map(|message| char::from(message.tag))
        .collect()
}

/// A message.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &length_of(body), body].concat()
}

/// A Parse that leaves all types to the server.
pub(crate) fn parse(name: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Vec<u8> {
    message(
        b'P',
        &[name.as_ref(), b"\0", text.as_ref(), b"\0\0\0"].concat(),
    )
}

/// A Bind with parameters and results in text.
pub(crate) fn bind(
    portal: impl AsRef<[u8]>,
    statement: impl AsRef<[u8]>,
    parameters: &[&str],
) -> Vec<u8> {
    let count = u16::try_from(parameters.len()).expect("there are few");
    let names = [portal.as_ref(), b"\0", statement.as_ref(), b"\0"].concat();
    let mut body = [&names[..], b"\0\0", &count.to_be_bytes()].concat();
    for parameter in parameters {
        let length = u32::try_from(parameter.len()).expect("it is short");
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(parameter.as_bytes());
    }
    body.extend_from_slice(b"\0\0");
    message(b'B', &body)
}

/// An Execute that asks for all rows.
pub(crate) fn execute(portal: &str) -> Vec<u8> {
    execute_some(portal, 0)
}

/// An Execute that asks for so many rows.
pub(crate) fn execute_some(portal: &str, rows: u32) -> Vec<u8> {
    message(
        b'E',
        &[portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat(),
    )
}

/// A Sync.
pub(crate) fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// Parse, Bind and Execute of the unnamed statement.
pub(crate) fn run(text: impl AsRef<[u8]>) -> Vec<u8> {
    [parse("", text), bind("", "", &[]), execute("")].concat()
}

/// Sends a `CancelRequest` and waits until the gateway has dealt with it.
pub(crate) fn cancel(port: u16, key: &[u8]) {
    let mut client = RawClient::connect(port);
    let body = [&80_877_102_u32.to_be_bytes()[..], key].concat();
    client.send(&[&length_of(&body)[..], &body].concat());
    assert_eq!(client.read_to_end(), [], "a cancel request has no answer");
}

fn length_of(body: &[u8]) -> [u8; 4] {
    let length = u32::try_from(body.len() + 4).expect("a message is below 4 GiB");
    length.to_be_bytes()
}

fn duplicate(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("there are descriptors")
}
