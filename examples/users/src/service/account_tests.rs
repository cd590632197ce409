//! What an account decides, told as scenarios.

use ledgerstone_testkit::Scenario;

use super::*;

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn email(text: &str) -> Email {
    Email::new(text).expect("an address")
}

fn registered() -> AccountEvent {
    UserRegistered { name: "Ada".to_owned(), email: "ada@example.org".to_owned() }.into()
}

fn register() -> AccountCommand {
    AccountCommand::Register { name: name("Ada"), email: email("ada@example.org") }
}

#[test]
fn an_account_is_registered_once() {
    Scenario::<Account>::given([]).when(register()).then([registered()]);
    for given in [vec![registered()], vec![registered(), UserRemoved {}.into()]] {
        Scenario::<Account>::given(given)
            .when(register())
            .then_refused(|refusal| *refusal == AccountRefusal::Exists);
    }
}

#[test]
fn what_is_so_already_changes_nothing() {
    let given = || Scenario::<Account>::given([registered()]);
    given().when(AccountCommand::Rename(name("Ada"))).then_nothing();
    given().when(AccountCommand::ChangeEmail(email("ADA@example.org"))).then_nothing();
    Scenario::<Account>::given([registered(), UserRemoved {}.into()])
        .when(AccountCommand::Remove)
        .then_nothing();
}

#[test]
fn every_change_is_a_version_and_a_removed_user_is_none() {
    let changed = Scenario::<Account>::given([registered()])
        .when(AccountCommand::Rename(name("Ada King")))
        .then([UserRenamed { name: "Ada King".to_owned() }.into()])
        .when(AccountCommand::ChangeEmail(email("king@example.org")))
        .then([UserEmailChanged { email: "king@example.org".to_owned() }.into()]);
    assert_eq!((changed.state().version, changed.state().is_active()), (3, true));
    let removed = changed.when(AccountCommand::Remove).then([UserRemoved {}.into()]);
    assert_eq!((removed.state().version, removed.state().is_active()), (4, false));
    assert!(removed.state().name.is_empty() && removed.state().email.is_empty());
    removed
        .when(AccountCommand::Rename(name("Ada")))
        .then_refused(|refusal| *refusal == AccountRefusal::Missing);
}

#[test]
fn nobody_changes_what_was_never_registered() {
    for command in
        [AccountCommand::Remove, AccountCommand::Rename(name("A")), AccountCommand::ChangeEmail(email("a@b"))]
    {
        Scenario::<Account>::given([])
            .when(command)
            .then_refused(|refusal| *refusal == AccountRefusal::Missing);
    }
}
