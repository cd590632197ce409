//! What is not derived from events and lives in memory: marks, and whose events there are.
//!
//! Their bytes in a frame: for what a segment takes over, first the highest version of any mark that went away
//! (8 bytes), and the tenants, a number (4 bytes) and each with its length (2 bytes); then marks until the end: lengths of tenant (2) and name (2), both texts, version (8,
//! 0 for a mark that went away), number (8), expiry in microseconds (8, the smallest integer for none), length
//! of the value (4), value.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ledgerstone_core::{Mark, MarkName, Tenant, TenantScope, Timestamp};

use crate::segment_header::{array, u32_at, u64_at};

const NEVER: i64 = i64::MIN;

/// A mark after a change: nothing if it went away.
pub(crate) type MarkAfter = (Tenant, MarkName, Option<Mark>);

/// Marks and tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    marks: BTreeMap<(Tenant, MarkName), Mark>,
    tenants: BTreeSet<Tenant>,
    /// The highest version of any mark that went away.
    retired: u64,
}

impl State {
    /// Returns a mark, expired or not.
    pub(crate) fn mark(&self, tenant: &Tenant, name: &MarkName) -> Option<&Mark> {
        self.marks.get(&(tenant.clone(), name.clone()))
    }

    /// Returns the highest version of any mark that went away.
    pub(crate) fn retired(&self) -> u64 {
        self.retired
    }

    /// Returns the marks whose names begin with `prefix`, those that expired left out.
    pub(crate) fn marks(&self, scope: &TenantScope, prefix: &str, now: Timestamp) -> Vec<Mark> {
        let wanted = |mark: &&Mark| {
            scope.covers(mark.tenant.as_str())
                && mark.name.as_str().starts_with(prefix)
                && !mark.is_expired(now)
        };
        self.marks.values().filter(wanted).cloned().collect()
    }

    /// Returns whose events there are.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter()
    }

    pub(crate) fn add_tenant(&mut self, tenant: &Tenant) {
        if !self.tenants.contains(tenant) {
            self.tenants.insert(tenant.clone());
        }
    }

    pub(crate) fn knows_tenant(&self, tenant: &Tenant) -> bool {
        self.tenants.contains(tenant)
    }

    /// Takes over a change.
    pub(crate) fn apply(&mut self, (tenant, name, mark): MarkAfter) {
        let gone = match mark {
            Some(mark) => return drop(self.marks.insert((tenant, name), mark)),
            None => self.marks.remove(&(tenant, name)),
        };
        self.retired = gone.map_or(0, |mark| mark.version).max(self.retired);
    }

    /// Forgets marks that have expired.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        let Self { marks, retired, .. } = self;
        marks.retain(|_, mark| {
            let expired = mark.is_expired(now);
            *retired = if expired { mark.version.max(*retired) } else { *retired };
            !expired
        });
    }

    /// Returns everything, in parts of about `most` bytes, as a segment takes it over.
    pub(crate) fn parts(&self, most: usize) -> Vec<Vec<u8>> {
        let mut tenants = self.tenants.iter().peekable();
        let mut marks = self.marks.values().peekable();
        let mut parts = Vec::new();
        let mut first = self.retired > 0;
        while first || tenants.peek().is_some() || marks.peek().is_some() {
            let mut names = Vec::new();
            let mut count = 0_u32;
            while names.len() < most
                && let Some(tenant) = tenants.next()
            {
                put_text(&mut names, tenant.as_str());
                count += 1;
            }
            let mut part = self.retired.to_le_bytes().to_vec();
            part.extend_from_slice(&count.to_le_bytes());
            part.append(&mut names);
            // At least one, however small the parts are to be.
            for mark in marks.by_ref() {
                encode_mark(&mut part, &mark.tenant, &mark.name, Some(mark));
                if part.len() >= most {
                    break;
                }
            }
            first = false;
            parts.push(part);
        }
        parts
    }

    /// Takes over what a part holds; nothing if it is unsound.
    pub(crate) fn take_part(&mut self, mut bytes: &[u8]) -> Option<()> {
        self.retired = u64_at(take(&mut bytes, 8)?, 0).max(self.retired);
        let count = u32_at(take(&mut bytes, 4)?, 0);
        for _ in 0..count {
            let size = usize::from(u16::from_le_bytes(array(take(&mut bytes, 2)?, 0)));
            self.tenants.insert(Tenant::new(text(take(&mut bytes, size)?)?).ok()?);
        }
        self.take_changes(bytes)
    }

    /// Applies the changes of a batch; nothing if they are unsound.
    pub(crate) fn take_changes(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let change = decode_mark(&mut bytes)?;
            self.apply(change);
        }
        Some(())
    }
}

