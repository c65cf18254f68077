//! As much of HTTP/1.1 as the clients of an API server need: requests with a length, answers with a length
//! or in chunks, one connection for many of them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The longest body that is taken, as an API server has it.
const LONGEST_BODY: usize = 3 << 20;

/// One request.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// The parts of its path, decoded.
    pub path: Vec<String>,
    /// What follows the path, decoded; of several of one name the last.
    pub query: BTreeMap<String, String>,
    /// What the client takes.
    pub accept: String,
    /// What came with it.
    pub body: Vec<u8>,
}

impl Request {
    /// The next one of a connection; none if that has ended.
    pub fn read(from: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::other(format!("no request: {line:?}")));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.split('/').skip(1).map(decoded).collect(),
            query: query.split('&').filter_map(pair).collect(),
            accept: String::new(),
            body: Vec::new(),
        };
        let length = request.read_headers(from)?;
        request.body.resize(length.min(LONGEST_BODY), 0);
        from.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    fn read_headers(&mut self, from: &mut impl BufRead) -> io::Result<usize> {
        let mut length = 0;
        for line in from.lines() {
            let line = line?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or_default(),
                "accept" => value.trim().clone_into(&mut self.accept),
                _ => {}
            }
        }
        Ok(length)
    }

    /// A value of the query; empty if it has none.
    pub fn asked(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Whether a value of the query says yes.
    pub fn is_asked(&self, name: &str) -> bool {
        matches!(self.asked(name), "true" | "1")
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Method and path, as faults name them.
    pub fn line(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (!name.is_empty()).then(|| (decoded(name), decoded(&value.replace('+', " "))))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = || Some([rest.clone().next()?, rest.clone().nth(1)?]);
        let code = (byte == b'%').then(digits).flatten();
        let code = code.and_then(|code| u8::from_str_radix(str::from_utf8(&code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        if code.is_some() {
            rest.nth(1);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where an answer goes.
pub struct Answer<'a> {
    stream: &'a TcpStream,
    /// Nothing of it is to arrive.
    pub is_lost: bool,
}

impl<'a> Answer<'a> {
    /// An answer to the last request of this connection.
    pub fn to(stream: &'a TcpStream) -> Self {
        let is_lost = false;
        Self { stream, is_lost }
    }

    /// A whole document.
    pub fn json(&mut self, code: u16, document: &Value) -> io::Result<()> {
        self.whole(code, "application/json", document.to_string().as_bytes())
    }

    /// A whole body.
    pub fn whole(&mut self, code: u16, kind: &str, body: &[u8]) -> io::Result<()> {
        let length = format!("Content-Length: {}", body.len());
        let mut bytes = head(code, kind, &length).into_bytes();
        bytes.extend(body);
        self.write(&bytes)
    }

    /// The beginning of a body that comes in pieces.
    pub fn begin(&mut self, kind: &str) -> io::Result<()> {
        self.write(head(200, kind, "Transfer-Encoding: chunked").as_bytes())
    }

    /// A piece of it.
    pub fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let size = format!("{:x}\r\n", bytes.len());
        self.write(&[size.as_bytes(), bytes, b"\r\n"].concat())
    }

    /// Its end.
    pub fn end(&mut self) -> io::Result<()> {
        self.write(b"0\r\n\r\n")
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_lost {
            return Err(io::Error::other("the answer is lost"));
        }
        self.stream.write_all(bytes)
    }
}

fn head(code: u16, kind: &str, length: &str) -> String {
    format!("HTTP/1.1 {code} Answer\r\nContent-Type: {kind}\r\n{length}\r\n\r\n")
}
