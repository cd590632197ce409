//! Tests of the chains of upcasters.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) owner: String,
    pub(crate) currency: String,
}

ledgerstone_core::domain_events! {
    /// What happens to an account.
    pub(crate) enum Event {
        /// It was opened.
        Opened = "AccountOpened" v3,
    }
}

fn first() -> Upcaster {
    Upcaster::renaming("AcctOpened", 1, "AccountOpened", |mut data| {
        if let Some(name) = data.as_object_mut().and_then(|object| object.remove("name")) {
            data["owner"] = name;
        }
        data
    })
    .sample(json!({"name": "Ada"}), json!({"owner": "Ada"}))
}

fn second() -> Upcaster {
    Upcaster::new("AccountOpened", 2, |mut data| {
        data["currency"] = json!("EUR");
        data
    })
    .sample(json!({"owner": "Ada"}), json!({"owner": "Ada", "currency": "EUR"}))
}

fn builder() -> UpcastersBuilder {
    Upcasters::builder().decodes::<Event>()
}

/// A chain of two steps, one of them a rename.
pub(crate) fn chain() -> Upcasters {
    builder().step(second()).step(first()).build().expect("a sound chain")
}

#[test]
fn a_chain_lifts_through_every_step_and_its_samples_hold() {
    let (shape, data) = chain().lift(Shape::new("AcctOpened", 1), json!({"name": "Bo"}));
    assert_eq!(shape, Shape::new("AccountOpened", 3));
    assert_eq!(data, json!({"owner": "Bo", "currency": "EUR"}));
    assert_eq!(chain().verify(), Ok(2));
}

#[test]
fn a_type_stands_for_all_its_historic_names() {
    for name in ["AccountOpened", "AcctOpened"] {
        assert_eq!(chain().names_of(name), ["AccountOpened", "AcctOpened"]);
    }
    assert_eq!(chain().names_of("Other"), ["Other"]);
    let query = Query::from(QueryItem::types([EventType::new("AccountOpened").expect("a type")]));
    let widened = chain().widen(&query);
    let types: Vec<_> = widened.items()[0].types.iter().map(EventType::as_str).collect();
    assert_eq!(types, ["AccountOpened", "AcctOpened"]);
    assert!(chain().widen(&Query::all()).is_all());
}

#[test]
fn two_steps_from_one_version_are_refused() {
    let refused = builder().step(first()).step(first()).step(second()).build().expect_err("twice");
    assert_eq!(refused, UpcasterError::Twice(Shape::new("AcctOpened", 1)));
}

#[test]
fn a_gap_is_refused_at_either_end() {
    let refused = builder().step(first()).build().expect_err("stops at 2");
    assert_eq!(refused, UpcasterError::Gap { from: Shape::new("AccountOpened", 2), newest: 3 });
    let refused = builder().step(second()).build().expect_err("nothing before 2");
    assert_eq!(refused, UpcasterError::NothingBefore(Shape::new("AccountOpened", 2)));
    assert!(builder().step(second()).begins_at("AccountOpened", 2).build().is_ok());
    let refused = builder().build().expect_err("nothing before 3");
    assert_eq!(refused, UpcasterError::NothingBefore(Shape::new("AccountOpened", 3)));
}

#[test]
fn a_chain_that_does_not_end_at_the_newest_version_is_refused() {
    let beyond = Upcaster::new("AccountOpened", 3, |data| data).sample(json!({}), json!({}));
    let refused = builder().step(first()).step(second()).step(beyond).build().expect_err("beyond");
    assert!(matches!(refused, UpcasterError::BeyondNewest { newest: 3, .. }), "{refused}");
    let stray = Upcaster::new("Other", 1, |data| data).sample(json!({}), json!({}));
    let refused = builder().step(first()).step(second()).step(stray).build().expect_err("no decoder");
    assert_eq!(refused, UpcasterError::NoDecoder(Shape::new("Other", 2)));
}

#[test]
fn a_step_without_a_golden_sample_is_refused() {
    let bare = Upcaster::new("AccountOpened", 2, |data| data);
    let refused = builder().step(first()).step(bare).build().expect_err("no sample");
    assert_eq!(refused, UpcasterError::NoSample(Shape::new("AccountOpened", 2)));
}

#[test]
fn a_sample_that_the_step_or_the_decoder_refuses_does_not_hold() {
    let wrong = second().sample(json!({"owner": "Bo"}), json!({"owner": "Bo"}));
    let refused = builder().step(first()).step(wrong).build().expect("sound").verify();
    assert!(matches!(refused, Err(UpcasterError::SampleDiffers { .. })), "{refused:?}");
    let lazy = Upcaster::new("AccountOpened", 2, |data| data).sample(json!({}), json!({}));
    let refused = builder().step(first()).step(lazy).build().expect("sound").verify();
    assert!(matches!(refused, Err(UpcasterError::SampleRefused { .. })), "{refused:?}");
}
