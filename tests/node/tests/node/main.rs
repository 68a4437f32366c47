//! The plugins against real kubelets and real containers.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what is left out has to be said")]

#[cfg(target_os = "linux")]
mod broken;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod flows;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod slow;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(obstacle) = node::obstacle() {
        println!("left out: {obstacle}");
        return ExitCode::SUCCESS;
    }
    #[cfg(target_os = "linux")]
    return run::run();
    #[cfg(not(target_os = "linux"))]
    ExitCode::SUCCESS
}
