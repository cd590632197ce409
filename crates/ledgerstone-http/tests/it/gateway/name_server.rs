//! A name server of a few records over UDP: what a resolver asks, and what it must live with.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

const NO_SUCH_NAME: u8 = 3;
const BROKEN: u8 = 2;

/// The records, by name in lower case and type.
#[derive(Debug, Default)]
struct Zone {
    records: HashMap<(String, u16), Vec<Vec<u8>>>,
    is_broken: bool,
    questions: usize,
}

/// Answers until the test ends.
#[derive(Debug)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl NameServer {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let zone = Arc::<Mutex<Zone>>::default();
        let served = Arc::clone(&zone);
        thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((size, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..size], &mut served.lock()) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, zone }
    }

    /// Sets the addresses of a name.
    pub(crate) fn addresses(&self, name: &str, addresses: &[Ipv4Addr]) {
        let records = addresses.iter().map(|address| address.octets().to_vec()).collect();
        self.zone.lock().records.insert((name.to_owned(), A), records);
    }

    /// Sets the addresses of the sixth version of a name.
    pub(crate) fn addresses_6(&self, name: &str, addresses: &[Ipv6Addr]) {
        let records = addresses.iter().map(|address| address.octets().to_vec()).collect();
        self.zone.lock().records.insert((name.to_owned(), AAAA), records);
    }

    /// Sets the services of a name: priority, weight, port, target.
    pub(crate) fn services(&self, name: &str, services: &[(u16, u16, u16, &str)]) {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| {
            let mut record = Vec::new();
            for number in [priority, weight, port] {
                record.extend_from_slice(&number.to_be_bytes());
            }
            record.extend_from_slice(&name_bytes(target));
            record
        };
        self.zone.lock().records.insert((name.to_owned(), SRV), services.iter().map(record).collect());
    }

    pub(crate) fn break_down(&self, is_broken: bool) {
        self.zone.lock().is_broken = is_broken;
    }

    pub(crate) fn forget(&self, name: &str) {
        self.zone.lock().records.retain(|(known, _), _| known != name);
    }

    pub(crate) fn questions(&self) -> usize {
        self.zone.lock().questions
    }
}

fn name_bytes(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).expect("a short label"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Answers one question: header, the question again, and the records (RFC 1035, 4.1).
fn answer(question: &[u8], zone: &mut Zone) -> Option<Vec<u8>> {
    zone.questions += 1;
    let id = question.get(..2)?;
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let size = usize::from(*question.get(at)?);
        at += 1;
        if size == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + size)?).to_lowercase());
        at += size;
    }
    let kind = u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?);
    let asked = question.get(12..at + 4)?;
    let name = labels.join(".");
    let is_known = zone.records.keys().any(|(known, _)| *known == name);
    let records = zone.records.get(&(name, kind)).cloned().unwrap_or_default();
    let (code, records) = match (zone.is_broken, is_known) {
        (true, _) => (BROKEN, Vec::new()),
        (false, false) => (NO_SUCH_NAME, Vec::new()),
        (false, true) => (0, records),
    };
    let mut answer = id.to_vec();
    answer.extend_from_slice(&[0x85, 0x80 | code, 0, 1]);
    answer.extend_from_slice(&u16::try_from(records.len()).ok()?.to_be_bytes());
    answer.extend_from_slice(&[0, 0, 0, 0]);
    answer.extend_from_slice(asked);
    for record in records {
        // A pointer to the name in the question, the type, IN, and 30 s.
        answer.extend_from_slice(&[0xC0, 12]);
        answer.extend_from_slice(&kind.to_be_bytes());
        answer.extend_from_slice(&[0, 1, 0, 0, 0, 30]);
        answer.extend_from_slice(&u16::try_from(record.len()).ok()?.to_be_bytes());
        answer.extend_from_slice(&record);
    }
    Some(answer)
}
