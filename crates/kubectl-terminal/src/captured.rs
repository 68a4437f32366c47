//! What stands in a terminal's place in tests.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// What a captured `Ui` has written so far.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    pub(crate) out: Buffer,
    pub(crate) err: Buffer,
}

impl Captured {
    /// Returns what went to stdout.
    pub fn stdout(&self) -> String {
        self.out.text()
    }

    /// Returns what went to stderr.
    pub fn stderr(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        match self.0.lock() {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        }
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(mut buffer) = self.0.lock() {
            buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
