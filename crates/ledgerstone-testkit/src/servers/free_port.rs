//! A port of 127.0.0.1 that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};

use uuid::Uuid;

use super::server_error::ServerError;

/// Below the ports that Linux hands to clients (from 32768 on): a client that calls a dead server there
/// may be given that very port and find itself connected to itself, where a test awaits a refusal.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const TRIES: u32 = 64;

/// Finds a port that is free at this moment, drawn anew by each call.
///
/// Another process may take it before it is used; so whoever uses it must be ready to ask again.
pub(super) fn free_port() -> Result<u16, ServerError> {
    listener().map(|(port, _)| port)
}

/// Listens on a free port, and so holds it.
pub(super) fn listener() -> Result<(u16, TcpListener), ServerError> {
    let drawn = std::iter::repeat_with(draw).take(usize::try_from(TRIES).unwrap_or(usize::MAX));
    let mut held =
        drawn.filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)));
    held.next().ok_or(ServerError::NoPort { tried: TRIES })
}

fn draw() -> u16 {
    // Across processes too: tests of several executables run at once.
    let span = u128::from(PORTS.end - PORTS.start);
    let offset = Uuid::new_v4().as_u128() % span;
    PORTS.start.saturating_add(u16::try_from(offset).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_held_is_not_found_again() {
        let held: Vec<_> = (0..20).map(|_| listener().expect("a free port")).collect();
        let mut ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), held.len());
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
