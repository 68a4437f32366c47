//! The plugins against the least that their calls can take: a program that sends the same requests and decodes nothing of the
//! answers, and for the start one that does nothing.

use std::fs;
use std::path::{Path, PathBuf};

use cluster::{Cluster, Namespace, Output};
use serde_json::Value;

use super::{compare_runs, report, words, workloads};
use crate::measure::Cost;
use crate::{Result, plugins};

/// How many times of the limit a call may take.
const BOUND: f64 = 1.5;

/// A call, and what it is measured against.
pub(super) struct Call {
    name: String,
    here: Vec<String>,
    limit: Vec<String>,
    /// None where kubectl has nothing like it.
    kubectl: Option<Vec<String>>,
}

impl Call {
    /// Returns a call of the plugin in a namespace, and the same of kubectl where it has one.
    pub(super) fn of(
        limit: &Limit,
        namespace: &Namespace<'_>,
        name: &str,
        here: &str,
        kubectl: Option<&str>,
    ) -> Result<Call> {
        let placed = |program: &str, line: &str| words(&format!("{program} {line} -n {}", namespace.name()));
        let here = placed("kubectl-rollback", here);
        Ok(Call {
            name: name.to_string(),
            limit: limit.line(namespace.cluster(), &here)?,
            here,
            kubectl: kubectl.map(|line| placed("kubectl", line)),
        })
    }
}

/// Measures all of them, and prints a table of ratios.
pub(super) fn run(cluster: &Cluster, runs: usize) -> Result {
    let limit = Limit::of(cluster)?;
    let namespace = cluster.namespace("bench");
    eprintln!("creating workloads of {} revisions", workloads::REVISIONS);
    workloads::create_plain(&namespace);
    workloads::create(&namespace, "deployment");
    let mut calls = vec![Call {
        name: "version, against an empty program".to_string(),
        here: words("kubectl-rollback version"),
        limit: vec![limit.empty.display().to_string()],
        kubectl: Some(words("kubectl version --client")),
    }];
    for (name, here, kubectl) in [
        ("history, plain", "history deployment/plain", Some("rollout history deployment/plain")),
        ("history", "history deployment/web", Some("rollout history deployment/web")),
        (
            "status",
            "status deployment/web --watch=false",
            Some("rollout status deployment/web --watch=false"),
        ),
        ("diff", "diff deployment/web --revision 9,10 -o json", None),
        (
            "undo, as a dry run",
            "undo deployment/plain --dry-run=server",
            Some("rollout undo deployment/plain --dry-run=server"),
        ),
    ] {
        calls.push(Call::of(&limit, &namespace, name, here, kubectl)?);
    }
    let rows = calls.iter().map(|call| measured(cluster, call, runs)).collect::<Result<_>>()?;
    print(rows, runs);
    Ok(())
}

/// Measures a call, and returns its row of the table.
pub(super) fn measured(cluster: &Cluster, call: &Call, runs: usize) -> Result<[String; 7]> {
    eprintln!("{}: {runs} runs each", call.name);
    let lines = [Some(&call.limit), Some(&call.here), call.kubectl.as_ref()];
    Ok(row(&call.name, &compare_runs(cluster, &lines, runs)?))
}

/// Prints the table.
pub(super) fn print(measured: Vec<[String; 7]>, runs: usize) {
    let head = ["", "WALL ms", "", "", "CPU ms", "", ""].map(str::to_string);
    let columns = ["", "LIMIT", "HERE", "KUBECTL", "LIMIT", "HERE", "KUBECTL"].map(str::to_string);
    let rows: Vec<_> = [head, columns].into_iter().chain(measured).collect();
    println!(
        "\nMedians of {runs} runs each, and how many times of the limit they are; CPU is user and system."
    );
    println!("A time of more than {BOUND} times here is marked with !\n");
    report::table(&rows);
}

