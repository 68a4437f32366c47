//! `cargo xtask measure`: what running a program costs.
//!
//! The kernel adds up the children of a process and keeps the largest of their peaks. So a process that runs one
//! program and nothing else, this one, learns exactly what that program took, whatever it started in turn.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde_json::{Value, json};

use crate::Result;

/// What one run took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// From start to end, in milliseconds.
    pub(crate) wall: f64,
    /// On all cores, in the program and in the kernel, in milliseconds.
    pub(crate) cpu: f64,
    /// The largest resident size, in MB.
    pub(crate) memory: f64,
}

/// Runs the program and prints its cost; its own output goes nowhere, its errors are shown.
pub(crate) fn run(args: &[String]) -> Result {
    let (program, args) = args.split_first().ok_or("which program?")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    let wall = start.elapsed();
    // What finds a difference ends with 1, as diff does, and says nothing on stderr.
    let differs = output.status.code() == Some(1) && output.stderr.is_empty();
    if !output.status.success() && !differs {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {} ended with {}: {said}", args.join(" "), output.status).into());
    }
    println!("{}", children(wall)?.document());
    Ok(())
}

fn children(wall: Duration) -> Result<Cost> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds = |time: TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    // Linux counts kilobytes, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1e6 } else { 1e6 / 1024.0 };
    Ok(Cost {
        wall: wall.as_secs_f64() * 1e3,
        cpu: milliseconds(usage.user_time()) + milliseconds(usage.system_time()),
        memory: usage.max_rss() as f64 / unit,
    })
}

impl Cost {
    fn document(&self) -> Value {
        json!({ "wallMilliseconds": self.wall, "cpuMilliseconds": self.cpu, "memoryMegabytes": self.memory })
    }

    /// Reads what [`run`] printed.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(text)?;
        let field = |name: &str| document[name].as_f64().ok_or_else(|| format!("no {name} in {text}"));
        Ok(Self {
            wall: field("wallMilliseconds")?,
            cpu: field("cpuMilliseconds")?,
            memory: field("memoryMegabytes")?,
        })
    }

    /// The median of each figure by itself.
    pub(crate) fn median(costs: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| median(costs.iter().map(figure).collect());
        Self { wall: middle(|it| it.wall), cpu: middle(|it| it.cpu), memory: middle(|it| it.memory) }
    }
}

/// The median; 0 of nothing.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match figures.len() % 2 {
        _ if figures.is_empty() => 0.0,
        0 => f64::midpoint(figures[half - 1], figures[half]),
        _ => figures[half],
    }
}

#[cfg(test)]
mod tests {
    use super::Cost;

    #[test]
    fn a_cost_is_read_back_as_it_was_printed() {
        let cost = Cost { wall: 12.5, cpu: 3.25, memory: 8.0 };
        assert_eq!(Cost::read(&cost.document().to_string()).unwrap(), cost);
    }

    #[test]
    fn the_median_is_taken_of_each_figure() {
        let cost = |wall, cpu| Cost { wall, cpu, memory: 1.0 };
        let median = Cost::median(&[cost(1.0, 30.0), cost(9.0, 10.0), cost(2.0, 20.0), cost(3.0, 20.0)]);
        assert_eq!(median, cost(2.5, 20.0));
    }
}
