//! Servers with keys, and requests that carry one.

use bytes::{Buf, BufMut, Bytes};
use nigh_server::access::keys::{Key, KeyHash};
use nigh_server::config::Config;
use nigh_server::engine::access::Right;
use std::io::{Read, Write};
use std::path::Path;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// A configuration on ports of its own.
pub fn config(folder: &Path) -> Config {
    let loopback = "127.0.0.1:0".parse().unwrap();
    Config { grpc: loopback, http: loopback, ..Config::new(folder) }
}

/// A key that is called as it is.
pub fn key(name: &str, right: Right, collections: Option<&[&str]>) -> Key {
    let collections = collections.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    Key { name: name.to_owned(), hash: KeyHash::of(&secret(name)), right, collections, calls_per_second: None }
}

/// What the bearer of the key of this name presents.
pub fn secret(name: &str) -> String {
    format!("{name}-0123456789abcdef")
}

/// A request of HTTP with these headers: status, head, and body.
pub fn http(addr: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

/// Messages as bytes: any call can be made with it.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Makes a call with one message and waits for the first answer: its code.
pub async fn call(channel: &Channel, path: &str, credential: Option<&str>, message: Bytes) -> Code {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::iter([message]));
    if let Some(credential) = credential {
        request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().unwrap());
    }
    let answer = grpc.streaming(request, path.parse().unwrap(), Raw).await;
    match answer {
        Err(status) => status.code(),
        Ok(answer) => answer.into_inner().message().await.map_or_else(|status| status.code(), |_| Code::Ok),
    }
}
