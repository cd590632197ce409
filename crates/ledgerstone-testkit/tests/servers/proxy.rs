//! The proxy harms what it is told to harm, and nothing else.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use ledgerstone_testkit::servers::{FaultProxy, Flow, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Long enough for bytes that come to have come.
const A_WHILE: Duration = Duration::from_millis(50);

/// Starts a server that says what it is told until its client has no more to say.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = connection.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn proxy() -> FaultProxy {
    FaultProxy::before(echo().await).await.expect("a proxy")
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("connects")
}

async fn say(connection: &mut TcpStream, words: &[u8]) {
    connection.write_all(words).await.expect("written");
}

async fn hear(connection: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut heard = vec![0; count];
    connection.read_exact(&mut heard).await.expect("answered");
    heard
}

/// Reads to the end, whether it comes in order or not.
async fn hear_all(connection: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = connection.read_to_end(&mut heard).await;
    heard
}

#[tokio::test]
async fn bytes_pass_both_ways_and_so_does_their_end() {
    let proxy = proxy().await;
    let mut connection = connect(&proxy).await;
    let words = vec![7; 100_000];
    let (mut from, mut to) = connection.split();
    let mut heard = Vec::new();
    let said = async {
        to.write_all(&words).await.expect("written");
        to.shutdown().await.expect("ended");
    };
    let (read, ()) = tokio::join!(from.read_to_end(&mut heard), said);
    assert_eq!((read.expect("read"), heard == words), (100_000, true));
    assert_eq!(proxy.taken(), 1);
}

#[tokio::test]
async fn a_cut_lets_exactly_so_many_bytes_of_that_way_through() {
    let proxy = proxy().await;
    proxy.set(Way::ToClient, Flow::CutAfter(5));
    for _ in 0..3 {
        let mut connection = connect(&proxy).await;
        say(&mut connection, b"0123456789").await;
        assert_eq!(hear_all(&mut connection).await, b"01234");
    }
}

#[tokio::test]
async fn a_cut_after_nothing_lets_no_request_reach_the_server() {
    let proxy = proxy().await;
    proxy.set(Way::ToServer, Flow::CutAfter(0));
    let mut connection = connect(&proxy).await;
    say(&mut connection, b"hello").await;
    assert_eq!(hear_all(&mut connection).await, b"");
}

#[tokio::test]
async fn a_stall_keeps_the_connection_and_what_was_held_back_comes_once_it_is_lifted() {
    let proxy = proxy().await;
    let mut connection = connect(&proxy).await;
    say(&mut connection, b"before").await;
    assert_eq!(hear(&mut connection, 6).await, b"before");
    proxy.set(Way::ToClient, Flow::StallAfter(3));
    say(&mut connection, b"0123456789").await;
    assert_eq!(hear(&mut connection, 3).await, b"012");
    assert!(timeout(A_WHILE, connection.read_u8()).await.is_err(), "a byte came through a stall");
    proxy.set(Way::Both, Flow::Pass);
    assert_eq!(hear(&mut connection, 7).await, b"3456789");
}

#[tokio::test]
async fn the_end_of_an_answer_does_not_pass_a_stall() {
    let proxy = proxy().await;
    proxy.set(Way::ToClient, Flow::StallAfter(0));
    let mut connection = connect(&proxy).await;
    connection.shutdown().await.expect("ended");
    assert!(timeout(A_WHILE, connection.read_u8()).await.is_err(), "the end came through a stall");
    proxy.set(Way::ToClient, Flow::Pass);
    assert_eq!(hear_all(&mut connection).await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_delay_and_a_trickle_take_their_time() {
    let proxy = proxy().await;
    let mut connection = connect(&proxy).await;
    proxy.set(Way::ToServer, Flow::Delay(Duration::from_secs(60)));
    let begun = Instant::now();
    say(&mut connection, b"ping").await;
    assert_eq!(hear(&mut connection, 4).await, b"ping");
    assert!(begun.elapsed() >= Duration::from_secs(60));
    proxy.set(Way::Both, Flow::Pass);
    proxy.set(Way::ToClient, Flow::Trickle { bytes: 2, every: Duration::from_secs(10) });
    let begun = Instant::now();
    say(&mut connection, b"012345").await;
    assert_eq!(hear(&mut connection, 6).await, b"012345");
    assert!(begun.elapsed() >= Duration::from_secs(20));
}

#[tokio::test]
async fn connections_are_refused_and_taken_again_while_open_ones_go_on() {
    let proxy = proxy().await;
    let mut open = connect(&proxy).await;
    say(&mut open, b"1").await;
    assert_eq!(hear(&mut open, 1).await, b"1");
    proxy.refuse().await;
    let refused = TcpStream::connect(proxy.address()).await.expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    say(&mut open, b"2").await;
    assert_eq!(hear(&mut open, 1).await, b"2");
    proxy.admit().await.expect("listens again");
    let mut other = connect(&proxy).await;
    say(&mut other, b"3").await;
    assert_eq!(hear(&mut other, 1).await, b"3");
    proxy.cut();
    assert_eq!((hear_all(&mut open).await, hear_all(&mut other).await), (vec![], vec![]));
}

#[tokio::test]
async fn a_proxy_that_is_dropped_closes_everything() {
    let proxy = proxy().await;
    let mut open = connect(&proxy).await;
    say(&mut open, b"1").await;
    assert_eq!(hear(&mut open, 1).await, b"1");
    let address = proxy.address();
    drop(proxy);
    assert_eq!(hear_all(&mut open).await, b"");
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
