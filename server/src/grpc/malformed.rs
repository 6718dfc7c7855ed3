//! A message that cannot be decoded is the caller's mistake, not the server's.
//!
//! The transport answers it with INTERNAL before any call of ours sees it; the answer is set right
//! on its way out.

use tonic::codegen::http::{HeaderValue, Response};

const CODE: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const INTERNAL: &str = "13";
const INVALID_ARGUMENT: &str = "3";
/// How the transport's sentence begins and how one over the depth ends, percent-encoded.
const UNDECODED: &str = "failed%20to%20decode";
const TOO_DEEP: &str = "recursion%20limit";
const TOO_DEEP_TOLD: &str = "filter%20is%20nested%20too%20deeply%3B%20at%20most%2032%20levels";

/// The same response; where it says that a message could not be decoded, with INVALID_ARGUMENT.
pub(crate) fn of_the_caller<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|have| have == value);
    let says = |text: &str| {
        let message = headers.get(MESSAGE).and_then(|message| message.to_str().ok());
        message.is_some_and(|message| message.contains(text))
    };
    if is(CODE, INTERNAL) && says(UNDECODED) {
        let deep = says(TOO_DEEP);
        headers.insert(CODE, HeaderValue::from_static(INVALID_ARGUMENT));
        if deep {
            headers.insert(MESSAGE, HeaderValue::from_static(TOO_DEEP_TOLD));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, message: &str, expected: (&str, &str)) {
        let response = Response::builder().header(CODE, code).header(MESSAGE, message).body(()).unwrap();
        let response = of_the_caller(response);
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((&header(CODE)[..], &header(MESSAGE)[..]), expected);
    }

    #[test]
    fn only_what_was_not_decoded_changes() {
        check("13", "failed%20to%20decode%20it", ("3", "failed%20to%20decode%20it"));
        check("13", "failed%20to%20decode%20it%3A%20recursion%20limit%20reached", ("3", TOO_DEEP_TOLD));
        check("13", "the%20disk%20failed", ("13", "the%20disk%20failed"));
        check("5", "failed%20to%20decode", ("5", "failed%20to%20decode"));
    }
}
