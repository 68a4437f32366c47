//! What goes wrong, as people and scripts see it: one sentence, ways on, and an exit code.

use kubectl_connect::{ApiError, ConnectError};
use kubectl_terminal::forms::OutputError;
use rollout_core::WorkloadId;
use rollout_kube::Reading;

use super::Exit;

/// An error that ends a verb, or what it does to one object.
#[derive(Debug)]
pub struct CliError {
    /// How the process ends.
    pub exit: Exit,
    /// The whole sentence.
    pub message: String,
    /// Ways on.
    pub hints: Vec<String>,
    /// The server's refusal, about which the connection may know more.
    pub api: Option<Box<ApiError>>,
    /// One word for it, where more is known than how the process ends.
    pub reason: Option<&'static str>,
    /// Which workload it is about; without a UID where the server did not tell.
    pub workload: Option<Box<WorkloadId>>,
}

impl CliError {
    /// Makes an error of a request; the text is a lower-case fragment that names its object.
    pub fn failed(message: impl AsRef<str>) -> CliError {
        CliError::sentence(Exit::Failed, format!("error: {}", message.as_ref()))
    }

    /// Makes an error of the command line.
    pub fn usage(message: impl AsRef<str>) -> CliError {
        CliError::sentence(Exit::Usage, format!("error: {}", message.as_ref()))
    }

    /// Makes an error from a whole sentence, which is printed as it is.
    pub fn sentence(exit: Exit, message: String) -> CliError {
        CliError { exit, message, hints: Vec::new(), api: None, reason: None, workload: None }
    }

    /// Adds a way on.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> CliError {
        self.hints.extend(hint.into());
        self
    }

    /// Says in one word what it is.
    pub fn because(self, reason: &'static str) -> CliError {
        CliError { reason: Some(reason), ..self }
    }

    /// Says which workload it is about.
    pub fn about(self, id: &WorkloadId) -> CliError {
        CliError { workload: Some(Box::new(id.clone())), ..self }
    }

    /// Returns one word for it, upon which programs may rely.
    pub fn reason(&self) -> &str {
        let of_exit = match self.exit {
            Exit::Usage => "Usage",
            Exit::TimedOut => "TimedOut",
            Exit::Superseded => "Superseded",
            Exit::Done
            | Exit::Failed
            | Exit::RolloutFailed
            | Exit::Undone
            | Exit::Held
            | Exit::NotDone
            | Exit::Interrupted
            | Exit::Terminated => "Failed",
        };
        self.reason.or(self.api.as_deref().map(ApiError::reason)).unwrap_or(of_exit)
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> CliError {
        CliError::sentence(Exit::Failed, error.to_string()).hint(error.hint()).because("NoConnection")
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> CliError {
        CliError { api: Some(Box::new(error.clone())), ..CliError::sentence(Exit::Failed, error.to_string()) }
    }
}

impl From<kube::Error> for CliError {
    fn from(error: kube::Error) -> CliError {
        ApiError::from(error).into()
    }
}

impl From<Reading> for CliError {
    fn from(error: Reading) -> CliError {
        match error {
            Reading::Api(error) => error.into(),
            Reading::NotAWorkload(error) => CliError::failed(format!("the server's answer is {error}")),
        }
    }
}

impl From<OutputError> for CliError {
    fn from(error: OutputError) -> CliError {
        CliError::usage(error.to_string())
    }
}
