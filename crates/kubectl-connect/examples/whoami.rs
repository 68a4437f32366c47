//! Which server, which namespace, which user: with kubectl's flags, kubeconfig and credentials.
//! `cargo run -p kubectl-connect --example whoami -- --context staging -n shop`

use clap::Parser;
use kube::api::{PostParams, Request};
use kubectl_connect::{Agent, ConnectionArgs, connect};
use serde_json::{Value, json};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    connection: ConnectionArgs,
}

async fn run(args: &ConnectionArgs) -> Result<String, Box<dyn std::error::Error>> {
    let agent = Agent { plugin: "kubectl-whoami", version: env!("CARGO_PKG_VERSION") };
    let connection = connect(args, &agent).await?;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let request = Request::new(path).create(&PostParams::default(), review.to_string().into_bytes())?;
    // What the server says goes through `explain` to become kubectl's sentence.
    let answer = connection.client.request::<Value>(request).await.map_err(|it| connection.explain(it))?;
    let user = answer["status"]["userInfo"]["username"].as_str().unwrap_or("nobody");
    Ok(format!("{user} in {}\n", connection.namespace))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    use std::io::Write;
    let cli = Cli::parse();
    match run(&cli.connection).await {
        Ok(text) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            if written.is_ok() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
