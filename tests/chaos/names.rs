//! The names of one client's keys, and all that is stored under them, read at one instant.

use super::model::{Database, KEYS};
use crate::support::Frame;
use crate::support::raw::encode;

/// Names the keys of one client; `generation` changes when the outcome of something is unknown.
#[derive(Clone, Copy)]
pub struct Names {
    pub client: usize,
    pub generation: usize,
}

impl Names {
    pub fn string(self, key: usize) -> Vec<u8> {
        format!("session:{}:{}:{key}", self.client, self.generation).into_bytes()
    }

    pub fn hash(self) -> Vec<u8> {
        format!("user:{}:{}", self.client, self.generation).into_bytes()
    }

    pub fn counter(self) -> Vec<u8> {
        format!("open:count:{}:{}", self.client, self.generation).into_bytes()
    }

    pub fn list(self) -> Vec<u8> {
        format!("open:list:{}:{}", self.client, self.generation).into_bytes()
    }

    pub fn field(field: usize) -> Vec<u8> {
        format!("field {field}").into_bytes()
    }

    pub fn all(self) -> Vec<Vec<u8>> {
        let strings = (0..KEYS).map(|key| self.string(key));
        strings.chain([self.hash(), self.counter(), self.list()]).collect()
    }

    /// All that one database holds of this client, at one instant.
    pub fn snapshot(self, database: usize) -> Vec<Vec<u8>> {
        let strings: Vec<Vec<u8>> = (0..KEYS).map(|key| self.string(key)).collect();
        let mut mget: Vec<&[u8]> = vec![b"MGET"];
        mget.extend(strings.iter().map(Vec::as_slice));
        vec![
            encode(&[b"SELECT", database.to_string().as_bytes()]),
            encode(&[b"MULTI"]),
            encode(&mget),
            encode(&[b"HGETALL", &self.hash()]),
            encode(&[b"GET", &self.counter()]),
            encode(&[b"LRANGE", &self.list(), b"0", b"-1"]),
            encode(&[b"EXEC"]),
        ]
    }

    pub fn read_snapshot(exec: Frame) -> Option<Database> {
        let Frame::Array(items) = exec else { return None };
        let [Frame::Array(strings), hash, counter, Frame::Array(list)] = <[Frame; 4]>::try_from(items).ok()? else {
            return None;
        };
        let mut database = Database::default();
        for (key, value) in strings.into_iter().enumerate() {
            if let Frame::Bulk(value) = value {
                database.strings.insert(key, value);
            }
        }
        for (field, value) in pairs(hash)? {
            let number = String::from_utf8(field).ok()?.strip_prefix("field ")?.parse().ok()?;
            database.fields.insert(number, value);
        }
        if let Frame::Bulk(text) = counter {
            database.counter = String::from_utf8(text).ok()?.parse().ok()?;
        }
        database.list = list.into_iter().map(Frame::bytes).collect();
        Some(database)
    }
}

/// The pairs of a map, or of the flat array that RESP2 has in its place.
pub fn pairs(frame: Frame) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let flat = match frame {
        Frame::Map(pairs) => pairs.into_iter().flat_map(|(a, b)| [a, b]).collect(),
        Frame::Array(items) => items,
        _ => return None,
    };
    let bytes: Vec<Vec<u8>> = flat
        .into_iter()
        .map(|frame| match frame {
            Frame::Bulk(bytes) => bytes,
            other => format!("{other:?}").into_bytes(),
        })
        .collect();
    Some(bytes.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}
