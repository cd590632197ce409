//! The id of a user.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::invalid_user::InvalidUser;

/// Which user; it says nothing about the person, so it may stand in paths, keys and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl From<Uuid> for UserId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for UserId {
    type Err = InvalidUser;

    fn from_str(text: &str) -> Result<Self, InvalidUser> {
        let id = Uuid::try_parse(text);
        id.map(Self).map_err(|_| InvalidUser::new("the id of a user", "it is no UUID"))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
