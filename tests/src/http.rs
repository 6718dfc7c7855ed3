//! Requests to the HTTP port, without a client library: one connection each.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends a request with a body of JSON and reads the whole answer: its status and its body.
pub fn request(addr: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let (status, _, body) = request_with(addr, method, path, &["Content-Type: application/json"], body);
    (status, body)
}

/// The same with other lines in the head, and with the head of the answer in the middle.
pub fn request_with(addr: &str, method: &str, path: &str, lines: &[&str], body: &[u8]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{lines}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A body that is too long may be refused before all of it was sent.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {head:?}")), head.to_owned(), body.to_owned())
}

/// The same with JSON both ways; null where the answer has no body.
pub fn json(addr: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = request(addr, method, path, body.as_bytes());
    let answer = if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() };
    (status, answer)
}
