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
        Some(folder) => Lab::start(&folder).map(|lab| tests(&Arc::new(lab))),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// Those that change nothing but what is their own run beside each other, and the others one after another.
fn tests(lab: &Arc<Lab>) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = args.test_threads.or(Some(THREADS));
    // The longest first.
    let beside = crate::flows::all(lab).into_iter().chain(crate::cases::all(lab)).collect();
    let beside = libtest_mimic::run(&args, beside);
    args.test_threads = Some(1);
    let alone = libtest_mimic::run(&args, crate::faults::all(lab));
    if beside.has_failed() { beside.exit_code() } else { alone.exit_code() }
}

/// What has to be fetched is fetched here: inside there is no way out.
fn outside() -> Result<ExitCode, String> {
    cluster::build_tools().map_err(|error| error.to_string())?;
    cluster::build_plugins().map_err(|error| error.to_string())?;
    node::build()?;
    let code = node::enter()?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
