//! Messages from the server to the client.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

mod authentication;
mod command_complete;
mod data_row;
mod key_data;
mod negotiate;
mod parameter_status;
mod ready;

pub use authentication::{
    Authentication, Mechanisms, authentication_cleartext, authentication_md5, authentication_ok,
    authentication_sasl, authentication_sasl_continue, authentication_sasl_final,
};
pub use command_complete::{CommandComplete, command_complete};
pub use data_row::DataRow;
pub use key_data::{BackendKeyData, backend_key_data};
pub use negotiate::{NegotiateProtocolVersion, negotiate_protocol_version};
pub use parameter_status::{ParameterStatus, parameter_status};
pub use ready::{TransactionStatus, ready_for_query};
