//! A Redis of a test's own: it dies, comes back and pauses as told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use ledgerstone_testkit::servers::{RedisServer, ServerError};

fn connect(redis: &RedisServer) -> std::io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port()))
}

fn started() -> RedisServer {
    RedisServer::start().expect("a Redis")
}

fn folder(redis: &RedisServer) -> String {
    let answer = redis.ask("CONFIG GET dir").expect("an answer");
    answer.lines().last().expect("a folder").to_owned()
}

#[test]
fn two_of_them_share_nothing() {
    let (one, other) = (started(), started());
    assert_ne!(one.port(), other.port());
    assert_eq!(one.ask("SET k v").expect("set"), "+OK\r\n");
    assert_eq!(other.ask("GET k").expect("got"), "$-1\r\n");
}

#[test]
fn a_killed_redis_breaks_connections_and_refuses_new_ones() {
    let redis = started();
    let mut connection = connect(&redis).expect("connects");
    redis.kill();
    let mut answer = Vec::new();
    let _ = connection.write_all(b"PING\r\n");
    let read = connection.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{read:?}");
    assert_eq!(connect(&redis).expect_err("refused").kind(), ErrorKind::ConnectionRefused);
    assert!(matches!(redis.ask("PING"), Err(ServerError::NotRunning)));
}

#[test]
fn a_restart_keeps_the_port_and_the_data_only_if_asked() {
    let redis = started();
    let port = redis.port();
    redis.ask("SET k v").expect("set");
    redis.kill();
    redis.restart_with_data().expect("restarts");
    assert_eq!(redis.ask("GET k").expect("got"), "$1\r\nv\r\n");
    redis.restart_with_data().expect("restarts while it runs");
    assert_eq!(redis.ask("GET k").expect("got"), "$1\r\nv\r\n");
    redis.restart().expect("restarts");
    assert_eq!(redis.ask("GET k").expect("got"), "$-1\r\n");
    assert_eq!(redis.port(), port);
}

#[test]
fn a_paused_redis_takes_connections_and_answers_once_it_goes_on() {
    let redis = started();
    redis.pause().expect("pauses");
    let mut connection = connect(&redis).expect("the system takes it");
    connection.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
    connection.write_all(b"PING\r\n").expect("written");
    let mut answer = [0; 7];
    let silence = connection.read(&mut answer).expect_err("nothing is answered").kind();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence:?}");
    redis.resume().expect("goes on");
    connection.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    connection.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn a_redis_that_was_killed_while_paused_has_no_data_to_come_back_with() {
    let redis = started();
    redis.pause().expect("pauses");
    redis.kill();
    assert!(matches!(redis.restart_with_data(), Err(ServerError::DataLost)));
    redis.restart().expect("restarts empty");
    assert!(redis.is_running());
}

#[test]
fn a_panic_ends_the_server_and_removes_its_folder() {
    let redis = started();
    let (port, folder) = (redis.port(), folder(&redis));
    assert!(Path::new(&folder).is_dir());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = redis;
        std::panic::resume_unwind(Box::new("meant to happen"));
    }));
    assert!(panicked.is_err() && !Path::new(&folder).exists());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn the_shared_one_is_the_same_for_every_caller() {
    let urls: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(RedisServer::shared_url)).collect();
        asked.into_iter().map(|url| url.join().expect("ends").expect("a url")).collect()
    });
    assert!(urls.iter().all(|url| *url == urls[0]) && urls[0].starts_with("redis://"), "{urls:?}");
}
