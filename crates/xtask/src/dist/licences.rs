//! Under which licences may be linked what is linked: those of `deny.toml`, so that there is one list.

use std::fs;

use cluster::workspace;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};

use crate::Result;

/// The licences that may be linked.
#[derive(Debug)]
pub(super) struct Accepted(Vec<Licensee>);

impl Accepted {
    /// Reads them. What is excepted there is for tools, which no plugin is linked with.
    pub(super) fn read() -> Result<Self> {
        let path = workspace().join("deny.toml");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::of(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    pub(super) fn of(deny: &str) -> Result<Self> {
        let deny: toml::Table = deny.parse()?;
        let allow = deny.get("licenses").and_then(|licenses| licenses.get("allow")?.as_array());
        let allow = allow.ok_or("it has no licenses.allow")?.iter();
        let names = allow.map(|name| name.as_str().ok_or("licenses.allow has names only"));
        Ok(Self(names.map(|name| Ok(Licensee::parse(name?)?)).collect::<Result<_>>()?))
    }

    /// Returns those licences of an expression by which its crate is linked.
    pub(super) fn of_expression(&self, expression: &Expression) -> Result<Vec<LicenseReq>> {
        if !expression.evaluate(|licence| self.has(licence)) {
            return Err(format!("{expression} is not among the licences that deny.toml allows").into());
        }
        let all = expression.requirements().map(|it| it.req.clone());
        Ok(all.filter(|licence| self.has(licence)).collect())
    }

    fn has(&self, licence: &LicenseReq) -> bool {
        self.0.iter().any(|accepted| accepted.satisfies(licence))
    }
}

/// Reads what a manifest says, also in the old form: `MIT/Apache-2.0`.
pub(super) fn expression(license: &str) -> Result<Expression> {
    if license.is_empty() {
        return Err("its manifest names no licence".into());
    }
    let read = |license: &str| {
        let canonical = Expression::canonicalize(license)?;
        Expression::parse_mode(canonical.as_deref().unwrap_or(license), ParseMode::STRICT)
    };
    Ok(read(license).map_err(|error| error.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::{Accepted, expression};

    #[test]
    fn what_may_be_linked_stands_in_the_file_of_cargo_deny() {
        let accepted = Accepted::read().unwrap();
        let by = |license: &str| -> Result<Vec<String>, String> {
            let licences = accepted.of_expression(&expression(license).unwrap());
            Ok(licences.map_err(|error| error.to_string())?.iter().map(ToString::to_string).collect())
        };
        assert_eq!(by("MIT/GPL-3.0-only"), Ok(vec!["MIT".to_string()]));
        assert_eq!(by("Apache-2.0 WITH LLVM-exception"), Ok(vec!["Apache-2.0 WITH LLVM-exception".into()]));
        for license in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "NCSA"] {
            let error = format!("{license} is not among the licences that deny.toml allows");
            assert_eq!(by(license), Err(error));
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_allows_nothing() {
        for deny in ["", "[licenses]", "[licenses]\nallow = [1]", "[licenses]\nallow = ['no licence']", "["] {
            assert!(Accepted::of(deny).is_err(), "{deny}");
        }
        for license in ["", "file LICENSE", "MIT AND"] {
            assert!(expression(license).is_err(), "{license}");
        }
    }
}
