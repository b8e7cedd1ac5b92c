//! A store of objects that says whatever it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

/// A store that gives one answer as it is told, and says to everything else that there is nothing.
pub(super) struct Store {
    endpoint: String,
    next: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Store {
    const NOTHING: &[u8] = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

    /// The one of this process.
    pub(super) fn running() -> &'static Self {
        static STORE: OnceLock<Store> = OnceLock::new();
        STORE.get_or_init(|| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
            let endpoint = format!("http://{}", listener.local_addr().expect("it listens"));
            let next = Arc::<Mutex<Option<Vec<u8>>>>::default();
            let answers = Arc::clone(&next);
            beside(move || {
                for peer in listener.incoming().flatten() {
                    let answers = Arc::clone(&answers);
                    beside(move || Self::serve(&peer, &answers));
                }
            });
            Store { endpoint, next }
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The answer to the next question.
    pub(super) fn say(&self, answer: &[u8]) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.to_vec());
    }

    fn serve(mut peer: &TcpStream, answers: &Mutex<Option<Vec<u8>>>) {
        let mut lines = BufReader::new(peer).lines().map_while(Result::ok);
        // The head of a request ends with an empty line, and it has no body.
        while lines.any(|line| line.is_empty()) {
            let told = answers.lock().unwrap_or_else(PoisonError::into_inner).take();
            let body = told.as_deref().unwrap_or(Self::NOTHING);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            if peer.write_all(&[head.as_bytes(), body].concat()).is_err() {
                return;
            }
        }
    }
}

fn beside(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name("store".to_owned()).spawn(work).expect("there is room for a thread");
}
