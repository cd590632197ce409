//! What happens to a user's account.

use serde::{Deserialize, Serialize};

/// Somebody became a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRegistered {
    /// What the user is called.
    pub name: String,
    /// Where mail reaches the user.
    pub email: String,
}

/// A user is called otherwise now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRenamed {
    /// What the user is called.
    pub name: String,
}

/// Mail reaches a user elsewhere now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEmailChanged {
    /// Where mail reaches the user.
    pub email: String,
}

/// A user is none any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRemoved {}

ledgerstone::domain_events! {
    /// What happens to a user's account.
    pub enum AccountEvent {
        /// Somebody became a user.
        UserRegistered = "UserRegistered" v1,
        /// A user is called otherwise.
        UserRenamed = "UserRenamed" v1,
        /// Mail reaches a user elsewhere.
        UserEmailChanged = "UserEmailChanged" v1,
        /// A user is none any more.
        UserRemoved = "UserRemoved" v1,
    }
}
