//! `cargo xtask chaos`: rollouts of all kinds and strategies while everything fails at random, for as long as is wanted.
//!
//! A round is planned from the seed and its number alone (`plan`), with workloads and words (`cast`). It is played on a
//! throwaway control plane, by the plugins' own programs through a proxy that gets in the way (`stage`, `world`, `calls`);
//! then the world is made whole, somebody finishes what was begun, and what has become of it is judged (`judge`).

mod calls;
mod cast;
mod eyes;
mod judge;
mod ledger;
mod plan;
mod stage;
mod story;
mod world;

use std::env;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use between::Proxy;
use cluster::{Cluster, Options as ClusterOptions, build_plugins};

use crate::Result;
use stage::Stage;
use story::{Figures, Story};

const USAGE: &str = "there are --minutes N, --seed S, --round N and --story";

#[derive(Debug, PartialEq, Eq)]
struct Options {
    minutes: u64,
    seed: u64,
    /// Plays only this one.
    round: Option<u64>,
    /// Tells what happens as it happens.
    aloud: bool,
}

pub(crate) fn run(args: &[String]) -> Result {
    let options = options(args)?;
    println!("seed {}: cargo xtask chaos --minutes {} --seed {0}", options.seed, options.minutes);
    if env::var_os("E2E_KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        return Err("the cluster of E2E_KUBECONFIG is not one to be broken: unset it".into());
    }
    let plugins = build_plugins()?;
    let cluster = Cluster::start(&ClusterOptions { nodes: plan::NODES, ..ClusterOptions::default() })?;
    for plugin in &plugins {
        cluster.install(plugin)?;
    }
    let config = fs::read_to_string(cluster.kubeconfig())?;
    let folder = cluster.kubeconfig().parent().ok_or("the cluster has no folder")?;
    let proxy = Proxy::start(folder, world::server(&config)?)?;
    let proxied = folder.join("proxied");
    fs::write(&proxied, world::through(&config, &format!("https://{}", proxy.address()))?)?;
    let figures = Figures::default();
    let stage = Stage { cluster: &cluster, proxy: &proxy, proxied: &proxied, figures: &figures };
    let outcome = rounds(&options, &stage);
    let (requests, troubled) = proxy.counts();
    figures.add("requests through the proxy", requests);
    troubled.into_iter().for_each(|(what, count)| figures.add(format!("requests {what}"), count));
    println!("\n{figures}");
    outcome
}

fn rounds(options: &Options, stage: &Stage<'_>) -> Result {
    let (begun, limit) = (Instant::now(), Duration::from_secs(options.minutes * 60));
    let mut number = options.round.unwrap_or(1);
    loop {
        let round = plan::round(options.seed, number);
        println!("\nround {number}");
        for (at, part) in round.parts.iter().enumerate() {
            println!(
                "  {at}: {}, {} times: {}; {:?} in the end",
                part.target(),
                part.replicas,
                part.begins(),
                part.ending
            );
        }
        round.acts.iter().for_each(|act| println!("  {:>5} ms later {}", act.pause, act.fault));
        let story = Story::new(options.aloud);
        let played = stage.play(&round, &story);
        let problems = played.unwrap_or_else(|error| vec![format!("the round broke off: {error}")]);
        stage.figures.add("rounds", 1);
        println!("round {number} took {} s", story.lasts().as_secs());
        if !problems.is_empty() {
            println!("\nThe story of round {number} of seed {}:\n{story}", options.seed);
            problems.iter().for_each(|problem| println!("WRONG: {problem}\n"));
            let again = format!("cargo xtask chaos --seed {} --round {number} --story", options.seed);
            return Err(
                format!("{} things were wrong in round {number}; again: {again}", problems.len()).into()
            );
        }
        number += 1;
        if options.round.is_some() || begun.elapsed() >= limit {
            return Ok(());
        }
    }
}

fn options(args: &[String]) -> Result<Options> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { minutes: 3, seed: u64::from(now.subsec_nanos()), round: None, aloud: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number =
            || -> Result<u64> { Ok(args.next().ok_or(format!("{arg} needs a number"))?.parse()?) };
        match arg.as_str() {
            "--minutes" => options.minutes = number()?,
            "--seed" => options.seed = number()?,
            "--round" => options.round = Some(number()?),
            "--story" => options.aloud = true,
            other => return Err(format!("unknown argument {other}; {USAGE}").into()),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::{Options, options};

    #[test]
    fn the_command_that_a_failure_prints_plays_that_round() {
        let words = ["--seed", "7", "--round", "3", "--story"].map(str::to_string);
        let expected = Options { minutes: 3, seed: 7, round: Some(3), aloud: true };
        assert_eq!(options(&words).ok(), Some(expected));
        assert!(options(&["--sed".to_string()]).is_err());
    }
}
