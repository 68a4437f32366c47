//! `cargo xtask fuzz`: looks for what breaks the readers of what comes from elsewhere (`tests/fuzz`), led by coverage.
//!
//! libFuzzer is linked to code that counts where it gets to. A stable compiler does that when it is asked for by its passes;
//! what else `cargo fuzz` adds, a sanitizer of memory, has little to find where no code is unsafe.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cluster::{cargo, workspace};

use crate::Result;

const TARGETS: [&str; 6] = ["stored", "kubeconfig", "helper", "kuberc", "jsonpath", "manifests"];

/// What `cargo fuzz` asks of the compiler, without the sanitizer.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Bytes of an input: enough for every construct, few enough to be tried often.
const LONGEST: u32 = 4096;
/// Files of a corpus, which the tests go through each time.
const MOST_FILES: usize = 60;
/// Seconds after which an input is taken to have no end.
const PATIENCE: u32 = 30;
/// Megabytes after which it is taken to be boundless.
const MEMORY: u32 = 1024;

struct Request {
    targets: Vec<String>,
    minutes: u64,
    keep: bool,
}

pub(crate) fn run(args: &[String]) -> Result {
    let request = parse(args)?;
    let triple = crate::dist::host()?;
    println!("building with coverage");
    let program = build(&triple)?;
    let mut broken = Vec::new();
    for target in &request.targets {
        if let Some(inputs) = fuzz(&program, target, &request)? {
            broken.push(format!("{target}: {inputs}"));
        }
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(format!("broken by\n  {}", broken.join("\n  ")).into()),
    }
}

fn parse(args: &[String]) -> Result<Request> {
    let mut request = Request { targets: Vec::new(), minutes: 10, keep: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--minutes" => request.minutes = args.next().ok_or("--minutes needs a number")?.parse()?,
            "--keep" => request.keep = true,
            name if TARGETS.contains(&name) => request.targets.push(name.to_string()),
            other => return Err(format!("no target {other}; there are {}", TARGETS.join(", ")).into()),
        }
    }
    if request.minutes == 0 {
        return Err("--minutes 0 would have no end".into());
    }
    if request.targets.is_empty() {
        request.targets = TARGETS.map(str::to_string).to_vec();
    }
    Ok(request)
}

/// Builds the program in a folder of its own: every crate is built anew for it.
fn build(triple: &str) -> Result<PathBuf> {
    let folder = workspace().join("target/fuzz");
    let status = cargo()
        .args(["build", "--package", "fuzz", "--bin", "fuzz", "--features", "libfuzzer", "--profile", "fuzz"])
        .args(["--target", triple, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .status()?;
    if !status.success() {
        return Err(format!("the fuzz targets cannot be built ({status})").into());
    }
    Ok(folder.join(triple).join("fuzz/fuzz"))
}

/// Runs one target; returns the inputs that broke it, if any did.
fn fuzz(program: &Path, target: &str, request: &Request) -> Result<Option<String>> {
    let corpus = workspace().join("tests/fuzz/corpus").join(target);
    let folder = workspace().join("target/fuzz/found").join(target);
    let (found, breaking) = (folder.join("corpus"), folder.join("breaking"));
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&breaking)?;
    println!("\n== {target}: {} minutes, from {} and {}", request.minutes, corpus.display(), found.display());
    let start = Instant::now();
    let log = folder.join("log");
    let status = libfuzzer(program, target)
        .arg(format!("-max_total_time={}", 60 * request.minutes))
        .arg(format!("-artifact_prefix={}/", breaking.display()))
        .args([&found, &corpus])
        .stderr(fs::File::create(&log)?)
        .status()?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    println!("{}", Outcome::read(&text).words(start.elapsed()));
    if !status.success() {
        let input = text.lines().rev().find_map(|line| line.split("Test unit written to ").nth(1));
        let input = input.map_or_else(|| format!("{status}, see {}", log.display()), str::to_string);
        println!("broken: {input}\n{}", complaint(&text));
        return Ok(Some(input));
    }
    if request.keep {
        keep(program, target, &corpus, &found)?;
    }
    Ok(None)
}

fn libfuzzer(program: &Path, target: &str) -> Command {
    let mut command = Command::new(program);
    command.env("FUZZ_TARGET", target).args([
        format!("-max_len={LONGEST}"),
        format!("-timeout={PATIENCE}"),
        format!("-rss_limit_mb={MEMORY}"),
        "-print_final_stats=1".to_string(),
    ]);
    command
}

/// Takes from what was found the few that get to places which the corpus does not get to, however often they do.
fn keep(program: &Path, target: &str, corpus: &Path, found: &Path) -> Result {
    let before = files(corpus)?;
    let status = libfuzzer(program, target)
        .args(["-set_cover_merge=1", "-use_counters=0", "-use_cmp=0"])
        .args([corpus, found])
        .stderr(fs::File::create(found.with_file_name("merge-log"))?)
        .status()?;
    if !status.success() {
        return Err(format!("what was found for {target} cannot be merged ({status})").into());
    }
    // It writes those first that lead to most.
    let mut new: Vec<PathBuf> = files(corpus)?.into_iter().filter(|file| !before.contains(file)).collect();
    new.sort_by_key(|file| fs::metadata(file).and_then(|it| it.modified()).ok());
    let room = MOST_FILES.saturating_sub(before.len());
    new.iter().skip(room).try_for_each(fs::remove_file)?;
    println!("{} files are new in {}", new.len().min(room), corpus.display());
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?)
}

