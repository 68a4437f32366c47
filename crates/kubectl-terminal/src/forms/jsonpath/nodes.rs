//! What a template consists of.

use serde_json::Value;

/// What is wrong with a template, or with the document it is applied to, in kubectl's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(pub(super) String);

pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, JsonPathError> {
    Err(JsonPathError(message.into()))
}

/// A part of a template: what stands between braces is one action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    Text(String),
    Action(Vec<Node>),
    Range(Vec<Node>, Vec<Block>),
}

/// A step of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(Value),
    Field(String),
    Wildcard,
    Recursive,
    Union(Vec<Vec<Node>>),
    Slice { start: Option<i64>, end: End, step: Option<i64> },
    Filter { left: Vec<Node>, test: Option<(Operator, Vec<Node>)> },
}

/// Where a slice ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// One past the start: a plain index.
    AfterStart,
    /// At the end of the list.
    Open,
    /// Before this index.
    At(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