fn row(name: &str, costs: &[Option<Cost>]) -> [String; 7] {
    let figure = |at: usize, (figure, bound): (fn(&Cost) -> f64, f64)| {
        let Some(Some(cost)) = costs.get(at) else { return "-".to_string() };
        let limit = costs.first().and_then(Option::as_ref).map_or(f64::NAN, figure);
        times(at, figure(cost), limit, bound)
    };
    let wall: (fn(&Cost) -> f64, f64) = (|cost| cost.wall, BOUND);
    // What decodes nothing takes hardly any.
    let cpu: (fn(&Cost) -> f64, f64) = (|cost| cost.cpu, f64::INFINITY);
    [
        name.to_string(),
        figure(0, wall),
        figure(1, wall),
        figure(2, wall),
        figure(0, cpu),
        figure(1, cpu),
        figure(2, cpu),
    ]
}

/// `5.1 = 1.3`; the limit stands alone, and kubectl has no bound.
fn times(at: usize, figure: f64, limit: f64, bound: f64) -> String {
    let times = figure / limit;
    match at {
        0 => format!("{figure:.1}"),
        1 if times > bound => format!("{figure:.1} = {times:.2} !"),
        _ => format!("{figure:.1} = {times:.2}"),
    }
}

/// The programs that are the limit.
pub(super) struct Limit {
    client: PathBuf,
    empty: PathBuf,
    /// What the client is told of the server.
    server: [String; 3],
}

impl Limit {
    /// Builds them.
    pub(super) fn of(cluster: &Cluster) -> Result<Limit> {
        let built = plugins::build_of("limit", "release")?;
        let program = |name: &str| {
            let found = built.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
            found.cloned().ok_or_else(|| format!("no program {name}"))
        };
        let config: Value = serde_json::from_str(&fs::read_to_string(cluster.kubeconfig())?)?;
        let field = |pointer: &str| {
            let field = config.pointer(pointer).and_then(Value::as_str);
            field.ok_or_else(|| format!("no {pointer} in {}", cluster.kubeconfig().display()))
        };
        let address = field("/clusters/0/cluster/server")?.trim_start_matches("https://").to_string();
        let authority = field("/clusters/0/cluster/certificate-authority")?.to_string();
        let token = field("/users/0/user/token")?.to_string();
        Ok(Limit { client: program("limit")?, empty: program("empty")?, server: [address, authority, token] })
    }

    /// Returns the line that sends what a call of a plugin sends.
    fn line(&self, cluster: &Cluster, call: &[String]) -> Result<Vec<String>> {
        let (program, args) = call.split_first().ok_or("no program")?;
        let output = Output::of(cluster.command(program).args(args).arg("-v=6"), "")?;
        let requests: Vec<String> = output.stderr.lines().filter_map(request).flatten().collect();
        if requests.is_empty() {
            return Err(format!("no request seen: {output}").into());
        }
        let server = self.server.iter().cloned();
        Ok([path(&self.client)].into_iter().chain(server).chain(requests).collect())
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Method and path of `GET https://HOST:PORT/PATH 200 OK in 3 milliseconds`.
fn request(line: &str) -> Option<[String; 2]> {
    let line = line.strip_suffix(" milliseconds")?;
    let (method, rest) = line.split_once(" https://")?;
    let (_, path) = rest.split_once('/')?;
    let path = path.split(' ').next()?;
    Some([method.to_string(), format!("/{path}")])
}

#[cfg(test)]
mod tests {
    use super::{request, times};

    #[test]
    fn a_request_is_read_from_what_a_plugin_says() {
        let line = "PATCH https://127.0.0.1:6443/apis/apps/v1/namespaces/a/deployments/web?dryRun=All 200 OK in 3 milliseconds";
        let expected = ["PATCH", "/apis/apps/v1/namespaces/a/deployments/web?dryRun=All"].map(str::to_string);
        assert_eq!(request(line), Some(expected));
        assert_eq!(request("config loaded"), None);
    }

    #[test]
    fn more_than_the_bound_is_marked_and_only_ours() {
        assert_eq!(times(0, 4.0, 4.0, 1.5), "4.0");
        assert_eq!([times(1, 6.0, 4.0, 1.5), times(1, 6.4, 4.0, 1.5)], ["6.0 = 1.50", "6.4 = 1.60 !"]);
        assert_eq!(times(2, 40.0, 4.0, 1.5), "40.0 = 10.00");
    }
}
