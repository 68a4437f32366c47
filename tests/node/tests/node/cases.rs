//! All tests, by name.

use std::sync::Arc;

use e2e::Web;
use libtest_mimic::Trial;
use node::Lab;

pub fn all(lab: &Arc<Lab>) -> Vec<Trial> {
    let lab = Arc::clone(lab);
    vec![Trial::test("first", move || {
        let ns = lab.cluster.namespace("first");
        Web::new("deployment", "registry.test/app:1").replicas(2).create(&ns);
        println!("{}", ns.kubectl(&["get", "pods", "-o", "wide"]));
        println!("{}", ns.kubectl(&["logs", "deploy/web"]));
        Ok(())
    })]
}
