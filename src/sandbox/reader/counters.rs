//! The counters of the virtual readers.

use super::ReaderFault;
use super::script::Count;
use crate::payment::reader::{Reader, ReaderKind};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How far a counter jumps that jumps.
const JUMP: u32 = 0x1_0000;

/// The counters of the virtual readers.
#[derive(Default)]
pub struct Counters(Mutex<HashMap<String, u32>>);

impl Counters {
    /// The next counter of a reader: above all it has used here and above the last one accepted.
    ///
    /// # Errors
    /// `Exhausted` after the last one.
    pub fn next(&self, reader: &Reader) -> Result<u32, ReaderFault> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = counters.get(&reader.serial).copied().unwrap_or_default();
        let accepted = u32::try_from(reader.last_counter).unwrap_or(u32::MAX);
        let next = reader.cipher.next_counter(used.max(accepted));
        let next = next.ok_or(ReaderFault::Exhausted)?;
        // A Miura may seal two values, each under a key of its own.
        let last = match reader.kind {
            ReaderKind::Miura => reader.cipher.next_counter(next).unwrap_or(next),
            ReaderKind::Sim | ReaderKind::Spire | ReaderKind::QrCode => next,
        };
        counters.insert(reader.serial.clone(), last);
        Ok(next)
    }

    /// The counter of a script's reading.
    ///
    /// # Errors
    /// `Exhausted` where there is none left.
    pub fn take(&self, reader: &Reader, count: Count) -> Result<u32, ReaderFault> {
        let accepted = u32::try_from(reader.last_counter).unwrap_or(u32::MAX);
        let cipher = reader.cipher;
        match count {
            Count::Next => self.next(reader),
            Count::Unused | Count::Replayed => Ok(accepted),
            Count::Fallen => Ok(accepted.min(1)),
            Count::Jumped => {
                let next = self.next(reader)?;
                let far = next.checked_add(JUMP).and_then(|far| cipher.next_counter(far));
                let far = far.ok_or(ReaderFault::Exhausted)?;
                self.raise(reader, cipher.next_counter(far).unwrap_or(far));
                Ok(far)
            }
            Count::Last => {
                let last = cipher.last_counter();
                self.raise(reader, last);
                // The second value of a Miura's stripe has the last one.
                let two = reader.kind == ReaderKind::Miura;
                let before = || (1..last).rev().find(|counter| cipher.is_legal_counter(*counter));
                Ok(if two { before().unwrap_or(last) } else { last })
            }
            Count::Illegal => {
                let next = self.next(reader)?;
                let illegal = (next..=cipher.last_counter())
                    .find(|counter| !cipher.is_legal_counter(*counter));
                illegal.ok_or(ReaderFault::Exhausted)
            }
        }
    }

    fn raise(&self, reader: &Reader, used: u32) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.insert(reader.serial.clone(), used);
    }
}