/// What libFuzzer says of a run.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    inputs: u64,
    /// Edges of the program that were reached.
    edges: u64,
    kept: u64,
    memory: u64,
}

impl Outcome {
    fn read(log: &str) -> Outcome {
        let after = |line: &str, word: &str| -> Option<u64> {
            line.split(word).nth(1)?.split_whitespace().next()?.parse().ok()
        };
        let stat = |name: &str| {
            let name = format!("stat::{name}:");
            log.lines().rev().find_map(|line| after(line, &name)).unwrap_or_default()
        };
        Outcome {
            inputs: stat("number_of_executed_units"),
            edges: log.lines().rev().find_map(|line| after(line, " cov: ")).unwrap_or_default(),
            kept: stat("new_units_added"),
            memory: stat("peak_rss_mb"),
        }
    }

    fn words(&self, took: Duration) -> String {
        let Outcome { inputs, edges, kept, memory } = self;
        let seconds = took.as_secs();
        format!(
            "{inputs} inputs in {seconds} s, {edges} edges reached, {kept} inputs led further, {memory} MB at most"
        )
    }
}

/// Returns what was wrong, out of all that libFuzzer says of it.
fn complaint(log: &str) -> String {
    let from = log.lines().position(|line| line.contains("panicked at") || line.contains("ERROR: libFuzzer"));
    let lines = log.lines().skip(from.unwrap_or(0)).take(4);
    lines.map(|line| line.chars().take(500).collect::<String>()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_by_its_last_figures() {
        let log = "#2\tINITED cov: 10 ft: 11 corp: 2/9b\n#90\tNEW    cov: 1205 ft: 4 corp: 3/9b\n\
                   stat::number_of_executed_units: 90\nstat::new_units_added:          7\nstat::peak_rss_mb:              65\n";
        let outcome = Outcome::read(log);
        assert_eq!(outcome, Outcome { inputs: 90, edges: 1205, kept: 7, memory: 65 });
        assert_eq!(
            outcome.words(Duration::from_secs(3)),
            "90 inputs in 3 s, 1205 edges reached, 7 inputs led further, 65 MB at most"
        );
    }

    #[test]
    fn every_target_has_a_corpus() {
        let folders = fs::read_dir(workspace().join("tests/fuzz/corpus")).unwrap();
        let mut names: Vec<String> =
            folders.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let mut known = TARGETS.to_vec();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn an_unknown_target_is_refused_with_those_that_exist() {
        let error = parse(&["yaml".to_string()]).err().unwrap().to_string();
        assert!(error.starts_with("no target yaml; there are stored, kubeconfig"), "{error}");
        assert_eq!(parse(&[]).unwrap().targets.len(), TARGETS.len());
    }
}
