//! Settings: which layer wins, and how errors name key, place and what is right.

use super::*;

fn load(file: &str, variables: &[(&str, &str)], flags: &Overrides) -> Result<Settings, String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ledgerstone.toml"), file).expect("a file");
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let loaded = Settings::load_in(folder.path(), variables, flags);
    loaded.map_err(|error| {
        error.to_string().replace(&folder.path().display().to_string(), "").trim_start_matches('/').to_owned()
    })
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables, &Overrides::default()).expect_err("refused")
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = load("", &[], &Overrides::default()).expect("settings");
    assert_eq!(settings.store.to_string(), "file:./data");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:7400");
    assert!(settings.provenance().is_empty());
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let file = "store = \"sqlite:file.db\"\n[server]\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"json\"\n";
    let variables = [("LEDGERSTONE__STORE", "sqlite:env.db"), ("LEDGERSTONE__SERVER__LISTEN", "127.0.0.1:2")];
    let flags = Overrides { flags: vec![("store", "memory:".to_owned(), "--store")], ..Overrides::default() };
    let settings = load(file, &variables, &flags).expect("settings");
    assert_eq!(settings.store.to_string(), "memory:");
    assert_eq!(settings.server.listen.port(), 2);
    assert_eq!(settings.log.format, LogFormat::Json);
    let origins: Vec<_> = settings.provenance().into_iter().map(|given| given.origin).collect();
    assert_eq!(origins[0], "flag --store");
    assert_eq!(origins[1], "variable LEDGERSTONE__SERVER__LISTEN");
    assert!(origins[2].ends_with("ledgerstone.toml line 5"), "{origins:?}");
}

#[test]
fn a_protocol_is_off_until_it_has_an_address() {
    let umadb = |file: &str, variables: &[(&str, &str)]| {
        let settings = load(file, variables, &Overrides::default()).expect("settings");
        settings.server.umadb.map(|address| address.to_string())
    };
    let file = "[protocols.umadb]\nlisten = \"localhost:50051\"\n";
    let variable = |value| [("LEDGERSTONE__PROTOCOLS__UMADB__LISTEN", value)];
    assert_eq!(umadb("", &[]), None);
    assert_eq!(umadb(file, &[]).as_deref(), Some("127.0.0.1:50051"));
    assert_eq!(umadb(file, &variable("[::1]:7")).as_deref(), Some("[::1]:7"));
    assert_eq!(umadb(file, &variable("off")), None);
    let text = refused("[protocols.umadb]\nlistn = \"off\"\n", &[]);
    assert!(
        text.contains("line 2: unknown key protocols.umadb.listn; did you mean protocols.umadb.listen?"),
        "{text}"
    );
    let text = refused("[protocols.umadb]\nlisten = \"here\"\n", &[]);
    assert!(text.contains("such as 127.0.0.1:50051, or off"), "{text}");
}

#[test]
fn a_profile_lies_above_the_file_and_must_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ledgerstone.toml"), "tenant = \"a\"").expect("a file");
    std::fs::write(folder.path().join("ledgerstone.prod.toml"), "tenant = \"b\"").expect("a file");
    let load = |profile: &str| {
        let overrides = Overrides { profile: Some(profile.to_owned()), ..Overrides::default() };
        Settings::load_in(folder.path(), std::iter::empty(), &overrides)
    };
    assert_eq!(load("prod").expect("settings").tenant.as_str(), "b");
    let missing = load("test").expect_err("no such profile").to_string();
    assert!(missing.contains("ledgerstone.test.toml: cannot be read"), "{missing}");
}

