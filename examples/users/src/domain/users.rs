//! The repository of users, as the domain wants it.

use std::fmt::Debug;

use async_trait::async_trait;

use super::user::{NewUser, User};
use super::user_id::UserId;
use super::user_page::{PageSize, PageToken, UserPage};
use super::users_error::UsersError;

/// Finds and changes users.
///
/// What it answers may be a little old; a change says which version it is of, and is refused where somebody
/// else was faster. That a question failed is never told as "there is none".
#[async_trait]
pub trait Users: Debug + Send + Sync + 'static {
    /// Returns a user, if there is one.
    async fn find(&self, id: UserId) -> Result<Option<User>, UsersError>;

    /// Returns a page of users, from the beginning or from where another page ended.
    async fn page(&self, size: PageSize, from: Option<PageToken>) -> Result<UserPage, UsersError>;

    /// Creates a user; the same wish made again answers with the user that it has become.
    async fn create(&self, user: NewUser) -> Result<User, UsersError>;

    /// Changes a user from the version that it was seen in, and returns it as it is then.
    async fn update(&self, user: User) -> Result<User, UsersError>;

    /// Deletes a user; one that was deleted before is deleted.
    async fn delete(&self, id: UserId) -> Result<(), UsersError>;

    /// Tells whether there is a user; where that cannot be found out, it is an error.
    async fn exists(&self, id: UserId) -> Result<bool, UsersError> {
        Ok(self.find(id).await?.is_some())
    }
}
