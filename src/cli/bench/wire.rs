//! Just enough HTTP/1.1 to ask and be answered on one connection, at little cost: the load shares
//! the machine with what it measures.

use anyhow::{Context, bail};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a head ends.
pub(super) const HEAD_END: &[u8] = b"\r\n\r\n";
/// More than any answer of the gateway.
const ANSWER_MAX: usize = 64 * 1024;

/// A connection that is kept.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer; it lives until the next question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("the gateway is not there")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads the whole answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await.context("the gateway hung up")?;
        self.buffer.clear();
        let frame = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the gateway hung up in the middle of an answer");
            }
            if let Some(frame) = Frame::find(&self.buffer)? {
                break frame;
            }
            if self.buffer.len() > ANSWER_MAX {
                bail!("the answer is too long");
            }
        };
        Ok(Answer { status: frame.status, body: &self.buffer[frame.body_start..frame.body_end] })
    }
}

/// Where things stand in the bytes of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    status: u16,
    body_start: usize,
    body_end: usize,
}

impl Frame {
    /// `None` while the answer is not whole.
    fn find(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(head_end) = find(bytes, HEAD_END) else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..head_end]).context("the head is not text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3));
        let status = status.and_then(|code| code.parse().ok()).context("there is no status")?;
        let length = lines.find_map(content_length).context("there is no Content-Length")??;
        let body_start = head_end + HEAD_END.len();
        let body_end = body_start + length;
        if bytes.len() > body_end {
            bail!("there is more than one answer to one question");
        }
        Ok((bytes.len() == body_end).then_some(Self { status, body_start, body_end }))
    }
}

fn content_length(line: &str) -> Option<anyhow::Result<usize>> {
    let (name, value) = line.split_once(':')?;
    let found = name.eq_ignore_ascii_case("content-length");
    found.then(|| value.trim().parse().context("the Content-Length is no number"))
}

/// The place of the first `wanted` in `bytes`.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 4\r\nx-request-id: 1\r\n\r\na=1\n";

    #[test]
    fn an_answer_is_whole_only_with_its_last_byte() {
        for length in 0..ANSWER.len() {
            assert_eq!(Frame::find(&ANSWER[..length]).unwrap(), None, "{length}");
        }
        let frame = Frame::find(ANSWER).unwrap().unwrap();
        assert_eq!(frame.status, 200);
        assert_eq!(&ANSWER[frame.body_start..frame.body_end], b"a=1\n");
    }

    #[test]
    fn an_empty_body_is_a_body() {
        let frame = Frame::find(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        let frame = frame.unwrap();
        assert_eq!((frame.status, frame.body_start), (403, frame.body_end));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bytes in [
            &b"SMTP 220\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 ",
        ] {
            assert!(Frame::find(bytes).is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
