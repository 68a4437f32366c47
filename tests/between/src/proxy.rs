//! A proxy before an API server, with the server's own certificate: its clients cannot tell the two apart.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{sleep, spawn};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::http::{Request, answer, failure};
use crate::relay::Head;

/// How long nothing may come before somebody looks whether there is still a reason to wait.
const LOOK: Duration = Duration::from_millis(250);

/// What a proxy does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It answers itself, with this status.
    Answers(u16),
    /// The connection is reset before the server has the request.
    Loses,
    /// The server has it, and the connection is reset before its answer comes.
    LosesAnswer,
    /// It takes so many milliseconds.
    Delays(u64),
    /// Nothing passes, in any connection, and what came meanwhile is lost when that is over.
    Mutes,
}

/// What a proxy does, and to how many of a hundred requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// What it does.
    pub trouble: Trouble,
    /// To how many of a hundred.
    pub percent: u8,
}

/// A write that the server has answered.
#[derive(Clone, Debug)]
pub struct Passed {
    /// What was sent.
    pub request: Request,
    /// The status of the answer.
    pub status: u16,
}

/// A running proxy; it stays for as long as this process.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    weather: Mutex<Option<Weather>>,
    /// Counts the requests: by that they are picked, evenly.
    requests: AtomicU64,
    /// How often all connections were cut.
    cuts: AtomicU64,
    done: Mutex<BTreeMap<String, u64>>,
    passed: Mutex<Vec<Passed>>,
}

/// Both sides of TLS, and the server.
struct Ends {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    to: SocketAddr,
}

impl Proxy {
    /// Starts one before the API server at an address, whose certificate, key and authority (`apiserver.crt`,
    /// `apiserver.key`, `ca.crt`) are in a folder.
    ///
    /// # Errors
    ///
    /// Where these cannot be read or there is no free port.
    pub fn start(folder: &Path, to: SocketAddr) -> io::Result<Proxy> {
        let certificate =
            CertificateDer::from_pem_file(folder.join("apiserver.crt")).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(folder.join("apiserver.key")).map_err(io::Error::other)?;
        let authority = CertificateDer::from_pem_file(folder.join("ca.crt")).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(io::Error::other)?;
        let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let ends = Arc::new(Ends {
            server: Arc::new(server.map_err(io::Error::other)?),
            client: Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()),
            to,
        });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Proxy { address: listener.local_addr()?, state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (ends, state) = (Arc::clone(&ends), Arc::clone(&state));
                spawn(move || serve(&stream, &ends, &state));
            }
        });
        Ok(proxy)
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens to requests from now on; none is fair weather.
    pub fn set(&self, weather: Option<Weather>) {
        *lock(&self.state.weather) = weather;
    }

    /// Cuts every connection in which an answer is under way: all watches.
    pub fn cut(&self) {
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns how many requests there were, and to how many of them what was done.
    pub fn counts(&self) -> (u64, BTreeMap<String, u64>) {
        (self.state.requests.load(Ordering::SeqCst), lock(&self.state.done).clone())
    }

    /// Returns the writes that the server has answered since the last time, in the order of their answers.
    pub fn passed(&self) -> Vec<Passed> {
        std::mem::take(&mut *lock(&self.state.passed))
    }
}

impl State {
    /// What is done to the next request.
    fn trouble(&self) -> Option<Trouble> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let weather = (*lock(&self.weather))?;
        // Strewn, and the same for each request of that number.
        let strewn = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let trouble = (strewn % 100 < u64::from(weather.percent)).then_some(weather.trouble)?;
        *lock(&self.done).entry(trouble.name().into()).or_default() += 1;
        Some(trouble)
    }

    fn is_mute(&self) -> bool {
        lock(&self.weather).is_some_and(|weather| weather.trouble == Trouble::Mutes)
    }
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Trouble::Answers(429) => "answered 429",
            Trouble::Answers(500) => "answered 500",
            Trouble::Answers(_) => "answered 503",
            Trouble::Loses => "lost",
            Trouble::LosesAnswer => "lost with their answers",
            Trouble::Delays(_) => "delayed",
            Trouble::Mutes => "dropped",
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one connection, until one side or the weather ends it.
fn serve(client: &TcpStream, ends: &Ends, state: &State) {
    let (Ok(socket), Ok(session)) = (client.try_clone(), ServerConnection::new(Arc::clone(&ends.server)))
    else {
        return;
    };
    let _ = client.set_nodelay(true);
    let mut stream = BufReader::new(StreamOwned::new(session, socket));
    let mut server = None;
    while let Some(request) = Request::read(&mut stream) {
        if !handle(&request, stream.get_mut(), client, &mut server, ends, state).unwrap_or(false) {
            break;
        }
    }
}

