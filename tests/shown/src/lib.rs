//! What a document or a picture shows, held against what is printed now.
//!
//! Both hold real output: nothing in it is elided. What no two runs have in common is made the same on both sides
//! first ([`comparable`]), and everything else is compared: revisions, states, counts of pods, names of workloads, nodes
//! and ordinals, the words. So these are not seen to differ:
//!
//! - times (`2026-01-31T14:00:00Z`) and durations (`5s`, `3m20s`), ages among them;
//! - the generated ends of the names of pods and revision objects (`web-6fff4b7674-qgdtr`);
//! - the namespace: what is shown names one that a reader might have;
//! - which of the two reasons the kubelet gives by turns for an image that it cannot pull, and what it says of the second;
//! - how often a container that crashes has been restarted when that is seen;
//! - the frame of a spinner;
//! - how many blanks separate two words, since the widths of columns depend on names and ages; blank lines at the end.
//!
//! Lines of progress, which begin with their time, come in no fixed number: a controller is faster at one time than at
//! another. One that is shown has to be printed, and in that order; more may be printed than are shown.

#![warn(missing_docs)]

use std::sync::LazyLock;

use diffy::DiffOptions;
use regex::{Captures, Regex};

const TIME: &str = "<time>";
const DURATION: &str = "<duration>";

/// What generated names are made of (`k8s.io/apimachinery/pkg/util/rand`): no vowels, and no digits that look like one.
const GENERATED: &str = "[bcdfghjklmnpqrstvwxz2456789]";

/// Says how what is printed differs from what is shown, line by line; `names` are the real ones with those that are shown.
#[must_use]
pub fn difference(shown: &str, printed: &str, names: &[(&str, &str)]) -> Option<String> {
    let shown = comparable(shown, &[]);
    let printed = without_more_progress(&comparable(printed, names), &shown);
    let mut options = DiffOptions::new();
    options.set_original_filename("shown").set_modified_filename("printed");
    (shown != printed).then(|| options.create_patch(&shown, &printed).to_string())
}

/// Makes the same what no two runs have in common.
#[must_use]
pub fn comparable(text: &str, names: &[(&str, &str)]) -> String {
    let named = names.iter().fold(text.to_owned(), |text, (real, shown)| text.replace(real, shown));
    named.trim_end().lines().map(|line| line_of(line) + "\n").collect()
}

