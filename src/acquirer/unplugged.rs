//! The acquirer of a gateway that has none: nothing is ever sent, so nothing is ever charged, and
//! both "what became of it" and "take it back" have certain answers.

use super::{Acquirer, CardForHost, Fault, Reference, Settlement};
use crate::payment::chip::Completion;
use crate::payment::decline::APPROVED;
use crate::payment::host::{Authorisation, Inquiry};
use async_trait::async_trait;

const NOBODY: &str = "no acquirer is connected";

/// Declines by not being there.
pub struct Unplugged;

#[async_trait]
impl Acquirer for Unplugged {
    async fn authorise(
        &self,
        _reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        Err(Fault::NotSent(NOBODY.to_owned()))
    }

    async fn advise(&self, _reference: &Reference, _completion: &Completion) -> Result<(), Fault> {
        Err(Fault::NotSent(NOBODY.to_owned()))
    }

    async fn capture(&self, _reference: &Reference) -> Result<Authorisation, Fault> {
        Err(Fault::NotSent(NOBODY.to_owned()))
    }

    async fn refund(&self, _reference: &Reference) -> Result<Authorisation, Fault> {
        Err(Fault::NotSent(NOBODY.to_owned()))
    }

    async fn settle(&self, _settlement: &Settlement) -> Result<String, Fault> {
        // Nobody is there, so nobody disagrees: nothing was ever taken.
        Ok(APPROVED.to_owned())
    }

    async fn inquire(&self, _reference: &Reference) -> Result<Inquiry, Fault> {
        Ok(Inquiry::NotFound)
    }

    async fn reverse(&self, _reference: &Reference) -> Result<(), Fault> {
        Ok(())
    }
}
