//! The proxy beside nginx: the same upstream, the same load, in turns, in one run.
//!
//! Run it with `cargo bench -p ledgerstone-http --bench gateway`. nginx is found on `PATH`; without it the run says
//! so and measures the proxy alone. Upstream, proxy and load are processes of their own, so that none of them
//! shares a runtime with another. The proxy's connections are spread over two threads with a runtime each, as nginx
//! spreads its own over two workers.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark talks to a terminal, and may fail"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use ledgerstone_http::{
    ClientOptions, Proxy, ReqwestClient, RouteAuth, RouteSettings, ServiceSettings, Services,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tower::ServiceExt as _;

const ROLE: &str = "LEDGERSTONE_GATEWAY_BENCH";
/// The bar: how much of nginx's rate the proxy has to reach.
const BAR: f64 = 0.6;
const CONNECTIONS: usize = 64;
const WINDOWS: usize = 9;
const WINDOW: Duration = Duration::from_secs(2);
const BODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn main() -> ExitCode {
    let role = std::env::var(ROLE).unwrap_or_default();
    let words: Vec<&str> = role.split(' ').collect();
    match words.as_slice() {
        ["upstream", address] => run(upstream(address.parse().expect("an address"))),
        ["proxy", address, upstream] => {
            run(proxy(address.parse().expect("an address"), (*upstream).to_owned()))
        }
        // `cargo test` and `cargo nextest` only want to know that it starts.
        _ if std::env::args().any(|argument| argument == "--test") => ExitCode::SUCCESS,
        _ => compare(),
    }
}

fn run(role: impl Future<Output = ()>) -> ExitCode {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(role);
    ExitCode::SUCCESS
}

/// Ends a process that this one began.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(role: String) -> Running {
    let program = std::env::current_exe().expect("this program");
    Running(Command::new(program).env(ROLE, role).spawn().expect("a process"))
}

fn compare() -> ExitCode {
    let [upstream, ours, theirs] = free_addresses();
    let _upstream = start(format!("upstream {upstream}"));
    let _proxy = start(format!("proxy {ours} {upstream}"));
    let folder = std::env::temp_dir().join(format!("ledgerstone-gateway-bench-{}", std::process::id()));
    let nginx = find_nginx().map(|program| start_nginx(&program, &folder, theirs, upstream));
    let mut targets = vec![("upstream itself", upstream), ("ledgerstone", ours)];
    match &nginx {
        Some(_) => targets.push(("nginx", theirs)),
        None => println!("nginx is not on PATH (Debian package nginx); there is nothing to compare with"),
    }
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rates = runtime.block_on(async {
        for (_, address) in &targets {
            wait_for(*address).await;
            load(*address, WINDOW / 4).await;
        }
        let mut rates = vec![Vec::new(); targets.len()];
        for _ in 0..WINDOWS {
            for (index, (_, address)) in targets.iter().enumerate() {
                rates[index].push(load(*address, WINDOW).await);
            }
        }
        rates
    });
    drop(nginx);
    let _ = std::fs::remove_dir_all(&folder);
    tell(&targets, rates)
}

