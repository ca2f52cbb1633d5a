//! Reading a file while it is written, and bringing it to the disk meanwhile: the
//! self-check of a package and the disk need not wait for its last byte.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that are worth a sync.
const SYNC_BYTES: u64 = 64 * 1024 * 1024;

/// How far a file is written. Its writer's end of it must be dropped when no more
/// will come, whatever the reason.
#[derive(Debug, Default)]
struct Growth {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    bytes: u64,
    ended: bool,
}

impl Growth {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement that changes it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are `bytes`, or will be no more.
    fn wait_for(&self, bytes: u64) -> State {
        let waiting = |state: &mut State| !state.ended && state.bytes < bytes;
        let waited = self.grown.wait_while(self.lock(), waiting);
        *waited.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's end: says how far it is.
#[derive(Debug, Default)]
pub(crate) struct Written {
    growth: Arc<Growth>,
}

impl Written {
    /// Notes that `count` bytes more are in the file.
    pub(crate) fn advance(&self, count: usize) {
        self.growth.lock().bytes += count as u64;
        self.growth.grown.notify_all();
    }

    /// Reads `file` as far as it is written, from its first byte on.
    pub(crate) fn follow(&self, file: File) -> Follower {
        Follower {
            file,
            growth: Arc::clone(&self.growth),
            position: 0,
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.growth.lock().ended = true;
        self.growth.grown.notify_all();
    }
}

/// A reader that waits for its file to grow, and ends where the writer ended.
#[derive(Debug)]
pub(crate) struct Follower {
    file: File,
    growth: Arc<Growth>,
    position: u64,
}

impl Follower {
    /// Brings the file to the disk in large steps, until its writer has ended.
    pub(crate) fn sync(self) -> io::Result<()> {
        let mut synced = 0;
        loop {
            let state = self.growth.wait_for(synced + SYNC_BYTES);
            if state.ended {
                return self.file.sync_all();
            }
            self.file.sync_data()?;
            synced = state.bytes;
        }
    }
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.growth.wait_for(self.position + 1);
        let there = usize::try_from(state.bytes - self.position).unwrap_or(usize::MAX);
        let most = buffer.len().min(there);
        let count = self.file.read_at(&mut buffer[..most], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::thread;

    /// A reader that ends before its writer would refuse a sound package; one
    /// that doesn't end would wait for ever.
    #[test]
    fn the_follower_reads_what_was_written_and_ends_with_it() {
        let mut file = tempfile::tempfile().expect("a file");
        let written = Written::default();
        let mut follower = written.follow(file.try_clone().expect("a handle"));
        let syncer = written.follow(file.try_clone().expect("a handle"));
        let syncing = thread::spawn(move || syncer.sync());
        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            follower.read_to_end(&mut bytes).map(|_| bytes)
        });
        let mut wanted = Vec::new();
        for number in 0..100_u8 {
            let piece = vec![number; 1000 * usize::from(number % 7)];
            file.write_all(&piece).expect("written");
            written.advance(piece.len());
            wanted.extend(piece);
        }
        drop(written);
        let read = reading.join().expect("no panic").expect("readable");
        assert!(read == wanted);
        syncing.join().expect("no panic").expect("synced");
    }
}
