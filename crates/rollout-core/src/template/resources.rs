//! What a pod of a template asks for, as quotas count it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::objects::quantity::Quantity;

/// Returns the sum of requests and limits of one pod, by the names that quotas use: `requests.cpu`, `limits.memory` …
/// (k8s.io/component-helpers/resource: containers and sidecars together, or one init container where that is more; what is
/// said for the whole pod takes precedence).
pub(crate) fn of(template: &Value) -> BTreeMap<String, Quantity> {
    let spec = template.get("spec").unwrap_or(&Value::Null);
    let list = |name: &str| spec.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut sidecars = BTreeMap::new();
    let mut largest = BTreeMap::new();
    for init in list("initContainers") {
        let mut beside = sidecars.clone();
        add(&mut beside, &container(init));
        if init["restartPolicy"] == "Always" {
            sidecars = beside.clone();
        }
        raise(&mut largest, &beside);
    }
    let mut sum = sidecars;
    list("containers").for_each(|it| add(&mut sum, &container(it)));
    raise(&mut sum, &largest);
    sum.extend(container(spec));
    sum
}

/// A limit without a request is the request too (`SetDefaults_Pod`).
fn container(container: &Value) -> BTreeMap<String, Quantity> {
    let amounts = |field: &str| {
        let all = container.pointer(&format!("/resources/{field}")).and_then(Value::as_object);
        all.into_iter()
            .flatten()
            .filter_map(|(name, amount)| Some((name.clone(), Quantity::from_value(amount)?)))
    };
    let mut sum: BTreeMap<String, Quantity> = BTreeMap::new();
    for (name, amount) in amounts("limits") {
        sum.insert(format!("limits.{name}"), amount);
        sum.insert(format!("requests.{name}"), amount);
    }
    sum.extend(amounts("requests").map(|(name, amount)| (format!("requests.{name}"), amount)));
    sum
}

fn add(sum: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_default();
        *entry = entry.plus(*amount);
    }
}

fn raise(sum: &mut BTreeMap<String, Quantity>, least: &BTreeMap<String, Quantity>) {
    for (name, amount) in least {
        let entry = sum.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_asks_for_its_containers_or_for_the_largest_init_container() {
        let cpu = |amount: &str| json!({"resources": {"requests": {"cpu": amount}}});
        let mut sidecar = cpu("100m");
        sidecar["restartPolicy"] = json!("Always");
        let asked = |init: Vec<Value>, main: Vec<Value>| {
            of(&json!({"spec": {"initContainers": init, "containers": main}}))["requests.cpu"].to_string()
        };
        assert_eq!(asked(vec![], vec![cpu("100m"), cpu("250m")]), "350m");
        assert_eq!(asked(vec![cpu("1")], vec![cpu("100m")]), "1");
        assert_eq!(asked(vec![sidecar.clone(), cpu("50m")], vec![cpu("100m")]), "200m");
        assert_eq!(asked(vec![sidecar, cpu("950m")], vec![cpu("100m")]), "1050m");
    }

    #[test]
    fn a_limit_without_a_request_is_the_request_too() {
        let template = json!({"spec": {"containers": [{"resources": {"limits": {"memory": "1Gi"}}}]}});
        assert_eq!(of(&template)["requests.memory"].to_string(), "1Gi");
        assert_eq!(of(&template)["limits.memory"].to_string(), "1Gi");
        assert!(of(&Value::Null).is_empty());
    }
}
