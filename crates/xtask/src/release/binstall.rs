//! What `cargo binstall` is told in the plugins' manifests: the names that `dist` makes.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::names;
use cluster::workspace;

fn packages() -> BTreeMap<String, Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(workspace());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().cloned();
    packages.map(|package| (package["name"].as_str().unwrap().to_string(), package)).collect()
}

#[test]
fn the_templates_yield_the_names_that_dist_makes() {
    let packages = packages();
    for plugin in names::PLUGINS {
        let package = &packages[&format!("kubectl-{plugin}")];
        let binstall = &package["metadata"]["binstall"];
        let overrides = binstall["overrides"].as_object().unwrap_or_else(|| panic!("{plugin}: {package}"));
        assert_eq!(
            overrides.keys().collect::<Vec<_>>(),
            names::TARGETS.map(|(target, _)| target),
            "{plugin}"
        );
        assert_eq!(binstall["bin-dir"], "{ bin }{ binary-ext }", "{plugin}");
        for (target, platform) in names::TARGETS {
            let template = &overrides[target];
            let (repository, version) =
                (package["repository"].as_str().unwrap(), package["version"].as_str().unwrap());
            let url = template["pkg-url"].as_str().unwrap();
            let url = url.replace("{ repo }", repository).replace("{ version }", version);
            let url = url.replace("{ name }", package["name"].as_str().unwrap());
            let name = names::archive(plugin, version, platform);
            assert_eq!(
                url,
                format!("{repository}/releases/download/v{version}/{name}"),
                "{plugin}, {target}"
            );
            let form = if name.ends_with(".zip") { "zip" } else { "tgz" };
            assert_eq!(template["pkg-fmt"], form, "{plugin}, {target}");
        }
    }
}
