use super::*;

fn of(json: &str) -> ApiError {
    ApiError::from(kube::Error::Api(Box::new(serde_json::from_str(json).unwrap())))
}

fn said(json: &str) -> (ApiErrorKind, String) {
    let error = of(json);
    (error.kind(), error.to_string())
}

#[test]
fn statuses_read_as_in_kubectl() {
    for (json, kind, sentence) in [
        (
            r#"{"code":404,"reason":"NotFound","message":"deployments.apps \"x\" not found"}"#,
            ApiErrorKind::NotFound,
            "Error from server (NotFound): deployments.apps \"x\" not found",
        ),
        (
            r#"{"code":403,"reason":"Forbidden","message":"no"}"#,
            ApiErrorKind::Forbidden,
            "Error from server (Forbidden): no",
        ),
        (
            r#"{"code":401,"reason":"Unauthorized","message":"Unauthorized"}"#,
            ApiErrorKind::Unauthorized,
            "error: You must be logged in to the server (Unauthorized)",
        ),
        (
            r#"{"code":409,"reason":"Conflict","message":"m"}"#,
            ApiErrorKind::Conflict,
            "Error from server (Conflict): m",
        ),
        (
            r#"{"code":410,"reason":"Expired","message":"m"}"#,
            ApiErrorKind::Gone,
            "Error from server (Expired): m",
        ),
        (
            r#"{"code":429,"reason":"TooManyRequests","message":"m"}"#,
            ApiErrorKind::TooManyRequests,
            "Error from server (TooManyRequests): m",
        ),
        (
            r#"{"code":504,"reason":"Timeout","message":"m"}"#,
            ApiErrorKind::Timeout,
            "Error from server (Timeout): m",
        ),
        (r#"{"code":500,"message":"m"}"#, ApiErrorKind::Internal, "Error from server: m"),
    ] {
        assert_eq!(said(json), (kind, sentence.to_owned()));
    }
    assert_eq!(of(r#"{"code":404,"reason":"NotFound","message":"m"}"#).code(), Some(404));
    assert_eq!(of(r#"{"code":404,"reason":"NotFound","message":"m"}"#).message(), "m");
}

#[test]
fn invalid_objects_list_their_causes_once() {
    let one = r#"{"code":422,"reason":"Invalid","message":"long","details":{"kind":"Deployment","name":"web","causes":[
        {"field":"spec.replicas","message":"Invalid value"},{"field":"spec.replicas","message":"Invalid value"}]}}"#;
    assert_eq!(
        said(one),
        (ApiErrorKind::Invalid, "The Deployment \"web\" is invalid: spec.replicas: Invalid value".to_owned())
    );
    let two = r#"{"code":422,"reason":"Invalid","message":"long","details":{"kind":"Deployment","name":"web","causes":[
        {"field":"a","message":"x"},{"field":"b","message":"y"}]}}"#;
    assert_eq!(said(two).1, "The Deployment \"web\" is invalid: \n* a: x\n* b: y");
    let none =
        r#"{"code":422,"reason":"Invalid","message":"m","details":{"kind":"Deployment","name":"web"}}"#;
    assert_eq!(said(none), (ApiErrorKind::Invalid, "The Deployment \"web\" is invalid".to_owned()));
}

#[test]
fn a_failed_patch_test_has_no_details() {
    let json = r#"{"code":422,"reason":"Invalid",
        "message":"the server rejected our request due to an error in our request","details":{}}"#;
    assert_eq!(
        said(json),
        (
            ApiErrorKind::TestFailed,
            "The request is invalid: the server rejected our request due to an error in our request"
                .to_owned()
        )
    );
}

#[test]
fn undecodable_answers_are_never_quoted() {
    let error = serde_json::from_str::<u32>("\"s3cret\"").unwrap_err();
    let error = ApiError::from(kube::Error::SerdeError(error));
    assert_eq!(error.kind(), ApiErrorKind::Decode);
    assert!(!error.to_string().contains("s3cret"), "{error}");
    let missing = serde_json::from_str::<kube::core::TypeMeta>("{}").unwrap_err();
    let missing = ApiError::from(kube::Error::SerdeError(missing)).to_string();
    assert!(missing.starts_with("error: unable to decode the server's answer: the field \""), "{missing}");
}

#[test]
fn connection_errors_keep_their_sentence_and_hint() {
    let error = ConnectError::Missing { what: "auth info", name: "x".into(), known: vec!["a".into()] };
    let error = ApiError::from(error);
    assert_eq!(error.to_string(), "error: auth info \"x\" does not exist");
    assert_eq!(error.hint(), Some("the kubeconfig has a"));
    assert_eq!(error.code(), None);
}
