//! Brokers on this machine: librdkafka's mock of Kafka, kept alive by Python, and a NATS server.

use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A port that was just free.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that does not outlive the test.
pub(super) struct Process(pub(super) Child);

impl Process {
    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where messages go.
pub(super) enum Broker {
    Kafka(Kafka),
    Nats(Nats),
}

pub(super) const TOPIC: &str = "orders";

pub(super) struct Kafka {
    _process: Process,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(super) address: String,
}

pub(super) struct Nats {
    process: Process,
    folder: PathBuf,
    port: u16,
    wire: Wire,
    /// Messages that are not acknowledged yet.
    waiting: usize,
}

impl Broker {
    /// Four partitions; `None`, said aloud, where the machine has no such broker.
    pub(super) fn kafka(compression: &str) -> Option<Self> {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/brokers-venv/bin/python");
        let python = std::env::var_os("NIGH_KAFKA_PYTHON").map_or(venv, PathBuf::from);
        if !python.exists() {
            eprintln!("SKIPPED: no Python with confluent-kafka at {} (.ci/run puts it there)", python.display());
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams/broker.py");
        let mut python = Command::new(python);
        python.arg(script).args([TOPIC, compression]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = python.spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut kafka = Kafka { _process: Process(process), orders, answers, address: String::new() };
        kafka.address = kafka.answer();
        Some(Self::Kafka(kafka))
    }

    /// As many streams as asked for, `lane0` and so on, each with subjects of its own.
    pub(super) async fn nats(folder: &Path, lanes: u64) -> Option<Self> {
        if Command::new("nats-server").arg("--version").output().is_err() {
            eprintln!("SKIPPED: there is no nats-server (Debian's package of this name)");
            return None;
        }
        let port = free_port();
        let process = start_nats(folder, port);
        let mut wire = Wire::connect(port);
        for lane in 0..lanes {
            let name = format!("lane{lane}");
            let config = json!({
                "name": name, "subjects": [format!("{name}.>")], "storage": "file", "retention": "limits", "discard": "old",
                "num_replicas": 1, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
            });
            wire.publish(&format!("$JS.API.STREAM.CREATE.{name}"), &config.to_string()).unwrap();
            let answer = wire.answer().unwrap();
            assert!(!answer.contains("\"error\""), "{answer}");
        }
        Some(Self::Nats(Nats { process, folder: folder.to_owned(), port, wire, waiting: 0 }))
    }

    /// What tells an import where it is.
    pub(super) fn args(&self, lanes: u64) -> Vec<String> {
        match self {
            Self::Kafka(kafka) => ["--from-kafka", &kafka.address, "--topic", TOPIC].map(str::to_owned).to_vec(),
            Self::Nats(nats) => {
                let mut args = vec!["--from-nats".to_owned(), format!("nats://127.0.0.1:{}", nats.port)];
                args.extend((0..lanes).flat_map(|lane| ["--stream".to_owned(), format!("lane{lane}")]));
                args
            }
        }
    }

    pub(super) async fn send(&mut self, lane: u64, key: &str, value: Option<&str>) {
        match self {
            Self::Kafka(kafka) => {
                let message = json!({"partition": lane, "key": key, "value": value});
                writeln!(kafka.orders, "{message}").unwrap();
            }
            Self::Nats(nats) => {
                nats.wire.publish(&format!("lane{lane}.{key}"), value.unwrap_or_default()).unwrap();
                nats.waiting += 1;
                if nats.waiting == 256 {
                    nats.flush();
                }
            }
        }
    }

    /// Waits until all is in.
    pub(super) async fn flush(&mut self) {
        match self {
            Self::Kafka(kafka) => {
                writeln!(kafka.orders, "{}", json!({"flush": true})).unwrap();
                assert_eq!(kafka.answer(), "in");
            }
            Self::Nats(nats) => nats.flush(),
        }
    }

    /// Kills it and starts it again, where it has a disk.
    pub(super) async fn crash(&mut self) -> bool {
        let Self::Nats(nats) = self else { return false };
        nats.process.kill();
        nats.process = start_nats(&nats.folder, nats.port);
        nats.wire = Wire::connect(nats.port);
        true
    }
}

impl Kafka {
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Nats {
    fn flush(&mut self) {
        for _ in 0..std::mem::take(&mut self.waiting) {
            let answer = self.wire.answer().unwrap();
            assert!(answer.contains("\"seq\""), "{answer}");
        }
    }
}

fn start_nats(folder: &Path, port: u16) -> Process {
    let mut nats = Command::new("nats-server");
    nats.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(folder).stderr(Stdio::null());
    Process(nats.spawn().unwrap())
}

/// As much of the protocol of NATS as it takes to publish, and to be told that it is in.
struct Wire {
    out: TcpStream,
    said: BufReader<TcpStream>,
}

impl Wire {
    /// Waits until the server answers for its streams.
    fn connect(port: u16) -> Self {
        loop {
            let opened = TcpStream::connect(("127.0.0.1", port)).and_then(|out| {
                out.set_read_timeout(Some(Duration::from_secs(10)))?;
                let said = BufReader::new(out.try_clone()?);
                let mut wire = Self { out, said };
                wire.out.write_all(b"CONNECT {\"verbose\":false}\r\nSUB _IN 1\r\n")?;
                wire.out.set_read_timeout(Some(Duration::from_millis(500)))?;
                wire.publish("$JS.API.INFO", "")?;
                wire.answer()?;
                wire.out.set_read_timeout(Some(Duration::from_secs(60)))?;
                Ok(wire)
            });
            match opened {
                Ok(wire) => return wire,
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn publish(&mut self, subject: &str, body: &str) -> std::io::Result<()> {
        self.out.write_all(format!("PUB {subject} _IN {}\r\n{body}\r\n", body.len()).as_bytes())
    }

    /// The next message for us.
    fn answer(&mut self) -> std::io::Result<String> {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.starts_with("PING") {
                self.out.write_all(b"PONG\r\n")?;
            } else if line.starts_with("MSG") {
                let length: usize = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
                let mut body = vec![0; length + 2];
                self.said.read_exact(&mut body)?;
                return Ok(String::from_utf8(body).unwrap());
            }
        }
    }
}
