//! What is far larger, deeper or more repetitive than anything real is read or refused, soon and on a small stack.

use std::time::{Duration, Instant};

use fuzz::TARGETS;

/// Nothing takes longer, also on a slow machine and without optimisation.
const LONGEST: Duration = Duration::from_secs(60);

fn read(name: &str, what: &str, text: &str) {
    let target = TARGETS.into_iter().find(|target| target.name == name).expect("a target");
    let start = Instant::now();
    (target.run)(text.as_bytes());
    assert!(start.elapsed() < LONGEST, "{what} takes {:?} as {name}", start.elapsed());
}

/// Ten lines that repeat each other a hundred million times.
fn bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    text
}

#[test]
fn depth_has_an_end() {
    for target in TARGETS {
        for open in ["[", "{\"a\":", "{a: ", "- ", "? "] {
            read(target.name, open, &open.repeat(100_000));
            read(target.name, open, &format!("{{\"version\":1,\"rollout\":{}", open.repeat(100_000)));
        }
        let blocks: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        read(target.name, "blocks in blocks", &blocks);
    }
}

#[test]
fn repetition_has_an_end() {
    for target in TARGETS {
        read(target.name, "a bomb of aliases", &bomb());
    }
}

#[test]
fn ranges_in_ranges_have_an_end() {
    read("jsonpath", "a range", &"{range @}".repeat(100_000));
    read(
        "jsonpath",
        "a range with its end",
        &format!("{}{}", "{range @}".repeat(50_000), "{end}".repeat(50_000)),
    );
    read("jsonpath", "a filter", &"{.a[?(".repeat(50_000));
    read("jsonpath", "a union", &format!("{{[{}]}}", "0,".repeat(100_000)));
}

#[test]
fn length_is_no_trouble() {
    for target in TARGETS {
        read(target.name, "a word", &"x".repeat(1_000_000));
        read(target.name, "a text", &format!("{{\"version\":1,\"kind\":\"{}\"}}", "y".repeat(1_000_000)));
        read(target.name, "lines", &"a\n".repeat(100_000));
        read(target.name, "documents", &"---\n".repeat(20_000));
    }
}
