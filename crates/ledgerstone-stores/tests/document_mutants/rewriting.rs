//! Faulty meanings of filters, expressed by sound ones.

use ledgerstone_core::{Filter, words};
use serde_json::Value;

use super::fault::Fault;

/// Rewrites a filter so that a sound store answers as one with the fault would.
pub(crate) fn rewrite(fault: Fault, filter: Filter) -> Filter {
    let each = |filters: Vec<Filter>| filters.into_iter().map(|filter| rewrite(fault, filter)).collect();
    match (fault, filter) {
        (Fault::ThreeValues, Filter::Ne { field, value }) if !value.is_null() => {
            Filter::ne(field.clone(), value).and(Filter::ne(field, Value::Null))
        }
        (Fault::ThreeValues, Filter::Not(inner)) => {
            let known = fields_of(&inner).into_iter().map(|field| Filter::ne(field, Value::Null));
            known.fold(rewrite(fault, *inner).negated(), Filter::and)
        }
        (Fault::MissingIsSmall, Filter::Range { field, from: None, to: Some(to) }) => {
            Filter::below(field.clone(), to).or(Filter::eq(field, Value::Null))
        }
        (Fault::RangesIncludeTheirEnd, Filter::Range { field, from, to: Some(to) }) => {
            let end = Filter::eq(field.clone(), to.clone());
            Filter::Range { field, from, to: Some(to) }.or(end)
        }
        (Fault::PrefixesIgnoreCase, Filter::Prefix { field, prefix }) => {
            Filter::prefix(field.clone(), capital(&prefix)).or(Filter::prefix(field, prefix))
        }
        (Fault::ElementsIgnoreCase, Filter::Contains { field, value }) => {
            Filter::contains(field.clone(), capital(&value)).or(Filter::contains(field, value))
        }
        (Fault::SearchKnowsCase, Filter::Matches { text, .. }) if text.chars().any(char::is_uppercase) => {
            Filter::Or(Vec::new())
        }
        (Fault::SearchNeedsAnyWord, Filter::Matches { field, text }) => {
            let word = |text| Filter::Matches { field: field.clone(), text };
            Filter::Or(words(&text).into_iter().map(word).collect())
        }
        (_, Filter::And(filters)) => Filter::And(each(filters)),
        (_, Filter::Or(filters)) => Filter::Or(each(filters)),
        (_, Filter::Not(inner)) => rewrite(fault, *inner).negated(),
        (_, other) => other,
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// Returns the fields whose absence makes a comparison unknown in SQL.
fn fields_of(filter: &Filter) -> Vec<ledgerstone_core::FieldName> {
    match filter {
        Filter::Eq { field, value } if !value.is_null() => vec![field.clone()],
        Filter::Range { field, .. } | Filter::Prefix { field, .. } => vec![field.clone()],
        _ => Vec::new(),
    }
}

/// Counts the parts of a filter.
pub(crate) fn parts(filter: &Filter) -> usize {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => 1 + filters.iter().map(parts).sum::<usize>(),
        Filter::Not(filter) => 1 + parts(filter),
        _ => 1,
    }
}