/// Adds the bytes of a mark after its change.
pub(crate) fn encode_mark(bytes: &mut Vec<u8>, tenant: &Tenant, name: &MarkName, mark: Option<&Mark>) {
    put_size(bytes, tenant.as_str());
    put_size(bytes, name.as_str());
    bytes.extend_from_slice(tenant.as_str().as_bytes());
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(&mark.map_or(0, |mark| mark.version).to_le_bytes());
    bytes.extend_from_slice(&mark.map_or(0, |mark| mark.number).to_le_bytes());
    let expires = mark.and_then(|mark| mark.expires_at).map_or(NEVER, Timestamp::as_micros);
    bytes.extend_from_slice(&expires.to_le_bytes());
    let value = mark.map(|mark| &*mark.value).unwrap_or_default();
    bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(value);
}

fn decode_mark(bytes: &mut &[u8]) -> Option<MarkAfter> {
    let sizes = take(bytes, 4)?;
    let tenant = usize::from(u16::from_le_bytes(array(sizes, 0)));
    let name = usize::from(u16::from_le_bytes(array(sizes, 2)));
    let tenant = Tenant::new(text(take(bytes, tenant)?)?).ok()?;
    let name = MarkName::new(text(take(bytes, name)?)?).ok()?;
    let numbers = take(bytes, 28)?;
    let (version, number) = (u64_at(numbers, 0), u64_at(numbers, 8));
    let expires = u64_at(numbers, 16).cast_signed();
    let value = Bytes::copy_from_slice(take(bytes, u32_at(numbers, 24) as usize)?);
    let expires_at = (expires != NEVER).then(|| Timestamp::from_micros(expires));
    let mark = Mark { tenant: tenant.clone(), name: name.clone(), version, number, value, expires_at };
    Some((tenant, name, (version > 0).then_some(mark)))
}

fn put_size(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_size(bytes, text);
    bytes.extend_from_slice(text.as_bytes());
}

fn take<'a>(bytes: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (part, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some(part)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mark(tenant: &str, name: String, value: Vec<u8>, expires_at: Option<i64>) -> Mark {
        Mark {
            tenant: Tenant::new(tenant).expect("a tenant"),
            name: MarkName::new(name).expect("a name"),
            version: 3,
            number: 9,
            value: value.into(),
            expires_at: expires_at.map(Timestamp::from_micros),
        }
    }

    proptest! {
        #[test]
        fn what_a_segment_takes_over_reads_back(
            marks in proptest::collection::btree_map("[a-z]{1,9}", (proptest::collection::vec(any::<u8>(), 0..50), proptest::option::of(0_i64..99)), 0..40),
            most in 1_usize..400,
        ) {
            let mut state = State::default();
            for (name, (value, expires)) in marks {
                let mark = mark("", name, value, expires);
                state.add_tenant(&Tenant::new(format!("t{}", mark.value.len())).expect("a tenant"));
                state.apply((mark.tenant.clone(), mark.name.clone(), Some(mark)));
            }
            let mut again = State::default();
            for part in state.parts(most) {
                prop_assert_eq!(again.take_part(&part), Some(()));
            }
            prop_assert_eq!(again.marks, state.marks);
            prop_assert_eq!(again.tenants, state.tenants);
        }

        #[test]
        fn unsound_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = State::default().take_part(&bytes);
            let _ = State::default().take_changes(&bytes);
        }
    }

    #[test]
    fn a_mark_that_went_away_is_gone() {
        let mut state = State::default();
        let mark = mark("", "m".to_owned(), Vec::new(), None);
        state.apply((mark.tenant.clone(), mark.name.clone(), Some(mark.clone())));
        let mut bytes = Vec::new();
        encode_mark(&mut bytes, &mark.tenant, &mark.name, None);
        assert_eq!(state.take_changes(&bytes), Some(()));
        assert!(state.mark(&mark.tenant, &mark.name).is_none());
    }
}
