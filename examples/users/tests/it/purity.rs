//! The domain knows no infrastructure.

#[test]
fn the_domain_names_no_infrastructure() {
    let sources = [
        include_str!("../../src/domain.rs"),
        include_str!("../../src/domain/email.rs"),
        include_str!("../../src/domain/invalid_user.rs"),
        include_str!("../../src/domain/name.rs"),
        include_str!("../../src/domain/user.rs"),
        include_str!("../../src/domain/user_id.rs"),
        include_str!("../../src/domain/user_page.rs"),
        include_str!("../../src/domain/users.rs"),
        include_str!("../../src/domain/users_error.rs"),
    ];
    for source in sources {
        for foreign in ["ledgerstone", "axum", "serde", "tokio", "http", "cache", "crate::"] {
            let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(code.clone().all(|line| !line.contains(foreign)), "{foreign}: {source}");
        }
    }
}
