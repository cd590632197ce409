//! The tour over real connections, as `cargo run -p example-users` shows it.

use std::process::Command;

#[test]
fn the_tour_comes_to_its_end_and_fits_a_screen() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-users")).output().expect("it runs");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.lines().count() <= 20, "{told}");
    for line in [
        "the same wish again  the same user: true",
        "renamed elsewhere    from Ada to Ada King",
        "the service is down  still known: Ada King",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is missing in\n{told}");
    }
}
