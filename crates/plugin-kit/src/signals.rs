//! Ctrl-C and the request to terminate.
//!
//! What waits for the network is simply dropped when one comes ([`ended`]). What blocks the process, a question or the
//! reading of standard input, cannot be dropped: meanwhile a signal does what it does to a program that knows none
//! ([`at_once`]). Either way the process dies by the signal, as shells and what runs them expect.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

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
pub async fn ended() -> Exit {
    loop {
        let exit = either().await;
        if !LENT.load(Ordering::SeqCst) {
            return exit;
        }
    }
}

async fn either() -> Exit {
    tokio::select! {
        () = terminated() => Exit::Terminated,
        result = tokio::signal::ctrl_c() => match result {
            Ok(()) => Exit::Interrupted,
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
    std::future::pending().await
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

/// Dies by the signal that ended a verb; returns where none did.
pub fn die_of(exit: Exit) {
    #[cfg(unix)]
    unix::die_of(exit);
    #[cfg(not(unix))]
    let _ = exit;
}

#[cfg(unix)]
mod unix {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, OnceLock};

    use signal_hook::consts::{SIGINT, SIGTERM};

    use crate::exit::Exit;

    /// Returns what says whether something blocks; while it does, the signals do what they do by default.
    pub fn blocks() -> &'static AtomicBool {
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

    pub fn die_of(exit: Exit) {
        let signal = match exit {
            Exit::Interrupted => SIGINT,
            Exit::Terminated => SIGTERM,
            _ => return,
        };
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
}
