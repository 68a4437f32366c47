//! What is judged: how far a rollout is, what keeps it from getting on, and which pod may go next.

pub(crate) mod cause;
pub mod causes;
pub(crate) mod deletion;
pub(crate) mod fleet;
pub(crate) mod health;
pub(crate) mod live;
pub(crate) mod ordinals;
pub(crate) mod places;
pub(crate) mod revision_bytes;
pub(crate) mod status;
pub mod stuck;
pub(crate) mod times;
pub(crate) mod wanted;

pub use cause::{Cause, Causes, Sort};
pub use ordinals::{called, left_over, recreated_at};
pub use places::{Place, Places};
pub use status::{Hold, Progress, State, evaluate};
pub use times::MOMENT;
pub use wanted::{Wanted, of_refused_update, wanted};
