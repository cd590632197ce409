//! A selection of documents after it was checked: a typed filter, an order by places, and where to continue.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use crate::checked::cursor::{self, PageEnd};
use crate::checked::field_value::FieldValue;
use crate::checked::filter::{CheckedFilter, field_place};
use crate::document::{Definition, Field, FieldKind};
use crate::document_store::{DocumentCapabilities, DocumentStoreError, Select};
use crate::filter::{Filter, OrderBy};
use crate::tenant::TenantScope;

/// A [`Select`] that fits a generation of a collection.
#[derive(Debug, Clone)]
pub struct CheckedSelect {
    /// Which documents.
    pub filter: CheckedFilter,
    /// In which order; tenant and key follow.
    pub order: Vec<CheckedOrder>,
    /// How many at most.
    pub size: usize,
    /// Where the page before ended.
    pub after: Option<PageEnd>,
    fingerprint: [u8; 16],
}

/// One step of an order, by the place of the declared field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedOrder {
    /// The place of the field.
    pub field: usize,
    /// Largest first.
    pub descending: bool,
}

impl CheckedOrder {
    /// Tells which of two values comes first in this step.
    pub fn compare(self, left: &FieldValue, right: &FieldValue) -> Ordering {
        if self.descending { right.cmp(left) } else { left.cmp(right) }
    }
}

impl CheckedSelect {
    /// Returns the cursor that continues behind `end`.
    pub fn cursor(&self, end: &PageEnd) -> String {
        cursor::encode(&self.fingerprint, end)
    }
}

impl Select {
    /// The largest number of steps in an order.
    pub const MAX_ORDER: usize = 8;

    /// Checks the selection against the generation that it is to read, and reads its cursor.
    ///
    /// Fails with [`DocumentStoreError::InvalidSelect`] if the filter or the order does not fit the
    /// declared fields, with [`DocumentStoreError::InvalidPage`] if the page is empty or above the limit,
    /// and with [`DocumentStoreError::InvalidCursor`]
    /// if the cursor belongs to another filter, order, tenant or generation, or is damaged.
    pub fn check(
        &self,
        definition: &Definition,
        capabilities: &DocumentCapabilities,
    ) -> Result<CheckedSelect, DocumentStoreError> {
        let invalid = DocumentStoreError::InvalidSelect;
        let (given, limit) = (self.size, capabilities.page_size);
        if given == 0 || given > limit {
            return Err(DocumentStoreError::InvalidPage { given, limit });
        }
        let filter = self.filter.check(&definition.fields)?;
        if filter.searches() && !capabilities.search {
            let backend = capabilities.backend;
            return Err(invalid(format!(
                "the {backend} store does not search words; filter by fields instead"
            )));
        }
        let order = check_order(&self.order, &definition.fields).map_err(invalid)?;
        let fingerprint = fingerprint(definition, &self.filter, &self.order, &self.tenant);
        let kinds: Vec<_> = order.iter().map(|step| definition.fields[step.field].kind).collect();
        let decode = |cursor: &String| cursor::decode(cursor, &fingerprint, &kinds);
        let after =
            self.cursor.as_ref().map(decode).transpose().map_err(DocumentStoreError::InvalidCursor)?;
        Ok(CheckedSelect { filter, order, size: self.size, after, fingerprint })
    }
}

fn check_order(order: &[OrderBy], fields: &[Field]) -> Result<Vec<CheckedOrder>, String> {
    if order.len() > Select::MAX_ORDER {
        return Err(format!(
            "an order has at most {} steps, and {} are given",
            Select::MAX_ORDER,
            order.len()
        ));
    }
    let step = |by: &OrderBy| {
        let field = field_place(fields, &by.field)?;
        if fields[field].kind == FieldKind::TextArray {
            return Err(format!("documents are not ordered by arrays, such as the field {}", by.field));
        }
        Ok(CheckedOrder { field, descending: by.descending })
    };
    order.iter().map(step).collect()
}

/// Hashes all that a page must have in common with the next.
fn fingerprint(
    definition: &Definition,
    filter: &Filter,
    order: &[OrderBy],
    tenant: &TenantScope,
) -> [u8; 16] {
    let tenant = match tenant {
        TenantScope::One(tenant) => Some(tenant.as_str()),
        TenantScope::All => None,
    };
    let all = serde_json::json!([definition.id, filter, order, tenant]);
    let digest = Sha256::digest(all.to_string());
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest[..16]);
    fingerprint
}
