//! The report of a merchant's transactions: read in pages, so that it takes no more memory however
//! long it is, and no longer a turn from others.

use super::nonce_book::bucket_of;
use super::registry::Merchant;
use super::{Failure, Gateway};
use crate::payment::Millis;
use crate::payment::ids::EndpointId;
use crate::payment::order::{Order, Status};
use crate::payment::refusal::Refusal;
use crate::payment::transaction::TransactionView;
use crate::store::{NonceMark, ReportPage};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// How many reports read a page at the same time. Others wait for their turn, and questions that
/// are not about reports for these few at most.
pub(super) const PAGES_AT_ONCE: usize = 2;

/// Who asks for which report.
pub struct ReportIntent {
    pub merchant: Arc<Merchant>,
    pub wanted: Wanted,
    /// None: all of the merchant's.
    pub endpoints: Option<Vec<EndpointId>>,
    pub nonce_digest: [u8; 16],
    /// The time stamp of the signature.
    pub signed_at: Millis,
}

/// Which transactions the report has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub created: Range<Millis>,
    /// Whoever asks for this leaves out what is not decided yet.
    pub decided: Option<Range<Millis>>,
    /// None: of all types.
    pub kinds: Option<Vec<&'static str>>,
    /// None: whatever their status.
    pub statuses: Option<Vec<Status>>,
}

impl Wanted {
    fn takes(&self, transaction: &TransactionView<'_>) -> bool {
        let decided = |within: &Range<Millis>| {
            transaction.decided_at.is_some_and(|decided_at| within.contains(&decided_at))
        };
        self.created.contains(&transaction.created_at)
            && self.decided.as_ref().is_none_or(decided)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&transaction.kind))
            && self.statuses.as_ref().is_none_or(|some| some.contains(&transaction.status))
    }
}

/// A transaction in a report.
pub struct Line<'a> {
    pub order: &'a Order,
    /// The serial of the reader that read the card.
    pub reader: Option<&'a str>,
    pub transaction: TransactionView<'a>,
}

/// A report that is being read.
pub struct Report {
    gateway: Arc<Gateway>,
    wanted: Wanted,
    /// Those that are still to be read, the first of them in part.
    endpoints: VecDeque<EndpointId>,
    /// The name of the order that was read last.
    after: String,
}

impl Gateway {
    /// Begins a report.
    ///
    /// # Errors
    /// `EndpointNotFound` for an endpoint that is not the merchant's, `NonceReused`, or
    /// `Unavailable`.
    pub async fn report(self: &Arc<Self>, intent: ReportIntent) -> Result<Report, Failure> {
        let ReportIntent { merchant, wanted, endpoints, nonce_digest, signed_at } = intent;
        let mark = NonceMark { bucket: bucket_of(signed_at), digest: nonce_digest };
        // A report changes nothing, but whoever repeats a stranger's question would read it.
        if !self.nonces.is_new(signed_at, nonce_digest) {
            return Err(Failure::NonceReused);
        }
        match self.store().use_nonce(&mark).await {
            Ok(true) => {}
            Ok(false) => return Err(Failure::NonceReused),
            Err(error) => {
                self.nonces.forget(signed_at, nonce_digest);
                return Err(error.into());
            }
        }
        let own = self.store().endpoints_of(merchant.id).await?;
        let mut endpoints = endpoints.unwrap_or_else(|| own.clone());
        if let Some(other) = endpoints.iter().find(|endpoint| !own.contains(endpoint)) {
            return Err(Refusal::EndpointNotFound(other.0).into());
        }
        endpoints.sort_unstable();
        endpoints.dedup();
        Ok(Report {
            gateway: Arc::clone(self),
            wanted,
            endpoints: endpoints.into(),
            after: String::new(),
        })
    }
}

impl Report {
    /// Reads a page and tells its transactions: by endpoint, then by the merchant's name for the
    /// order, then by age. There may be none on a page. `false` when all was told.
    ///
    /// # Errors
    /// When the database cannot be read: then the report cannot be finished.
    pub async fn read_page(&mut self, mut tell: impl FnMut(&Line<'_>)) -> Result<bool, Failure> {
        let Some(endpoint) = self.endpoints.front().copied() else {
            return Ok(false);
        };
        let page = {
            let turn = self.gateway.report_turns.acquire().await;
            let _turn = turn.map_err(|closed| Failure::Internal(closed.to_string()))?;
            let store = self.gateway.store();
            store.report_page(endpoint, &self.after, &self.wanted.created).await?
        };
        let Some(ReportPage { orders, end }) = page else {
            self.endpoints.pop_front();
            self.after.clear();
            return Ok(true);
        };
        self.after = end;
        for reported in &orders {
            let order = &reported.order;
            let later = reported.amendments.iter().map(Some);
            let all = std::iter::once(None).chain(later);
            let views = all.map(|amendment| TransactionView::of(order, amendment));
            for transaction in views.filter(|transaction| self.wanted.takes(transaction)) {
                tell(&Line { order, reader: reported.reader.as_deref(), transaction });
            }
        }
        Ok(true)
    }
}
