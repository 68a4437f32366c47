//! What holds for all templates.

use proptest::prelude::*;
use rollout_core::template::diff::{Change, changes, json_patch, summary};
use rollout_core::template::{self, RESTARTED_AT};
use serde_json::{Value, json};

use crate::values::{any_value, disguised, template, templates};

fn applied(from: &Value, to: &Value) -> Value {
    let mut document = template::writable(from);
    json_patch::patch(&mut document, &json_patch(from, to)).expect("a patch of its own document");
    document
}

/// Whether two templates mean the same, and what differs.
fn read(from: &Value, to: &Value) -> (bool, Vec<Change>) {
    (template::same(from, to), changes(from, to))
}

fn read_in_normal_form(from: &Value, to: &Value) -> (bool, Vec<Change>) {
    let (from, to) = (template::normal(from), template::normal(to));
    (from == to, changes(&from, &to))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_template_does_not_differ_from_itself(one in template(), any in any_value()) {
        prop_assert_eq!(changes(&one, &one), []);
        prop_assert_eq!(changes(&any, &any), []);
    }

    #[test]
    fn templates_without_changes_are_the_same((from, to) in templates()) {
        prop_assert_eq!(changes(&from, &to).is_empty(), template::same(&from, &to));
        prop_assert_eq!(changes(&to, &from).is_empty(), template::same(&from, &to));
    }

    #[test]
    fn values_without_changes_are_the_same(from in any_value(), to in any_value()) {
        prop_assert_eq!(changes(&from, &to).is_empty(), template::same(&from, &to));
    }

    #[test]
    fn every_change_changes_something_and_is_told_once((from, to) in templates()) {
        let all = changes(&from, &to);
        for (place, change) in all.iter().enumerate() {
            prop_assert_ne!(&change.from, &change.to);
            prop_assert!(all[..place].iter().all(|other| other != change), "{}", change.path);
        }
    }

    #[test]
    fn the_summary_is_one_line_and_says_no_change_only_when_there_is_none((from, to) in templates()) {
        let all = changes(&from, &to);
        let line = summary(&all);
        prop_assert_eq!(line == "no change", all.is_empty());
        prop_assert!(!line.is_empty() && !line.contains('\n'));
    }

    #[test]
    fn the_patch_makes_exactly_the_target((from, to) in templates()) {
        prop_assert_eq!(applied(&from, &to), template::writable(&to));
    }

    #[test]
    fn the_patch_of_any_values_makes_exactly_the_target(from in any_value(), to in any_value()) {
        prop_assert_eq!(applied(&from, &to), template::writable(&to));
    }

    #[test]
    fn forms_of_a_template_are_forms_of_their_own_form(one in any_value()) {
        prop_assert_eq!(template::writable(&template::writable(&one)), template::writable(&one));
        prop_assert_eq!(template::normal(&template::normal(&one)), template::normal(&one));
        prop_assert_eq!(template::normal(&template::writable(&one)), template::normal(&one));
        let forms = [template::writable(&one), template::normal(&one)];
        let [written, normal] = forms.each_ref().map(template::fingerprint);
        prop_assert_eq!(written, normal);
    }

    #[test]
    fn templates_have_one_fingerprint_when_and_only_when_they_mean_the_same((from, to) in templates()) {
        let forms = [template::writable(&from), template::writable(&to)];
        let [one, other] = forms.each_ref().map(template::fingerprint);
        prop_assert_eq!(one == other, template::same(&from, &to));
    }

    #[test]
    fn what_means_nothing_is_in_no_change((from, to) in templates()) {
        prop_assert_eq!(read(&disguised(&from), &to), read_in_normal_form(&disguised(&from), &to));
    }

    #[test]
    fn what_means_nothing_is_in_no_change_of_any_values(from in any_value(), to in any_value()) {
        prop_assert_eq!(read(&from, &to), read_in_normal_form(&from, &to));
    }

    #[test]
    fn same_is_symmetric(from in template(), to in template()) {
        prop_assert!(template::same(&from, &from));
        prop_assert_eq!(template::same(&from, &to), template::same(&to, &from));
    }

    #[test]
    fn order_of_fields_nulls_and_empty_maps_mean_nothing(one in template()) {
        prop_assert!(template::same(&one, &disguised(&one)));
    }

    #[test]
    fn what_a_revision_object_adds_means_nothing_and_is_not_written(one in template()) {
        let mut noisy = one.clone();
        noisy["$patch"] = json!("replace");
        noisy["metadata"]["creationTimestamp"] = Value::Null;
        noisy["metadata"]["labels"]["pod-template-hash"] = json!("5d5dd5db49");
        prop_assert!(template::same(&one, &noisy));
        let written = template::writable(&noisy);
        prop_assert!(written.get("$patch").is_none());
        prop_assert!(written["metadata"].get("creationTimestamp").is_none());
        prop_assert!(written["metadata"]["labels"].get("pod-template-hash").is_none());
        prop_assert_eq!(&written["spec"], &one["spec"]);
    }

    #[test]
    fn a_restart_differs_and_yet_is_only_a_restart(one in template(), at in "[0-9]{4}") {
        let mut restarted = one.clone();
        restarted["metadata"]["annotations"][RESTARTED_AT] = json!(at);
        prop_assert!(template::same_but_restart(&one, &restarted));
        let all = changes(&one, &restarted);
        prop_assert_eq!(summary(&all), if all.is_empty() { "no change" } else { "restart" });
    }
}