fn line_of(line: &str) -> String {
    static TIMES: LazyLock<Regex> = LazyLock::new(|| regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"));
    static DURATIONS: LazyLock<Regex> = LazyLock::new(|| regex(r"(\d+(\.\d+)?(ms|[ydhms]))+"));
    // A hash has ten characters at most, and hardly ever fewer than six; five more tell a pod from its ReplicaSet.
    static ENDS: LazyLock<Regex> = LazyLock::new(|| regex(&format!("(-{GENERATED}{{5,10}}){{1,2}}")));
    static PULLS: LazyLock<Regex> = LazyLock::new(|| regex("ErrImagePull|ImagePullBackOff"));
    static BACK_OFF: LazyLock<Regex> =
        LazyLock::new(|| regex(r#"Back-off pulling image "[^"]*": (ErrImagePull: )?"#));
    static RESTARTS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d+ restarts?\b"));
    static FRAMES: LazyLock<Regex> = LazyLock::new(|| regex("[\u{2800}-\u{28ff}]"));
    let line = replaced(&TIMES, line, |_| TIME.to_owned());
    let line = BACK_OFF.replace_all(&line, "");
    let line = replaced(&DURATIONS, &line, |_| DURATION.to_owned());
    let line = replaced_behind_a_word(&ENDS, &line, |found| {
        let end = |part: &str| if part.len() == 5 { "-<id>" } else { "-<hash>" };
        found[0].split('-').skip(1).map(end).collect()
    });
    let line = PULLS.replace_all(&line, "ErrImagePull");
    let line = RESTARTS.replace_all(&line, "<n> restarts");
    let line = FRAMES.replace_all(&line, "⠋");
    // What leads a line is structure and stays.
    let indent = &line[..line.len() - line.trim_start().len()];
    format!("{indent}{}", line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{error}"))
}

/// Replaces what is a word of its own: `5s`, and not the end of `nginx:5s` or `v5s`.
fn replaced(pattern: &Regex, line: &str, with: impl Fn(&Captures<'_>) -> String) -> String {
    replaced_where(
        pattern,
        line,
        |before| before.is_none_or(|it| it.is_whitespace() || "([<~".contains(it)),
        with,
    )
}

/// Replaces what ends a word: `-qgdtr` in `web-qgdtr`.
fn replaced_behind_a_word(pattern: &Regex, line: &str, with: impl Fn(&Captures<'_>) -> String) -> String {
    replaced_where(pattern, line, |before| before.is_some_and(char::is_alphanumeric), with)
}

fn replaced_where(
    pattern: &Regex,
    line: &str,
    begins: impl Fn(Option<char>) -> bool,
    with: impl Fn(&Captures<'_>) -> String,
) -> String {
    let ends = |after: Option<char>| after.is_none_or(|it| !it.is_alphanumeric() && !"-_/=".contains(it));
    let swap = |found: &Captures<'_>| {
        let all = found.get_match();
        let (before, after) = (line[..all.start()].chars().next_back(), line[all.end()..].chars().next());
        if begins(before) && ends(after) { with(found) } else { all.as_str().to_owned() }
    };
    pattern.replace_all(line, swap).into_owned()
}

/// Leaves out the lines of progress that are printed and not shown; both are comparable.
fn without_more_progress(printed: &str, shown: &str) -> String {
    let mut shown = shown.lines().filter(|line| line.starts_with(TIME)).peekable();
    let kept = printed
        .lines()
        .filter(|line| !line.starts_with(TIME) || shown.next_if(|next| next == line).is_some());
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{comparable, difference};

    fn same(shown: &str, printed: &str) {
        assert_eq!(difference(shown, printed, &[]), None);
    }

    fn differ(shown: &str, printed: &str) {
        assert!(difference(shown, printed, &[]).is_some(), "{shown} and {printed} are taken for the same");
    }

    #[test]
    fn what_no_two_runs_have_in_common_is_not_compared() {
        same("at 2026-01-31T14:00:00Z", "at 2027-11-29T05:29:41.25Z");
        same("web  5s  3/3", "web   3m20s   3/3");
        same("stay so for 20s, then (1h2m)", "stay so for 1d, then (250ms)");
        same("pod web-6fff4b7674-qgdtr, container a", "pod web-84d5bf-2b9cc, container a");
        same("agent-xckms, agent-q8t27", "agent-ft28z, agent-b7cn8");
        same("replicaset web-6f9bcdc979 (new)", "replicaset web-76b7c89f4 (new)");
        same("it waits (ErrImagePull)", "it waits (ImagePullBackOff)");
        same(
            "(rpc error: not found)",
            "(Back-off pulling image \"a:1\": ErrImagePull: rpc error: not found)",
        );
        same("crashes (exit code 1, 1 restart)", "crashes (exit code 1, 2 restarts)");
        same("⠙ [==>--] web  2s", "⠸ [==>--] web  14s");
        assert_eq!(difference("undo web -n shop", "undo web -n guide-12-3", &[("guide-12-3", "shop")]), None);
    }

    #[test]
    fn what_tells_something_is_compared() {
        for (shown, printed) in [
            ("revision 3 -> 2", "revision 3 -> 1"),
            (">3  0s  0/1  a", ">3  0s  1/1  a"),
            ("*4 (was 2)", "*4 (was 3)"),
            ("pods: 1 replaced: web-6fff4b7674-qgdtr", "pods: 2 replaced: web-6fff4b7674-qgdtr"),
            ("pods: 1: agent-xckms", "pods: 1: agent-xckms, agent-q8t27"),
            ("pod db-2 blocks", "pod db-1 blocks"),
            ("pod db-10 blocks", "pod db-11 blocks"),
            ("node-1   5   yes", "node-2   5   yes"),
            ("pod agent-xckms", "pod other-xckms"),
            ("pod web-6fff4b7674-qgdtr", "pod web-qgdtr"),
            ("nginx 1.27 -> 1.28", "nginx 1.27 -> 1.29"),
            ("nginx:5s", "nginx:6s"),
            ("--for=5s", "--for=6s"),
            ("step 1 of 2 (1): 0 of 1", "step 1 of 2 (1): 1 of 1"),
            ("[==>--] web", "[=>---] web"),
            ("exit code 5", "exit code 3"),
            ("crashes (exit code 1, 1 restart)", "crashes (exit code 2, 1 restart)"),
            ("1 of 3 new (0 available)", "1 of 3 new (1 available)"),
            ("sts/db  current", "sts/db  old"),
            ("crash-loop: pod", "image-pull: pod"),
            ("  pods", "pods"),
            ("a\n\nb", "a\nb"),
            ("a\n", ""),
            ("", "a\n"),
            ("a\nb\n", "b\na\n"),
        ] {
            differ(shown, printed);
        }
    }

    #[test]
    fn a_word_with_hyphens_is_no_generated_name() {
        for text in
            ["fluent-bit", "sts-stuck", "pod-template-hash", "rolling-update 2026-01-31", "readme-24589-1"]
        {
            assert_eq!(comparable(text, &[]), format!("{text}\n"));
        }
    }

    #[test]
    fn progress_may_be_more_than_is_shown_and_not_less() {
        let line = |second: u32, text: &str| format!("2026-01-01T00:00:0{second}Z {text}\n");
        let printed =
            ["begun\n", &line(1, "1 of 3"), &line(2, "2 of 3"), &line(3, "deleting db-2"), "done\n"].concat();
        same("begun\ndone\n", &printed);
        same(&["begun\n", &line(9, "deleting db-2"), "done\n"].concat(), &printed);
        same(&["begun\n", &line(0, "1 of 3"), &line(9, "deleting db-2"), "done\n"].concat(), &printed);
        differ(&["begun\n", &line(9, "deleting db-1"), "done\n"].concat(), &printed);
        differ(&["begun\n", &line(1, "2 of 3"), &line(2, "1 of 3"), "done\n"].concat(), &printed);
        differ(&["begun\n", "done\n", &line(3, "deleting db-2")].concat(), &printed);
        differ("begun\n", &printed);
    }
}
