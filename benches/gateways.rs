//! What it costs a gateway to ask: `cargo bench --bench gateways [-- ROUNDS]`.
//!
//! Starts the compiled program with default settings over a SQLite file of its own, on loopback. First how many answers of `/auth/verify` there
//! are a second, against those of `/livez`, which nobody guards, sent the same headers: eight keep-alive connections ask for one second each in
//! turn. The bar: at least 90 %. Then nginx with `deploy/nginx/nginx.conf` in front of a small service: one connection asks for a guarded path
//! and for one that nginx passes on without asking, in turn, and each answer is timed. The bar: the median grows by less than a millisecond.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measurement that cannot be made should stop")]

mod program;

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use actix_web::{App, HttpServer, web};
use program::{CONNECTIONS, Program, WINDOW, add_person_and_client, ask, median, quantile};

const REQUESTS: usize = 5000;

fn main() {
    let rounds = env::args().filter_map(|argument| argument.parse::<usize>().ok()).next().unwrap_or(10);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("gateways.db").display());
    add_person_and_client(&url);
    let program = Program::start(&url);
    let token = program.token();
    throughput(&program, &token, rounds);
    latency(&program, &token, folder.path());
}

fn request(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n")
}

fn throughput(program: &Program, token: &str, rounds: usize) {
    let requests = ["/livez", "/auth/verify"].map(|path| request(path, token));
    // The first round warms everything up.
    let mut measured: Vec<[f64; 2]> = (0..=rounds).map(|_| requests.each_ref().map(|request| program.per_second(request))).collect();
    measured.remove(0);
    println!("{rounds} rounds of {WINDOW:?} each, {CONNECTIONS} connections");
    println!("  GET /livez         {:8.0} a second", median(measured.iter().map(|round| round[0])));
    println!("  GET /auth/verify   {:8.0} a second", median(measured.iter().map(|round| round[1])));
    println!("  ratio              {:8.2} (bar: at least 0.90)", median(measured.iter().map(|round| round[1] / round[0])));
}

fn latency(program: &Program, token: &str, folder: &Path) {
    let Some(nginx) = Nginx::start(program.address, service(), folder) else {
        println!("left out: nginx, which is not here");
        return;
    };
    let mut stream = TcpStream::connect(nginx.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let requests = ["/open", "/else"].map(|path| request(path, token));
    let mut timed = |request: &str| {
        let started = Instant::now();
        let (status, answer) = ask(&mut stream, request);
        assert!(status == 200 && answer.ends_with("hello"), "{answer}");
        started.elapsed().as_secs_f64() * 1000.0
    };
    let mut round = || requests.each_ref().map(|request| timed(request));
    for _ in 0..REQUESTS / 10 {
        round();
    }
    // nginx closes a connection after a thousand requests unless told otherwise; the configuration below tells it.
    let measured: Vec<[f64; 2]> = (0..REQUESTS).map(|_| round()).collect();
    let quantiles = |column: usize| [0.5, 0.99].map(|share| quantile(measured.iter().map(|round| round[column]), share));
    let [open, guarded] = [quantiles(0), quantiles(1)];
    println!("{REQUESTS} requests each through nginx, one connection{:>12} {:>8}", "median", "p99");
    println!("  passed on without asking {:>27.3} {:>8.3} ms", open[0], open[1]);
    println!("  auth_request             {:>27.3} {:>8.3} ms", guarded[0], guarded[1]);
    println!("  added to the median      {:>27.3} ms (bar: less than 1)", guarded[0] - open[0]);
}

/// What is guarded, on a thread of its own.
fn service() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(|| App::new().default_service(web::to(|| async { "hello" })));
            let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
            sender.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

/// nginx as it is shipped, but for its ports and one path more; ended with this value.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    fn start(hallpass: SocketAddr, service: SocketAddr, folder: &Path) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists())?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let shipped = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx/nginx.conf")).unwrap();
        let root = "        location / {";
        assert!(shipped.contains(root));
        let open = format!("        keepalive_requests 1000000;\n        location /open {{ proxy_pass http://service; }}\n{root}");
        let ours = shipped
            .replace("127.0.0.1:8000", &address.to_string())
            .replace("127.0.0.1:8080", &hallpass.to_string())
            .replace("127.0.0.1:9000", &service.to_string())
            .replace(root, &open);
        let config = folder.join("nginx.conf");
        fs::write(&config, ours).unwrap();
        fs::create_dir(folder.join("logs")).unwrap();
        let globals = format!("daemon off; pid {};", folder.join("nginx.pid").display());
        let command =
            Command::new(program).arg("-p").arg(folder).arg("-c").arg(&config).args(["-g", &globals]).stderr(Stdio::piped()).spawn();
        let mut nginx = Self { child: command.unwrap(), address };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until || nginx.child.try_wait().unwrap().is_some() {
                let mut said = String::new();
                let _ = nginx.child.kill();
                nginx.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("nginx does not start: {said}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to stop, since its workers outlive a master that is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
