//! Specifications: named conditions on documents that combine, for stores and for memory alike.

use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, Not};

use serde_json::Value;

use ledgerstone_core::{Body, DocumentStoreError, Field, FieldName, Filter, InvalidName, OrderBy, Timestamp};

/// A condition on documents; it compiles to a [`Filter`], and holds in memory for what a store selects.
///
/// A name that cannot be a field's is reported when the specification is used.
///
/// They are written from [`Attribute`]s: `STATUS.eq("active") & VISITS.at_least(3)`, where `STATUS` is
/// `const STATUS: Attribute<String> = Attribute::new("status")`.
#[derive(Debug, Clone, PartialEq)]
pub struct Specification(Result<Filter, String>);

impl Specification {
    /// Holds for every document.
    pub fn all() -> Self {
        Self(Ok(Filter::All))
    }

    /// Holds where the words of a text occur in the searchable fields together.
    pub fn matches(text: impl Into<String>) -> Self {
        Self(Ok(Filter::Matches { field: None, text: text.into() }))
    }

    /// Holds where both do.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all_of([self, other])
    }

    /// Holds where either does.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any_of([self, other])
    }

    /// Holds where all of them do.
    pub fn all_of(specifications: impl IntoIterator<Item = Self>) -> Self {
        Self(specifications.into_iter().map(|one| one.0).collect::<Result<_, _>>().map(Filter::And))
    }

    /// Holds where any of them does: nowhere if there is none.
    pub fn any_of(specifications: impl IntoIterator<Item = Self>) -> Self {
        Self(specifications.into_iter().map(|one| one.0).collect::<Result<_, _>>().map(Filter::Or))
    }

    /// Returns the filter that a store understands.
    pub fn filter(&self) -> Result<Filter, DocumentStoreError> {
        self.0.clone().map_err(DocumentStoreError::InvalidSelect)
    }

    /// Tells whether a document with these declared fields satisfies it, as a store would.
    pub fn is_satisfied_by(&self, fields: &[Field], body: &Body) -> Result<bool, DocumentStoreError> {
        self.filter()?.matches(fields, body)
    }
}

impl From<Filter> for Specification {
    fn from(filter: Filter) -> Self {
        Self(Ok(filter))
    }
}

impl BitAnd for Specification {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl BitOr for Specification {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl Not for Specification {
    type Output = Self;

    fn not(self) -> Self {
        Self(self.0.map(|filter| Filter::Not(Box::new(filter))))
    }
}

/// A declared field and the Rust type of its values: the beginning of a [`Specification`].
///
/// `String` stands for text, `i64` for integer, `f64` for number, `bool` for boolean,
/// [`Timestamp`] for time and `Vec<String>` for an array of text.
#[derive(Debug)]
pub struct Attribute<V: ?Sized> {
    name: &'static str,
    value: PhantomData<fn(&V)>,
}

impl<V: ?Sized> Clone for Attribute<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> Copy for Attribute<V> {}

impl<V: ?Sized> Attribute<V> {
    /// Names a field.
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// Returns the field's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Orders by the field, smallest first and missing values before.
    pub fn ascending(self) -> Result<OrderBy, InvalidName> {
        Ok(OrderBy { field: FieldName::declared(self.name)?, descending: false })
    }

    /// Orders by the field, largest first and missing values last.
    pub fn descending(self) -> Result<OrderBy, InvalidName> {
        Ok(OrderBy { field: FieldName::declared(self.name)?, descending: true })
    }

    fn specify(&self, filter: impl FnOnce(FieldName) -> Filter) -> Specification {
        Specification(FieldName::declared(self.name).map(filter).map_err(|error| error.to_string()))
    }
}

/// A type of values that stand for themselves in a filter.
pub trait Scalar {
    /// What is accepted in its place.
    type Given<'a>;

    /// Returns the value as JSON.
    fn json(given: Self::Given<'_>) -> Value;
}

impl Scalar for String {
    type Given<'a> = &'a str;

    fn json(given: &str) -> Value {
        given.into()
    }
}

macro_rules! scalar {
    ($($name:ty),+) => {$(
        impl Scalar for $name {
            type Given<'a> = Self;

            fn json(given: Self) -> Value {
                given.into()
            }
        }
    )+};
}

scalar!(i64, f64, bool);

impl Scalar for Timestamp {
    type Given<'a> = Self;

    fn json(given: Self) -> Value {
        given.to_string().into()
    }
}

/// Scalars that stand in an order that a range can cut out.
pub trait Ordered: Scalar {}

impl Ordered for String {}
impl Ordered for i64 {}
impl Ordered for f64 {}
impl Ordered for Timestamp {}

impl<V: Scalar> Attribute<V> {
    /// Holds where the field has this value.
    pub fn eq(self, value: V::Given<'_>) -> Specification {
        let value = V::json(value);
        self.specify(|field| Filter::Eq { field, value })
    }

    /// Holds where the field has another value or none.
    pub fn ne(self, value: V::Given<'_>) -> Specification {
        let value = V::json(value);
        self.specify(|field| Filter::Ne { field, value })
    }

    /// Holds where the field has one of these values.
    pub fn one_of<'a>(self, values: impl IntoIterator<Item = V::Given<'a>>) -> Specification {
        let values = values.into_iter().map(V::json).collect();
        self.specify(|field| Filter::In { field, values })
    }

    /// Holds where the field is missing or null.
    pub fn is_missing(self) -> Specification {
        self.specify(|field| Filter::Eq { field, value: Value::Null })
    }
}

impl<V: Ordered> Attribute<V> {
    /// Holds from this value on.
    pub fn at_least(self, from: V::Given<'_>) -> Specification {
        let from = Some(V::json(from));
        self.specify(|field| Filter::Range { field, from, to: None })
    }

    /// Holds below this value, itself not included.
    pub fn below(self, to: V::Given<'_>) -> Specification {
        let to = Some(V::json(to));
        self.specify(|field| Filter::Range { field, from: None, to })
    }

    /// Holds from the first value up to the second, the second not included.
    pub fn between(self, from: V::Given<'_>, to: V::Given<'_>) -> Specification {
        let (from, to) = (Some(V::json(from)), Some(V::json(to)));
        self.specify(|field| Filter::Range { field, from, to })
    }
}

impl Attribute<String> {
    /// Holds where the text begins with this.
    pub fn begins_with(self, prefix: impl Into<String>) -> Specification {
        let prefix = prefix.into();
        self.specify(|field| Filter::Prefix { field, prefix })
    }

    /// Holds where the words of a text occur in the field.
    pub fn matches(self, text: impl Into<String>) -> Specification {
        let text = text.into();
        self.specify(|field| Filter::Matches { field: Some(field), text })
    }
}

impl Attribute<Vec<String>> {
    /// Holds where the array has this element.
    pub fn contains(self, value: impl Into<String>) -> Specification {
        let value = value.into();
        self.specify(|field| Filter::Contains { field, value })
    }

    /// Holds where the words of a text occur in the elements.
    pub fn matches(self, text: impl Into<String>) -> Specification {
        let text = text.into();
        self.specify(|field| Filter::Matches { field: Some(field), text })
    }
}

#[cfg(test)]
#[path = "specification_tests.rs"]
mod tests;
