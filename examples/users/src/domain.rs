//! The domain: what a user is and where users are found, free of any infrastructure.

mod email;
mod invalid_user;
mod name;
mod user;
mod user_id;
mod user_page;
mod users;
mod users_error;

pub use email::Email;
pub use invalid_user::InvalidUser;
pub use name::Name;
pub use user::{NewUser, User};
pub use user_id::UserId;
pub use user_page::{PageSize, PageToken, UserPage};
pub use users::Users;
pub use users_error::UsersError;
