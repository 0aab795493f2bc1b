//! Messages from the client to the server.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

mod extended;
mod function_call;
mod password;
mod query;

pub use extended::{Bind, Close, Describe, Execute, Parse, Target, bind, execute, parse, sync};
pub use function_call::FunctionCall;
pub use password::{
    PasswordMessage, SaslInitialResponse, password_message, sasl_initial_response, sasl_response,
};
pub use query::{Query, query, terminate};
