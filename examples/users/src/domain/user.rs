//! A user, and the wish for one.

use uuid::Uuid;

use super::email::Email;
use super::name::Name;
use super::user_id::UserId;

/// A user as somebody has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Which one.
    pub id: UserId,
    /// What it is called.
    pub name: Name,
    /// Where mail reaches it; no two users share one.
    pub email: Email,
    /// The version that was seen: a change of it is a change of that version.
    pub version: u64,
}

/// The wish for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Names the wish: one that is made again under the same name is fulfilled once.
    pub wish: Uuid,
    /// What it is called.
    pub name: Name,
    /// Where mail reaches it.
    pub email: Email,
}
