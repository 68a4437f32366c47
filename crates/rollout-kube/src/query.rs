//! Asking a Prometheus in the cluster, through the API server's proxy to its service.

use std::fmt;
use std::str::FromStr;

use kube::Error;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::{Cluster, form_encoded};

/// A service and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    namespace: String,
    name: String,
    port: String,
}

/// Why a text names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not NAMESPACE/SERVICE:PORT")]
pub struct NoService(String);

impl FromStr for Service {
    type Err = NoService;

    fn from_str(text: &str) -> Result<Service, NoService> {
        let no = || NoService(text.to_string());
        let (namespace, rest) = text.split_once('/').ok_or_else(no)?;
        let (name, port) = rest.split_once(':').ok_or_else(no)?;
        let is_name =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match [namespace, name, port].into_iter().all(is_name) {
            true => Ok(Service { namespace: namespace.into(), name: name.into(), port: port.into() }),
            false => Err(no()),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.name, self.port)
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The request failed.
    #[error("{0}")]
    Api(String),
    /// Prometheus refuses the query.
    #[error("{0}")]
    Refused(String),
    /// The answer is neither a number nor a list of them.
    #[error("the answer is a {0}, not a vector or a scalar")]
    Shape(String),
}

/// <https://prometheus.io/docs/prometheus/latest/querying/api/>.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

impl Cluster {
    /// Returns the values that a query has now.
    pub async fn query(&self, service: &Service, promql: &str) -> Result<Vec<f64>, NoAnswer> {
        let Service { namespace, name, port } = service;
        let uri = format!(
            "/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy/api/v1/query?query={}",
            form_encoded(promql)
        );
        let request =
            http::Request::get(uri).body(Vec::new()).map_err(|error| NoAnswer::Api(error.to_string()))?;
        let answer: Answer = self.client.request(request).await.map_err(|error| match error {
            Error::Api(status) => {
                let said = status.details.as_ref().and_then(|details| details.causes.first());
                refusal(said.map_or("", |cause| cause.message.as_str()), &status.message)
            }
            other => NoAnswer::Api(crate::cluster::innermost(&other)),
        })?;
        let Some(Data { result_type, result }) = answer.data else {
            return Err(NoAnswer::Refused(answer.error));
        };
        values(&result_type, &result).ok_or(NoAnswer::Shape(result_type))
    }
}

/// Prometheus refuses with a status of HTTP and its own document, which comes through the API server as it is.
fn refusal(said: &str, message: &str) -> NoAnswer {
    match serde_json::from_str::<Answer>(said) {
        Ok(answer) if !answer.error.is_empty() => NoAnswer::Refused(answer.error),
        Ok(_) | Err(_) => NoAnswer::Api(message.to_string()),
    }
}

/// A value is a pair of a time and a number that is written as a string.
fn values(result_type: &str, result: &Value) -> Option<Vec<f64>> {
    let number = |pair: &Value| pair.get(1)?.as_str()?.parse().ok();
    match result_type {
        "scalar" => Some(vec![number(result)?]),
        "vector" => result.as_array()?.iter().map(|sample| number(&sample["value"])).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_is_a_namespace_a_name_and_a_port() {
        let service: Service = "monitoring/prometheus:9090".parse().unwrap();
        assert_eq!(service.to_string(), "monitoring/prometheus:9090");
        for text in ["", "prometheus:9090", "a/b", "a/b:", "a/b:1/../x", "/b:1"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_is_said_in_the_words_of_who_refuses() {
        let theirs =
            refusal(r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "rejected");
        assert_eq!(theirs.to_string(), "parse error");
        assert_eq!(refusal("", "no endpoints available").to_string(), "no endpoints available");
    }

    #[test]
    fn vectors_and_scalars_are_read() {
        let vector = json!([{"metric": {}, "value": [1.5, "0.25"]}, {"metric": {}, "value": [1.5, "+Inf"]}]);
        assert_eq!(values("vector", &vector), Some(vec![0.25, f64::INFINITY]));
        assert_eq!(values("scalar", &json!([1, "3"])), Some(vec![3.0]));
        assert_eq!(values("vector", &json!([])), Some(vec![]));
        assert_eq!(values("matrix", &json!([])), None);
    }
}
