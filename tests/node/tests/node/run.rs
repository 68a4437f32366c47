//! Builds, goes inside, starts the nodes, and runs the tests there, many at a time: most of the time is spent on waiting.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Arguments;
use node::Lab;

/// Tests at a time: real back-offs take ten seconds and more.
const THREADS: usize = 16;

pub fn run() -> ExitCode {
    let outcome = match node::inside() {
        None => outside(),
        Some(folder) => Lab::start(&folder).map(|lab| {
            let mut args = Arguments::from_args();
            args.test_threads = args.test_threads.or(Some(THREADS));
            libtest_mimic::run(&args, crate::cases::all(&Arc::new(lab))).exit_code()
        }),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// What has to be fetched is fetched here: inside there is no way out.
fn outside() -> Result<ExitCode, String> {
    cluster::build_tools().map_err(|error| error.to_string())?;
    cluster::build_plugins().map_err(|error| error.to_string())?;
    node::build()?;
    let code = node::enter()?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
