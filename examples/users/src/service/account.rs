//! The account of a user: what decides which changes make sense.

use ledgerstone::core::Aggregate;

use super::account_events::{AccountEvent, UserEmailChanged, UserRegistered, UserRemoved, UserRenamed};
use crate::domain::{Email, Name};

/// An account as its events tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// What the user is called; empty before there is one and after it was removed.
    pub name: String,
    /// Where mail reaches the user; empty likewise.
    pub email: String,
    /// How much has happened: what a change says that it was decided from.
    pub version: u64,
    /// Whether there was a user who is none any more.
    pub is_removed: bool,
}

/// What somebody wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCommand {
    /// To become a user.
    Register {
        /// What the user is called.
        name: Name,
        /// Where mail reaches the user.
        email: Email,
    },
    /// To be called otherwise.
    Rename(Name),
    /// To get mail elsewhere.
    ChangeEmail(Email),
    /// To be forgotten.
    Remove,
}

/// Why a wish makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// There was one already.
    #[error("the account exists")]
    Exists,
    /// There is none.
    #[error("there is no such user")]
    Missing,
}

impl Account {
    /// Tells whether there is a user.
    pub fn is_active(&self) -> bool {
        self.version > 0 && !self.is_removed
    }
}

impl Aggregate for Account {
    type Event = AccountEvent;
    type Command = AccountCommand;
    type Refusal = AccountRefusal;

    const CATEGORY: &'static str = "user";

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRefusal> {
        match command {
            AccountCommand::Register { .. } if self.version > 0 => Err(AccountRefusal::Exists),
            AccountCommand::Register { name, email } => {
                let (name, email) = (name.as_str().to_owned(), email.as_str().to_owned());
                Ok(vec![UserRegistered { name, email }.into()])
            }
            // It was wished for before.
            AccountCommand::Remove if self.is_removed => Ok(Vec::new()),
            _ if !self.is_active() => Err(AccountRefusal::Missing),
            AccountCommand::Rename(name) if name.as_str() == self.name => Ok(Vec::new()),
            AccountCommand::Rename(name) => Ok(vec![UserRenamed { name: name.as_str().to_owned() }.into()]),
            AccountCommand::ChangeEmail(email) if email.as_str() == self.email => Ok(Vec::new()),
            AccountCommand::ChangeEmail(email) => {
                Ok(vec![UserEmailChanged { email: email.as_str().to_owned() }.into()])
            }
            AccountCommand::Remove => Ok(vec![UserRemoved {}.into()]),
        }
    }

    fn evolve(&mut self, event: &AccountEvent) {
        self.version += 1;
        match event {
            AccountEvent::UserRegistered(registered) => {
                self.name.clone_from(&registered.name);
                self.email.clone_from(&registered.email);
            }
            AccountEvent::UserRenamed(renamed) => self.name.clone_from(&renamed.name),
            AccountEvent::UserEmailChanged(changed) => self.email.clone_from(&changed.email),
            AccountEvent::UserRemoved(_) => {
                *self = Self { version: self.version, is_removed: true, ..Self::default() };
            }
        }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
