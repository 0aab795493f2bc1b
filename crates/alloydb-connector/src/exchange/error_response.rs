//! A PostgreSQL `ErrorResponse` where the exchange's answer should be.
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{ExchangeError, MAX_ANSWER};
use crate::admin::printable;

/// Reads the rest of an error whose first four bytes were taken for a length. `None` if it is
/// something else after all.
pub(crate) async fn read<Io>(io: &mut Io, begin: [u8; 4]) -> Option<ExchangeError>
where
    Io: AsyncRead + Unpin,
{
    let [b'E', high, upper, lower] = begin else {
        return None;
    };
    // A length that can't be an error's isn't worth waiting for more bytes.
    if high != 0 || upper != 0 {
        return None;
    }
    let low = io.read_u8().await.ok()?;
    let length = u32::from_be_bytes([high, upper, lower, low]);
    // The length counts itself.
    let rest = length.checked_sub(4).filter(|rest| *rest <= MAX_ANSWER)?;
    let mut body = vec![0; rest as usize];
    io.read_exact(&mut body).await.ok()?;
    parse(&body)
}

fn parse(body: &[u8]) -> Option<ExchangeError> {
    let mut sqlstate = None;
    let mut message = None;
    for field in body.split(|byte| *byte == 0) {
        match field.split_first() {
            Some((b'C', text)) if text.len() == 5 => sqlstate = Some(text),
            Some((b'M', text)) => message = Some(text),
            _ => {}
        }
    }
    Some(ExchangeError::Postgres {
        sqlstate: printable(&String::from_utf8_lossy(sqlstate?)),
        message: printable(&String::from_utf8_lossy(message?)),
    })
}
