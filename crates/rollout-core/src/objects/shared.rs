//! Objects of which there are thousands, and of which each picture shows all.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// What all pictures share: a copy is no more than a reference, until somebody changes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shared<T>(Arc<T>);

impl<T: Clone> Shared<T> {
    /// Returns it with a change that nobody else sees.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut T)) -> Shared<T> {
        change(&mut self);
        self
    }
}

impl<T> From<T> for Shared<T> {
    fn from(it: T) -> Shared<T> {
        Shared(Arc::new(it))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shared<T>, D::Error> {
        T::deserialize(deserializer).map(Shared::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_copy_is_seen_by_nobody_else() {
        let one = Shared::from(1);
        let mut two = one.clone();
        assert!(std::ptr::eq(&*one, &*two));
        *two += 1;
        assert_eq!((*one, *two, *one.clone().with(|it| *it = 7)), (1, 2, 7));
    }
}
