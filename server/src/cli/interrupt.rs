//! Somebody tells a command to stop: Ctrl-C, or SIGTERM.

/// Comes when this process is told to stop. It is listened for from the call on, not from the first poll.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{Signal, SignalKind, signal};
        // Where the system does not let us listen, it ends the process by itself.
        let (interrupt, terminate) = (signal(SignalKind::interrupt()).ok(), signal(SignalKind::terminate()).ok());
        async move {
            let comes = async |signal: Option<Signal>| {
                if let Some(mut signal) = signal
                    && signal.recv().await.is_some()
                {
                    return;
                }
                std::future::pending().await
            };
            tokio::select! {
                () = comes(interrupt) => {}
                () = comes(terminate) => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
}
