//! Users as the service sends them, and how they become users of the domain: by the domain's own rules.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Email, InvalidUser, Name, NewUser, PageSize, PageToken, User, UserId, UserPage, UsersError,
};

/// A user on the wire.
///
/// Fields that are not known are let pass: the service may learn more before its callers do.
#[derive(Serialize, Deserialize)]
pub(super) struct UserDto {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    email: String,
    #[serde(default, skip_serializing)]
    version: Option<u64>,
}

/// A page of users on the wire.
#[derive(Deserialize)]
pub(super) struct PageDto {
    users: Vec<UserDto>,
    #[serde(default)]
    next: Option<String>,
}

impl UserDto {
    /// Writes a wish.
    pub(super) fn new(user: &NewUser) -> Self {
        Self {
            id: None,
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            version: None,
        }
    }

    /// Writes what a user is to become.
    pub(super) fn of(user: &User) -> Self {
        Self {
            id: None,
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            version: None,
        }
    }

    /// Reads a user; one that breaks the domain's rules is an error and no user.
    pub(super) fn into_user(self) -> Result<User, UsersError> {
        let user = || {
            Ok::<_, InvalidUser>(User {
                id: self.id.as_deref().unwrap_or_default().parse()?,
                name: Name::new(&self.name)?,
                email: Email::new(&self.email)?,
                version: self.version.unwrap_or_default(),
            })
        };
        match user() {
            Ok(user) if user.version > 0 => Ok(user),
            Ok(_) => Err(broken("it has no version")),
            Err(invalid) => Err(broken(&invalid.to_string())),
        }
    }

    /// Reads the user that was asked for.
    pub(super) fn into_user_of(self, id: UserId) -> Result<User, UsersError> {
        match self.into_user()? {
            user if user.id == id => Ok(user),
            _ => Err(broken("it is another one than was asked for")),
        }
    }
}

impl PageDto {
    /// Reads a page; one that is larger than was asked for is refused.
    pub(super) fn into_page(self, size: PageSize) -> Result<UserPage, UsersError> {
        if self.users.len() > usize::from(size.get()) {
            return Err(broken("the page is larger than was asked for"));
        }
        let users = self.users.into_iter().map(UserDto::into_user).collect::<Result<_, _>>()?;
        Ok(UserPage { users, next: self.next.map(PageToken::new) })
    }
}

fn broken(why: &str) -> UsersError {
    UsersError::Broken(format!("the service sent a user that cannot be one: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn read(text: &str) -> Result<User, UsersError> {
        serde_json::from_str::<UserDto>(text).expect("json").into_user()
    }

    #[test]
    fn what_the_service_sends_becomes_a_user_by_the_rules_of_the_domain() {
        let text =
            format!(r#"{{"id":"{ID}","name":" Ada ","email":"Ada@Example.org","version":3,"since":"1.2"}}"#);
        let user = read(&text).expect("a user");
        assert_eq!((user.name.as_str(), user.email.as_str()), ("Ada", "ada@example.org"));
        assert_eq!((user.id.to_string().as_str(), user.version), (ID, 3));
    }

    #[test]
    fn what_cannot_be_a_user_is_an_error_and_tells_nothing_personal() {
        let user = |id: &str, name: &str, email: &str, version: u64| {
            format!(r#"{{"id":"{id}","name":"{name}","email":"{email}","version":{version}}}"#)
        };
        for text in [
            user("7", "Ada", "ada@example.org", 1),
            user(ID, " ", "ada@example.org", 1),
            user(ID, "Ada", "ada", 1),
            user(ID, "Ada", "ada@example.org", 0),
            r#"{"name":"Ada","email":"ada@example.org"}"#.to_owned(),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(matches!(error, UsersError::Broken(_)) && !error.is_retryable());
            assert!(!error.to_string().contains("ada"), "{error}");
        }
    }

    #[test]
    fn another_user_than_was_asked_for_and_too_large_a_page_are_errors() {
        let text = format!(r#"{{"id":"{ID}","name":"Ada","email":"ada@example.org","version":1}}"#);
        let dto = || serde_json::from_str::<UserDto>(&text).expect("json");
        let other = "0198c0de-0000-7000-8000-000000000002".parse().expect("an id");
        assert!(dto().into_user_of(other).is_err());
        let page = PageDto { users: vec![dto(), dto()], next: None };
        assert!(page.into_page(PageSize::new(1).expect("a size")).is_err());
    }
}
