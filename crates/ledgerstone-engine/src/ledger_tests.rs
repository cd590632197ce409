//! Tests of the ledger: what a query by type means where a type was renamed.

use std::sync::Arc;

use futures_util::TryStreamExt;
use ledgerstone_core::{
    Append, AppendCondition, Code, EventType, ExpectedRevision, Position, Query, QueryItem, Selection,
};

use crate::account::events;
use crate::subscription::Subscription;
use crate::upcaster::tests::chain;

use super::*;

fn typed(name: &str) -> Query {
    QueryItem::types([EventType::new(name).expect("a type")]).into()
}

fn batch(ledger: &Ledger, event_type: &str, condition: Option<AppendCondition>) -> Batch {
    let event = EventData::json(ledger.next_id(), EventType::new(event_type).expect("a type"), "{}");
    let stream = StreamId::new("account-1").expect("a stream");
    Batch { condition, ..Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event])) }
}

/// Records two events under the historic name of a type, and one of another type.
async fn renamed() -> Ledger {
    let ledger = Ledger::new(events().await).with_codec(Codec::new(chain()));
    for event_type in ["AcctOpened", "Other", "AcctOpened"] {
        ledger.append(batch(&ledger, event_type, None)).await.expect("appends");
    }
    ledger
}

#[tokio::test]
async fn a_widened_query_reads_what_was_recorded_under_a_historic_name() {
    let ledger = renamed().await;
    let selection = Selection::query(ledger.widen(&typed("AccountOpened")));
    let frames = Subscription::read_to_head(Arc::clone(ledger.store()), selection, None);
    let frames: Vec<_> = frames.try_collect().await.expect("reads");
    let positions: Vec<_> = frames.iter().flat_map(|frame| &frame.events).map(|e| e.position().0).collect();
    assert_eq!(positions, [1, 3]);
}

#[tokio::test]
async fn a_condition_sees_what_was_recorded_under_a_historic_name() {
    let ledger = renamed().await;
    let behind =
        |after| Some(AppendCondition { fail_if_match: typed("AccountOpened"), after: Position(after) });
    let refused = ledger.append(batch(&ledger, "Other", behind(2))).await.expect_err("one stands behind");
    assert_eq!(refused.code(), Code::ConditionFailed);
    ledger.append(batch(&ledger, "Other", behind(3))).await.expect("none stands behind");
}
