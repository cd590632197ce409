//! Promise 3: what is invalidated is gone, and nothing else is.

use ledgerstone_core::{CacheTarget, Tag};

use super::arrange::{Cases, FreshStore, Store, by_tag, gone, key, prefix, put, value};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        3: an_invalidated_key_is_gone_and_others_stay,
        3: an_invalidated_tag_takes_all_that_carry_it_and_nothing_else,
        3: any_of_its_tags_takes_an_entry,
        3: an_invalidated_prefix_takes_all_keys_that_begin_with_it,
        3: a_prefix_is_bytes_and_no_pattern,
        3: all_is_everything,
        3: several_targets_are_taken_at_once,
        3: very_many_targets_are_all_taken,
        3: what_is_put_after_an_invalidation_stays,
    ]
}

async fn there(store: &Store, keys: &[&str]) -> Result<Vec<String>, CaseError> {
    let mut there = Vec::new();
    for key in keys {
        if value(store, key).await?.is_some() {
            there.push((*key).to_owned());
        }
    }
    Ok(there)
}

/// Promise 3. By its key, not by what begins alike.
async fn an_invalidated_key_is_gone_and_others_stay(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for name in ["a", "ab", "b"] {
        put(&store, name, "value", &[]).await?;
    }
    gone(&store, &[key("a")], None).await?;
    assert_eq!(there(&store, &["a", "ab", "b"]).await?, ["ab", "b"]);
    Ok(())
}

/// Promise 3. A tag is compared whole.
async fn an_invalidated_tag_takes_all_that_carry_it_and_nothing_else(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    put(&store, "a", "value", &["order:1"]).await?;
    put(&store, "b", "value", &["order:1", "customer:2"]).await?;
    put(&store, "c", "value", &["order:10"]).await?;
    put(&store, "d", "value", &[]).await?;
    gone(&store, &[by_tag("order:1")], None).await?;
    assert_eq!(there(&store, &["a", "b", "c", "d"]).await?, ["c", "d"]);
    Ok(())
}

/// Promise 3. Not the first alone.
async fn any_of_its_tags_takes_an_entry(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for taken in ["x", "y", "z"] {
        put(&store, "k", "value", &["x", "y", "z"]).await?;
        gone(&store, &[by_tag(taken)], None).await?;
        assert_eq!(value(&store, "k").await?, None, "{taken}");
    }
    Ok(())
}

/// Promise 3. The key that is the prefix itself included.
async fn an_invalidated_prefix_takes_all_keys_that_begin_with_it(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for name in ["user:1", "user:1:name", "user:2", "use"] {
        put(&store, name, "value", &[]).await?;
    }
    gone(&store, &[prefix("user:1")], None).await?;
    assert_eq!(there(&store, &["user:1", "user:1:name", "user:2", "use"]).await?, ["user:2", "use"]);
    Ok(())
}

/// Promise 3. What means something elsewhere means itself here.
async fn a_prefix_is_bytes_and_no_pattern(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for name in ["a*b", "axb", "a%b", "a[x]", "ü1"] {
        put(&store, name, "value", &[]).await?;
    }
    gone(&store, &[prefix("a*"), prefix("a["), prefix("ü")], None).await?;
    assert_eq!(there(&store, &["a*b", "axb", "a%b", "a[x]", "ü1"]).await?, ["axb", "a%b"]);
    Ok(())
}

/// Promise 3. With tags or without.
async fn all_is_everything(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    put(&store, "a", "value", &["x"]).await?;
    put(&store, "b", "value", &[]).await?;
    gone(&store, &[CacheTarget::All], None).await?;
    assert!(there(&store, &["a", "b"]).await?.is_empty());
    put(&store, "a", "value", &["x"]).await?;
    assert_eq!(there(&store, &["a", "b"]).await?, ["a"]);
    Ok(())
}

/// Promise 3. Of all kinds.
async fn several_targets_are_taken_at_once(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for (name, tag) in [("a", "x"), ("b", "y"), ("cc", "z"), ("d", "z")] {
        put(&store, name, "value", &[tag]).await?;
    }
    gone(&store, &[key("a"), by_tag("y"), prefix("c")], None).await?;
    assert_eq!(there(&store, &["a", "b", "cc", "d"]).await?, ["d"]);
    Ok(())
}

/// Promise 3. A store may remember less than it was told, but never serve what it forgot.
async fn very_many_targets_are_all_taken(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    put(&store, "first", "value", &["tag:0"]).await?;
    put(&store, "p0:key", "value", &[]).await?;
    let tags = (0..2_000).map(|n| Tag::new(format!("tag:{n}")).map(CacheTarget::Tag));
    gone(&store, &tags.collect::<Result<Vec<_>, _>>()?, None).await?;
    assert!(there(&store, &["first"]).await?.is_empty());
    for n in 0..200 {
        gone(&store, &[prefix(&format!("p{n}:"))], None).await?;
    }
    assert!(there(&store, &["p0:key"]).await?.is_empty());
    Ok(())
}

/// Promise 3. An invalidation is no ban.
async fn what_is_put_after_an_invalidation_stays(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for targets in [key("k"), by_tag("x"), prefix("k"), CacheTarget::All] {
        put(&store, "k", "value", &["x"]).await?;
        gone(&store, &[targets], None).await?;
        put(&store, "k", "later", &["x"]).await?;
        assert_eq!(value(&store, "k").await?.as_deref(), Some("later"));
    }
    Ok(())
}
