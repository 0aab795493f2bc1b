//! What counts as an address of a service.

/// Whether a text can be the base of an API's addresses, as the original judges it: nearly
/// everything. What can't be reached is told when it is dialled.
pub(crate) fn is_url(text: &str) -> bool {
    let has_control = text.chars().any(char::is_control);
    let bytes = text.as_bytes();
    let is_escape = |at: usize| {
        let digits = bytes.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let has_bad_escape = escapes.into_iter().any(|(at, _)| !is_escape(at));
    !has_control && !has_bad_escape && !text.starts_with(':')
}

/// Whether a text is an address of a service that speaks HTTP.
pub(crate) fn is_http(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']))
        && is_url(text)
        && !text.contains(char::is_whitespace)
}