type Server<'c> = BufReader<Patient<'c>>;

/// Does one request; whether there may be another one.
fn handle<'c>(
    request: &Request,
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    client: &'c TcpStream,
    server: &mut Option<Server<'c>>,
    ends: &Ends,
    state: &'c State,
) -> io::Result<bool> {
    let trouble = state.trouble();
    match trouble {
        Some(Trouble::Answers(status)) => {
            stream.write_all(&refusal(status))?;
            stream.flush()?;
            return Ok(true);
        }
        Some(Trouble::Loses) => return reset(client),
        Some(Trouble::Delays(millis)) => sleep(Duration::from_millis(millis)),
        Some(Trouble::Mutes) => {
            while state.is_mute() && !is_gone(client) {
                sleep(LOOK);
            }
            return reset(client);
        }
        Some(Trouble::LosesAnswer) | None => {}
    }
    let mut ready = match server.take() {
        Some(ready) => ready,
        None => BufReader::new(Patient::connect(client, ends, state)?),
    };
    ready.get_mut().cuts = state.cuts.load(Ordering::SeqCst);
    let to = &mut ready.get_mut().stream;
    to.write_all(&request.bytes())?;
    to.flush()?;
    let head = Head::read(&mut ready, &request.method)?;
    if request.method != "GET" {
        lock(&state.passed).push(Passed { request: request.clone(), status: head.status() });
    }
    if trouble == Some(Trouble::LosesAnswer) {
        return reset(client);
    }
    let again = head.pass_on(&mut ready, stream)?;
    *server = again.then_some(ready);
    Ok(again)
}

/// Ends a connection as a machine does that has forgotten it.
fn reset(client: &TcpStream) -> io::Result<bool> {
    rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO))?;
    Ok(false)
}

fn refusal(status: u16) -> Vec<u8> {
    match status {
        // As the server itself does where it has too much to do.
        429 => answer(
            "429 Too Many Requests",
            &["retry-after: 1", "content-type: text/plain"],
            "too many requests",
        ),
        500 => failure("500 Internal Server Error", "InternalError", "an error on the server"),
        _ => answer(
            "503 Service Unavailable",
            &["content-type: text/html"],
            "<html>no healthy upstream</html>",
        ),
    }
}

/// Whether a client that waits for an answer has gone: it has nothing to say meanwhile but its farewell.
fn is_gone(client: &TcpStream) -> bool {
    let look = client.set_nonblocking(true).and_then(|()| client.peek(&mut [0]));
    let waits = look.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    client.set_nonblocking(false).is_err() || !waits
}

/// A connection to the server that is read for as long as there is a reason to.
struct Patient<'c> {
    stream: StreamOwned<ClientConnection, TcpStream>,
    client: &'c TcpStream,
    state: &'c State,
    cuts: u64,
}

impl<'c> Patient<'c> {
    fn connect(client: &'c TcpStream, ends: &Ends, state: &'c State) -> io::Result<Self> {
        let socket = TcpStream::connect(ends.to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LOOK))?;
        let name = ServerName::from(ends.to.ip());
        let session = ClientConnection::new(Arc::clone(&ends.client), name).map_err(io::Error::other)?;
        Ok(Patient { stream: StreamOwned::new(session, socket), client, state, cuts: 0 })
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.cuts != self.state.cuts.load(Ordering::SeqCst) {
                let _ = reset(self.client);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if is_gone(self.client) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if self.state.is_mute() {
                sleep(LOOK);
                continue;
            }
            match self.stream.read(bytes) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                other => return other,
            }
        }
    }
}
