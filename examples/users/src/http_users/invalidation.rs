//! Which events of the log make which cached answers untrue.

use std::sync::Arc;

use ledgerstone::cache::{Cache, CacheInvalidator};
use ledgerstone::core::{CacheTarget, EventStore, EventType, InvalidName, RecordedEvent, Tag};

use crate::domain::{User, UserId, UserPage};

/// The tag of everything that depends on which users there are.
const MEMBERSHIP: &str = "users";

/// Says on which users a page depends: on those that it shows, and on which there are.
pub(super) fn tags_of(page: &UserPage) -> Result<Vec<Tag>, InvalidName> {
    let shown = page.users.iter().map(|user| tag_of(&user.id.to_string()));
    std::iter::once(Tag::new(MEMBERSHIP)).chain(shown).collect()
}

fn tag_of(id: &str) -> Result<Tag, InvalidName> {
    Tag::new(format!("user:{id}"))
}

/// Follows the log of the service: a change of a user drops the user and the pages that show it, one that
/// comes or goes drops all pages.
pub(super) fn by_events(
    log: Arc<dyn EventStore>,
    users: &Cache<User>,
    pages: &Cache<UserPage>,
) -> Result<CacheInvalidator, InvalidName> {
    let membership = Tag::new(MEMBERSHIP)?;
    let mut invalidator = CacheInvalidator::new(log);
    for name in ["UserRegistered", "UserRenamed", "UserEmailChanged", "UserRemoved"] {
        let event_type = EventType::new(name)?;
        invalidator = invalidator.invalidate_on(users, event_type.clone(), |event| {
            id_in(event).map(|id| CacheTarget::Key(id.to_string())).into_iter().collect()
        })?;
        let comes_or_goes = matches!(name, "UserRegistered" | "UserRemoved");
        let membership = membership.clone();
        invalidator = invalidator.invalidate_on(pages, event_type, move |event| {
            if comes_or_goes {
                return vec![CacheTarget::Tag(membership.clone())];
            }
            let tag = id_in(event).and_then(|id| tag_of(&id.to_string()).ok());
            tag.map(CacheTarget::Tag).into_iter().collect()
        })?;
    }
    Ok(invalidator)
}

/// Returns whom an event is about: its stream is `user-` and the id.
fn id_in(event: &RecordedEvent) -> Option<UserId> {
    event.stream()?.strip_prefix("user-")?.parse().ok()
}
