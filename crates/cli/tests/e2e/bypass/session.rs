//! A session that notes what comes back, whatever is sent.

use super::contents::{PASSWORD_HASH, SECRET};
use crate::relay::raw::{Message, RawClient, message};

/// A session with the server or with a gateway.
pub(super) struct Session {
    pub(super) client: RawClient,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The SQLSTATE and the message of the first error.
    pub(super) error: Option<(String, String)>,
    /// The bodies of rows and of COPY data.
    pub(super) rows: Vec<Vec<u8>>,
    /// The other side has closed.
    pub(super) closed: bool,
}

impl Session {
    /// Logs in as the superuser; the answer has what it is refused with.
    pub(super) fn open(port: u16, database: &str) -> Self {
        Self::try_open(port, database, &[]).expect("the gateway gives a session")
    }

    /// Logs in with further parameters in the start-up packet.
    pub(super) fn try_open(
        port: u16,
        database: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Self, Answer> {
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for (name, value) in [("user", "postgres"), ("database", database)]
            .iter()
            .chain(parameters)
        {
            for word in [name, value] {
                body.extend_from_slice(word.as_bytes());
                body.push(0);
            }
        }
        body.push(0);
        let length = u32::try_from(body.len() + 4).expect("it is short");
        let mut session = Self {
            client: RawClient::connect(port),
        };
        session
            .client
            .send(&[&length.to_be_bytes()[..], &body].concat());
        let answer = session.answer();
        if answer.closed || answer.error.is_some() {
            return Err(answer);
        }
        Ok(session)
    }

    /// Sends a Query message and returns what comes back.
    pub(super) fn query(&mut self, text: &[u8]) -> Answer {
        self.client.send(&message(b'Q', &[text, b"\0"].concat()));
        self.answer()
    }

    /// All that comes up to `ReadyForQuery`. What is copied in is one row.
    pub(super) fn answer(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            let Ok(Some(message)) = self.client.try_read() else {
                answer.closed = true;
                return answer;
            };
            match message.tag {
                b'D' | b'd' => answer.rows.push(message.body),
                b'E' => answer.note(&message),
                b'G' => self
                    .client
                    .send(&[copy_data(b"x\n"), crate::relay::raw::message(b'c', b"")].concat()),
                b'Z' => return answer,
                _ => {}
            }
        }
    }

    /// The only value of the only row.
    pub(super) fn value(&mut self, sql: &str) -> Option<String> {
        let answer = self.query(sql.as_bytes());
        let [row] = answer.rows.as_slice() else {
            return None;
        };
        Some(String::from_utf8_lossy(row.get(6..)?).into_owned())
    }

    /// Whether it still runs statements.
    pub(super) fn lives(&mut self) -> bool {
        let ended = self.query(b"ROLLBACK");
        !ended.closed && self.value("SELECT 1").as_deref() == Some("1")
    }
}

/// Data for COPY FROM STDIN.
pub(super) fn copy_data(data: &[u8]) -> Vec<u8> {
    message(b'd', data)
}

impl Answer {
    fn note(&mut self, message: &Message) {
        if self.error.is_none() {
            let error = message.error();
            self.error = Some((error.code, error.message));
        }
    }

    /// Whether a row has what no row may have.
    pub(super) fn leaks(&self) -> bool {
        self.rows.iter().any(|row| {
            let row = String::from_utf8_lossy(row);
            row.contains(SECRET) || row.contains(PASSWORD_HASH)
        })
    }

    /// The rule that the error names, if it is a denial.
    pub(super) fn denied_by(&self) -> Option<String> {
        let (code, message) = self.error.as_ref()?;
        let rule = message.strip_prefix("denied by policy rule \"")?;
        (code == "42501").then(|| rule.trim_end_matches('"').to_owned())
    }
}
