//! Ctrl-C and the request to terminate.
//!
//! What waits for the network is simply dropped when one comes ([`ended`]). What blocks the process, a question or the
//! reading of standard input, cannot be dropped: meanwhile a signal does what it does to a program that knows none
//! ([`at_once`]). Either way the process dies by the signal, as shells and what runs them expect.

use std::sync::atomic::{AtomicBool, Ordering};

/// What asked a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The keyboard (SIGINT).
    Interrupt,
    /// Whoever runs it (SIGTERM).
    Terminate,
}

/// Whether a command of somebody has the terminal, and with it the keyboard's signals.
static LENT: AtomicBool = AtomicBool::new(false);

/// Does something that blocks: a signal meanwhile ends the process at once.
pub fn at_once<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(unix)]
    {
        let blocks = unix::blocks();
        blocks.store(true, Ordering::SeqCst);
        let done = work();
        blocks.store(false, Ordering::SeqCst);
        done
    }
    #[cfg(not(unix))]
    work()
}

/// Waits for Ctrl-C or a request to terminate. What was written stays written; nothing here is half done.
pub async fn ended() -> Signal {
    loop {
        let signal = either().await;
        if !LENT.load(Ordering::SeqCst) {
            return signal;
        }
    }
}

async fn either() -> Signal {
    tokio::select! {
        () = terminated() => Signal::Terminate,
        result = tokio::signal::ctrl_c() => match result {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        },
    }
}

/// Waits for a request to terminate.
pub async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate())
            && terminate.recv().await.is_some()
        {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// The time for which a command has the terminal: what the keyboard says is for it.
pub struct Lent(());

impl Lent {
    /// Lends the terminal.
    pub fn out() -> Lent {
        LENT.store(true, Ordering::SeqCst);
        Lent(())
    }

    /// Takes it back, once what came until now was seen by whoever waits for it.
    pub async fn back(self) {
        tokio::task::yield_now().await;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.store(false, Ordering::SeqCst);
    }
}

/// Dies by a signal, as shells expect; returns where there are none.
pub fn die_of(signal: Signal) {
    #[cfg(unix)]
    unix::die_of(signal);
    #[cfg(not(unix))]
    let _ = signal;
}

#[cfg(unix)]
mod unix {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, OnceLock};

    use signal_hook::consts::{SIGINT, SIGTERM};

    use super::Signal;

    /// Returns what says whether something blocks; while it does, the signals do what they do by default.
    pub(super) fn blocks() -> &'static AtomicBool {
        static BLOCKS: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        BLOCKS.get_or_init(|| {
            let blocks = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                // Where that fails a signal waits until the answer is there.
                let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&blocks));
            }
            blocks
        })
    }

    pub(super) fn die_of(signal: Signal) {
        let signal = match signal {
            Signal::Interrupt => SIGINT,
            Signal::Terminate => SIGTERM,
        };
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
}