#[test]
fn an_unknown_key_names_the_nearest_one_and_its_line() {
    let text = refused("\n[server]\nlistn = \"127.0.0.1:1\"\n", &[]);
    assert_eq!(text, "ledgerstone.toml line 3: unknown key server.listn; did you mean server.listen?");
    let text = refused("listen = \"127.0.0.1:1\"\n", &[]);
    assert!(text.contains("unknown key listen; did you mean server.listen?"), "{text}");
    let text = refused("[sever]\nlisten = \"127.0.0.1:1\"\n", &[]);
    assert!(text.contains("line 1: unknown key sever"), "{text}");
    let text = refused("", &[("LEDGERSTONE__STOER", "memory:")]);
    let expected = "unknown key LEDGERSTONE__STOER; did you mean LEDGERSTONE__STORE?";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_wrong_value_names_key_place_and_what_is_expected() {
    let text = refused("store = \"app.db\"\n", &[]);
    assert!(text.starts_with("ledgerstone.toml line 1: store cannot be \"app.db\"; it must be"), "{text}");
    let text = refused("[server]\ndrain_seconds = 1.5\n", &[]);
    assert!(text.contains("line 2: server.drain_seconds cannot be a broken number"), "{text}");
    let text = refused("server = 3\n", &[]);
    assert!(text.contains("line 1: unknown key server"), "{text}");
    let text = refused("", &[("PORT", "many")]);
    assert!(text.contains("variable PORT"), "{text}");
    let text = refused("store = = 1\n", &[]);
    assert!(text.starts_with("ledgerstone.toml line 1: "), "{text}");
}

#[test]
fn the_port_of_the_environment_moves_the_port_only() {
    let settings = load("", &[("PORT", "8080")], &Overrides::default()).expect("settings");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn a_token_is_never_shown() {
    let token = "a-very-secret-token-0123";
    let file = format!("[server]\ntoken = \"{token}\"\n");
    let settings = load(&file, &[], &Overrides::default()).expect("settings");
    assert!(!format!("{settings:?} {:?}", settings.provenance()).contains(token));
    let text = refused("[server]\ntoken = \"short\"\n", &[]);
    assert!(!text.contains("short") && text.contains("16"), "{text}");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let settings = load("", &[("LEDGERSTONE__STORE", "")], &Overrides::default()).expect("settings");
    assert_eq!(settings.store.to_string(), "file:./data");
}

#[test]
fn the_bounds_of_connections_are_read_and_have_limits_themselves() {
    let file = "[server]\nconnections = 7\nheader_seconds = 3\nsystem_appends = true\n";
    let server = load(file, &[], &Overrides::default()).expect("settings").server;
    assert_eq!((server.connections, server.header_timeout.as_secs(), server.system_appends), (7, 3, true));
    assert!(refused("[server]\nconnections = 0\n", &[]).contains("from 1 to"));
    assert!(refused("[server]\nheader_seconds = 0\n", &[]).contains("from 1 to"));
    assert!(refused("[server]\nsystem_appends = 1\n", &[]).contains("true or false"));
}

#[test]
fn the_edge_is_set_and_off_where_nothing_is_said() {
    let server = load("", &[], &Overrides::default()).expect("settings").server;
    assert!(server.rate_limit.is_empty() && server.cors().expect("valid").is_none() && server.compression);
    let file = "[server]\nrate_limit = \"200/s, 100000/d\"\nmax_in_flight = 7\nqueue = 3\ntimeout_seconds = 9\n\
        drain_delay_seconds = 2\ncors_origins = \"https://a.example, http://localhost:3000\"\ncompression = false\n";
    let server = load(file, &[], &Overrides::default()).expect("settings").server;
    let rules: Vec<_> = server.rate_limit.iter().map(|rule| (rule.limit, rule.per.as_secs())).collect();
    assert_eq!(rules, [(200, 1), (100_000, 86_400)]);
    assert_eq!((server.max_in_flight, server.queue, server.timeout.as_secs()), (Some(7), 3, 9));
    assert_eq!((server.drain_delay.as_secs(), server.compression), (2, false));
    let cors = server.cors().expect("valid").expect("origins");
    assert!(cors.allows("https://a.example") && !cors.allows("https://b.example"));
    let variable = [("LEDGERSTONE__SERVER__MAX_IN_FLIGHT", "off")];
    assert_eq!(load("", &variable, &Overrides::default()).expect("settings").server.max_in_flight, None);
}

#[test]
fn what_contradicts_itself_is_refused_with_the_reason() {
    let token = "token = \"0123456789abcdef\"\n";
    for (file, expected) in [
        (
            "cors_origins = \"*\"\n".to_owned(),
            "line 2: server.cors_origins cannot be \"*\": without server.token",
        ),
        (
            format!("{token}cors_origins = \"*\"\ncors_credentials = true\n"),
            "cannot be used with credentials",
        ),
        ("cors_origins = \"shop.example\"\n".to_owned(), "\"shop.example\" is no origin"),
        ("cors_origins = \"https://a.example,\"\n".to_owned(), "it must be origins such as"),
        ("cors_credentials = true\n".to_owned(), "no page of elsewhere may call"),
        (
            "max_in_flight = \"off\"\nqueue = 9\n".to_owned(),
            "nothing waits while server.max_in_flight is off",
        ),
        ("max_in_flight = 0\n".to_owned(), "from 1 to 1000000, or off"),
        ("rate_limit = \"many\"\n".to_owned(), "such as 200/s, 100000/d"),
        ("rate_limit = \"200/s, 300/s\"\n".to_owned(), "two rules are called"),
        ("rate_limit = \"200/s, 100/m\"\n".to_owned(), "200/s never refuses anything beside 100/m"),
        ("rate_limit = \"1/s, 100000/d\"\n".to_owned(), "100000/d is never reached beside 1/s"),
        ("timeout_seconds = 0\n".to_owned(), "from 1 to 3600"),
    ] {
        let text = refused(&format!("[server]\n{file}"), &[]);
        assert!(text.contains(expected), "{file}: {text}");
    }
    let file = format!("[server]\n{token}cors_origins = \"*\"\n");
    assert!(load(&file, &[], &Overrides::default()).is_ok());
}
