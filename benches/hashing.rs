//! How much of the machine's bcrypt throughput is left when 300 logins come at once, and keep coming.
//!
//! Compares threads that do nothing but bcrypt, as many as there are cores, with the hasher under 300 callers, in turns, so that
//! whatever else the machine does disturbs both. `cargo bench --bench hashing [-- SECONDS [ROUNDS]]`, on a machine that does
//! nothing else: the hashing threads run at the lowest priority and give way to any other program.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use hallpass::authority::hasher::{Hasher, HasherSettings, HashingError};
use hallpass::authority::password::Password;

const COST: u32 = 12;
const CALLERS: usize = 300;

fn main() {
    // The bench runner adds a flag of its own.
    let mut numbers = env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let seconds = Duration::from_secs(numbers.next().unwrap_or(10));
    let rounds = numbers.next().unwrap_or(2);
    let cores = thread::available_parallelism().unwrap().get();
    println!("cost {COST}, {cores} cores, {CALLERS} callers, {rounds} rounds of {seconds:?} each, {}", load_average());

    let (mut raw, mut raw_lowest, mut pooled) = (0.0, 0.0, 0.0);
    for _ in 0..rounds {
        raw += raw_threads(cores, 0, seconds);
        raw_lowest += raw_threads(cores, 19, seconds);
        pooled += hasher(cores, seconds);
    }
    let rounds = rounds as f64;
    println!("raw threads, normal priority   {:6.2} hashes/s", raw / rounds);
    println!("raw threads, lowest priority   {:6.2} hashes/s", raw_lowest / rounds);
    println!("hasher under {CALLERS} callers       {:6.2} hashes/s", pooled / rounds);
    println!("hasher / raw, normal priority  {:6.1} %   (the aim is 93 or more)", 100.0 * pooled / raw);
    println!("hasher / raw, lowest priority  {:6.1} %   (tells the hasher's own loss from other programs)", 100.0 * pooled / raw_lowest);
    println!("{}", load_average());
}

fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").map_or_else(|_| "load unknown".into(), |load| format!("load {}", load.trim()))
}

/// Hashes per second of threads that do nothing else, at a nice value.
fn raw_threads(threads: usize, nice: i32, time: Duration) -> f64 {
    let start = Instant::now();
    let work = move || {
        if nice > 0 {
            rustix::process::setpriority_process(Some(rustix::thread::gettid()), nice).unwrap();
        }
        let mut count = 0;
        while start.elapsed() < time {
            std::hint::black_box(bcrypt::hash_with_salt("a long enough password", COST, [7; 16]).unwrap());
            count += 1;
        }
        count
    };
    let threads: Vec<_> = (0..threads).map(|_| thread::spawn(work)).collect();
    let count: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    per_second(count, start.elapsed())
}

/// Answers per second of the hasher, with the queue of a default configuration. Who is told busy comes again shortly after.
fn hasher(threads: usize, time: Duration) -> f64 {
    let settings = HasherSettings { cost: COST, threads, queue: 64, queue_timeout: Duration::from_secs(2) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build().unwrap();
    let hasher = Hasher::start(settings).unwrap();
    let (mut answered, mut busy) = (0, 0);
    let start = Instant::now();
    runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(call_until(hasher.clone(), start + time))).collect();
        for caller in callers {
            let counts = caller.await.unwrap();
            answered += counts.0;
            busy += counts.1;
        }
    });
    let elapsed = start.elapsed();
    println!("  hasher: {answered} answered, {busy} told busy in {elapsed:.2?}");
    per_second(answered, elapsed)
}

async fn call_until(hasher: Hasher, deadline: Instant) -> (u32, u32) {
    let (mut answered, mut busy) = (0, 0);
    while Instant::now() < deadline {
        match hasher.verify(Password::new("a long enough password".into()), None).await {
            Ok(_) => answered += 1,
            Err(HashingError::Busy) => {
                busy += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (answered, busy)
}

fn per_second(count: u32, elapsed: Duration) -> f64 {
    f64::from(count) / elapsed.as_secs_f64()
}