fn tell(targets: &[(&str, SocketAddr)], rates: Vec<Vec<f64>>) -> ExitCode {
    println!("{CONNECTIONS} connections, {WINDOWS} windows of {WINDOW:?} each, in turns; requests a second:");
    let mut medians = BTreeMap::new();
    for ((name, _), mut of) in targets.iter().zip(rates) {
        of.sort_by(f64::total_cmp);
        let median = of[of.len() / 2];
        println!("{name:>16}: median {median:>8.0}, from {:>8.0} to {:>8.0}", of[0], of[of.len() - 1]);
        medians.insert(*name, median);
    }
    let Some(nginx) = medians.get("nginx") else { return ExitCode::SUCCESS };
    let ratio = medians["ledgerstone"] / nginx;
    let verdict = if ratio >= BAR { "held" } else { "missed" };
    println!("{ratio:.2} of nginx; the bar of {BAR} is {verdict}");
    if ratio >= BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn free_addresses() -> [SocketAddr; 3] {
    let bound = [(); 3].map(|()| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    bound.map(|listener| listener.local_addr().expect("an address"))
}

fn find_nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Debian puts it where only an administrator's PATH looks.
    folders.push("/usr/sbin".into());
    folders.into_iter().map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

/// nginx, which is asked to end: killed, it would leave its workers behind.
struct Nginx {
    child: Child,
    stop: Command,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.stop.status();
        let _ = self.child.wait();
    }
}

fn start_nginx(program: &Path, folder: &Path, address: SocketAddr, upstream: SocketAddr) -> Nginx {
    std::fs::create_dir_all(folder).expect("a folder");
    let at = folder.display();
    let text = format!(
        "worker_processes 2;\ndaemon off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 100000000;\n\
         client_body_temp_path {at}/body;\n  proxy_temp_path {at}/proxy;\n  fastcgi_temp_path {at}/fastcgi;\n\
         uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n\
         upstream behind {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}\n\
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://behind;\n\
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n\
         proxy_set_header X-Forwarded-For $remote_addr;\n      proxy_set_header X-Forwarded-Host $host;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\n    }}\n  }}\n}}\n"
    );
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text).expect("a file");
    let command = || {
        let mut command = Command::new(program);
        command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(&config).arg("-p").arg(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut stop = command();
    stop.args(["-s", "stop"]);
    Nginx { child: command().spawn().expect("nginx"), stop }
}

async fn proxy(address: SocketAddr, upstream: String) {
    let client = Arc::new(ReqwestClient::new(ClientOptions::default()).expect("a client"));
    let settings = BTreeMap::from([("upstream".to_owned(), ServiceSettings::at([upstream.as_str()]))]);
    let services = Services::builder(client).start(&settings).expect("services");
    let route = RouteSettings { auth: RouteAuth::Open, ..RouteSettings::prefix("/", "upstream") };
    let proxy = Proxy::builder(services).build(&[route]).expect("a proxy");
    let listener = TcpListener::bind(address).await.expect("the address");
    let lanes = [lane(), lane()];
    for lane in lanes.iter().cycle() {
        let (stream, caller) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let stream = stream.into_std().expect("a connection");
        lane.spawn(serve(stream, caller, proxy.clone()));
    }
}

/// Starts a thread with a runtime of its own.
fn lane() -> Handle {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}

async fn serve(stream: std::net::TcpStream, caller: SocketAddr, proxy: Proxy) {
    let stream = TokioIo::new(TcpStream::from_std(stream).expect("a connection"));
    let service = proxy.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(caller));
        request
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(stream, TowerToHyperService::new(service)).await;
}

/// Answers every request with the same small body; it reads no more than it must.
async fn upstream(address: SocketAddr) {
    let listener = TcpListener::bind(address).await.expect("the address");
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let answer: Arc<str> = answer.into();
    while let Ok((mut connection, _)) = listener.accept().await {
        let _ = connection.set_nodelay(true);
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let mut read = vec![0; 16 * 1024];
            let mut held = 0;
            while let Ok(size @ 1..) = connection.read(&mut read[held..]).await {
                held += size;
                let mut done = 0;
                while let Some(end) = read[done..held].windows(4).position(|four| four == b"\r\n\r\n") {
                    done += end + 4;
                    if connection.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
                read.copy_within(done..held, 0);
                held -= done;
            }
        });
    }
}

async fn wait_for(address: SocketAddr) {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens at {address}");
}

/// Returns how many requests a second were answered over so many connections, one under way on each.
async fn load(address: SocketAddr, window: Duration) -> f64 {
    let started = Instant::now();
    let callers: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(caller(address, started + window))).collect();
    let mut answered = 0_u32;
    for caller in callers {
        answered += caller.await.expect("a caller");
    }
    f64::from(answered) / started.elapsed().as_secs_f64()
}

async fn caller(address: SocketAddr, until: Instant) -> u32 {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    let _ = connection.set_nodelay(true);
    let request = format!("GET /orders/42 HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\r\n");
    let mut read = vec![0; 16 * 1024];
    let mut answered = 0;
    while Instant::now() < until {
        connection.write_all(request.as_bytes()).await.expect("sent");
        let mut held = 0;
        // Every answer ends with the same body, whatever headers stand before it.
        while !read[..held].ends_with(BODY.as_bytes()) {
            let size = connection.read(&mut read[held..]).await.expect("an answer");
            assert!(size > 0, "{address} hung up: {}", String::from_utf8_lossy(&read[..held]));
            held += size;
        }
        answered += 1;
    }
    answered
}
