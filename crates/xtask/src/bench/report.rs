//! The table of ratios.

use std::array;
use std::path::PathBuf;

use super::{Comparison, size};
use crate::Result;
use crate::measure::Cost;

/// What a plugin may weigh, in MB.
const LARGEST: f64 = 8.0;

pub(super) fn print(comparisons: &[Comparison<'_>], plugins: &[PathBuf], runs: usize) -> Result {
    println!(
        "\nThe plugins / kubectl: medians of {runs} runs each; CPU is user and system, memory the peak."
    );
    println!("1/9 is a ninth of what kubectl takes; a bound that is missed is marked with !\n");
    let header = ["", "WALL ms", "CPU ms", "MEMORY MB", "REQUESTS"].map(str::to_string);
    let rows: Vec<[String; 5]> = [header].into_iter().chain(comparisons.iter().map(row)).collect();
    table(&rows);
    println!();
    for plugin in plugins {
        let size = size(plugin)?;
        let name = plugin.file_name().unwrap_or_default().to_string_lossy();
        let mark = if size > LARGEST { " !" } else { "" };
        println!("{name:<36}{size:.1} MB (bound {LARGEST} MB){mark}");
    }
    Ok(())
}

/// Prints cells below each other.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) {
    let widths: [usize; COLUMNS] =
        array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or_default());
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}

fn row(it: &Comparison<'_>) -> [String; 5] {
    let figure = |figure: fn(&Cost) -> f64| {
        let bound = it.pair.bounds.as_ref().map(figure).filter(|bound| *bound > 0.0);
        ratio(figure(&it.here), figure(&it.kubectl), bound)
    };
    let requests = it.requests.map_or_else(|| "-".to_string(), |(ours, theirs)| format!("{ours} / {theirs}"));
    [
        it.pair.name.clone(),
        figure(|cost| cost.wall),
        figure(|cost| cost.cpu),
        figure(|cost| cost.memory),
        requests,
    ]
}

/// `31.4 (67.1)`: a figure and the most that it may be.
pub(super) fn bounded(figure: f64, digits: usize, bound: f64) -> String {
    let mark = if figure > bound { " !" } else { "" };
    format!("{figure:.digits$} ({bound}{mark})")
}

/// `5.1 / 60.2 = 1/11.8 (1/8)`: the bound is in brackets.
fn ratio(here: f64, kubectl: f64, bound: Option<f64>) -> String {
    let times = kubectl / here.max(f64::MIN_POSITIVE);
    let share = |times: f64, digits: usize| match times >= 1.0 {
        true => format!("1/{times:.digits$}"),
        false => format!("{:.2}", 1.0 / times),
    };
    let bound = match bound {
        Some(bound) if times < bound => format!(" ({} !)", share(bound, 0)),
        Some(bound) => format!(" ({})", share(bound, 0)),
        None => String::new(),
    };
    let share = share(times, 1);
    format!("{here:.1} / {kubectl:.1} = {share}{bound}")
}

#[cfg(test)]
mod tests {
    use super::{bounded, ratio};

    #[test]
    fn a_missed_bound_is_marked() {
        assert_eq!(ratio(5.0, 50.0, Some(8.0)), "5.0 / 50.0 = 1/10.0 (1/8)");
        assert_eq!(ratio(10.0, 50.0, Some(8.0)), "10.0 / 50.0 = 1/5.0 (1/8 !)");
        assert_eq!(ratio(75.0, 50.0, None), "75.0 / 50.0 = 1.50");
        assert_eq!(ratio(60.0, 50.0, Some(1.0 / 1.5)), "60.0 / 50.0 = 1.20 (1.50)");
        assert_eq!(ratio(80.0, 50.0, Some(1.0 / 1.5)), "80.0 / 50.0 = 1.60 (1.50 !)");
    }
    #[test]
    fn more_than_the_most_is_marked() {
        assert_eq!([bounded(1.2, 2, 1.2), bounded(1.21, 2, 1.2)], ["1.20 (1.2)", "1.21 (1.2 !)"]);
        assert_eq!([bounded(0.0, 0, 0.0), bounded(1.0, 0, 0.0)], ["0 (0)", "1 (0 !)"]);
    }
}
