//! The switch: counts effects and says at which one the process is gone.

use std::cell::Cell;

/// On which side of an effect the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The effect never happened.
    Before,
    /// It happened, and nobody learned of it.
    After,
}

/// What an effect has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Happen, and be answered.
    Pass,
    /// The process dies here, before it.
    DieBefore,
    /// The process dies here, after it.
    DieAfter,
    /// The process is dead: nothing happens any more.
    Dead,
}

/// One life of a process. A new one begins with [`Power::on`].
#[derive(Debug, Default)]
pub struct Power {
    count: Cell<u32>,
    cut: Cell<Option<(u32, Side)>>,
    dead: Cell<bool>,
    /// What is wrong with the journal.
    pub fault: Cell<Fault>,
}

/// How a journal fails while its process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// Every write of the journal fails; reads work.
    Writes,
    /// The commit and the aborted row fail.
    Commit,
    /// The rows can't be read.
    Rows,
}

impl Power {
    /// A new process, which dies at its `n`-th effect if a cut is given.
    pub fn on(&self, cut: Option<(u32, Side)>) {
        self.count.set(0);
        self.cut.set(cut);
        self.dead.set(false);
    }

    /// Effects so far in this life.
    pub fn count(&self) -> u32 {
        self.count.get()
    }

    /// Did the cut happen?
    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// One more effect.
    pub fn effect(&self) -> Fate {
        if self.dead.get() {
            return Fate::Dead;
        }
        self.count.set(self.count.get() + 1);
        match self.cut.get() {
            Some((n, side)) if n == self.count.get() => {
                self.dead.set(true);
                match side {
                    Side::Before => Fate::DieBefore,
                    Side::After => Fate::DieAfter,
                }
            }
            _ => Fate::Pass,
        }
    }

    /// Something that is no effect: only a dead process can't do it.
    pub fn alive(&self) -> bool {
        !self.dead.get()
    }
}
