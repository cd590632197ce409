//! A page of users: there is no way to ask for all of them at once.

use super::invalid_user::InvalidUser;
use super::user::User;

/// A page of users, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// The users; no more than were asked for.
    pub users: Vec<User>,
    /// Where the next page begins, if there may be one.
    pub next: Option<PageToken>,
}

/// How many users a page has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageSize(u16);

impl PageSize {
    /// The largest page.
    pub const MAX: u16 = 50;

    /// Takes a number from 1 to [`MAX`](Self::MAX).
    pub fn new(size: u16) -> Result<Self, InvalidUser> {
        if (1..=Self::MAX).contains(&size) {
            return Ok(Self(size));
        }
        Err(InvalidUser::new("the size of a page", "it is from 1 to 50; read more by further pages"))
    }

    /// Returns the number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Where a page begins, as the page before it said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageToken(String);

impl PageToken {
    /// Takes what a page said.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns it as it is told on.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
