//! Changes of a pod template, good and bad, and what has to come of each: good ones stay, whatever their start is like; bad ones
//! are called by the right name, and go back.

use std::sync::Arc;
use std::thread;

use cluster::{Namespace, Output};
use e2e::scene::{meanwhile, rollback};
use e2e::{KINDS, assert_code};
use libtest_mimic::Trial;
use node::Lab;
use serde_json::{Value, json};

use crate::scene::{
    MOMENT, app, at_once, change, create, healthy, image_of, living, rests, settled, uids, wait_until, web,
};

/// What a pod of the new revision has to look like when it is called broken.
pub type Truth = fn(&Value) -> bool;

/// What is to come of a change.
enum Expected {
    /// It stays.
    Stays,
    /// It is called by this id, with these words, and this is true of one of its pods; where no pod can be made, there is none.
    Fails { id: &'static str, says: &'static str, truth: Option<Truth> },
}

/// A change of a pod template.
pub struct Case {
    name: &'static str,
    kinds: &'static [&'static str],
    /// The repository and the tag, in the test's own place for what is asked for once.
    image: String,
    spec: Value,
    flags: &'static [&'static str],
    /// Whether its pods may be ready for a moment: then its controller goes on to the next.
    brief: bool,
    before: Option<fn(&Namespace<'_>)>,
    meanwhile: Option<fn(&Namespace<'_>)>,
    expected: Expected,
}

/// A change to `app:2` that stays.
pub fn good(name: &'static str) -> Case {
    Case {
        name,
        kinds: &KINDS,
        image: app("2"),
        spec: json!({}),
        flags: &[],
        brief: false,
        before: None,
        meanwhile: None,
        expected: Expected::Stays,
    }
}

/// A change to `app:2` that fails by a cause.
pub fn bad(name: &'static str, id: &'static str, says: &'static str) -> Case {
    Case { expected: Expected::Fails { id, says, truth: None }, ..good(name) }
}

impl Case {
    pub fn kinds(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    /// What the program does.
    pub fn runs(mut self, words: &str) -> Self {
        self.image = app(words);
        self
    }

    /// Its pods may be ready for a moment.
    pub fn brief(mut self) -> Self {
        self.brief = true;
        self
    }

    /// An image of another repository.
    pub fn image(mut self, image: &str) -> Self {
        self.image = image.to_string();
        self
    }

    pub fn spec(mut self, spec: Value) -> Self {
        self.spec = spec;
        self
    }

    /// What else the container is.
    pub fn container(self, container: &Value) -> Self {
        self.spec(json!({ "containers": [container] }))
    }

    /// Whatever may pass is called sooner than usual, and not before a container of a busy machine has started.
    pub fn impatient(mut self) -> Self {
        self.flags = &["--patience=30s"];
        self
    }

    pub fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    pub fn before(mut self, act: fn(&Namespace<'_>)) -> Self {
        self.before = Some(act);
        self
    }

    /// Done a moment after the change.
    pub fn meanwhile(mut self, act: fn(&Namespace<'_>)) -> Self {
        self.meanwhile = Some(act);
        self
    }

    /// What is true of a pod that is called broken.
    pub fn pod(mut self, is: Truth) -> Self {
        if let Expected::Fails { truth, .. } = &mut self.expected {
            *truth = Some(is);
        }
        self
    }

    fn play(&self, lab: &Lab, kind: &'static str) {
        // What is asked for once is another one for each kind.
        let image = self.image.replace("KIND", kind);
        match &self.expected {
            Expected::Stays => self.stays(lab, kind, &image),
            Expected::Fails { id, says, truth } => self.fails(lab, kind, &image, (id, says), *truth),
        }
    }

    fn stays(&self, lab: &Lab, kind: &'static str, image: &str) {
        let (ns, target) = (lab.cluster.namespace(self.name), format!("{kind}/web"));
        // One pod of each, and none beside it: the slowest start is that of the old one, a moment.
        create(&ns, &web(kind, 1).spec(at_once(kind)));
        settled(&ns, &target);
        self.before.iter().for_each(|act| act(&ns));
        change(&ns, &target, image, &self.spec);
        let words = [&["guard", &target, "--soak=2s", "--timeout=300s"], self.flags].concat();
        let guarded = meanwhile(&ns, &words, || {
            if let Some(act) = self.meanwhile {
                thread::sleep(MOMENT);
                act(&ns);
            }
        });
        assert_code(&guarded, 0);
        rests(&ns, &target, image, &guarded);
    }

    /// A Deployment is guarded; the others are looked at, their pods too, and undone.
    fn fails(
        &self,
        lab: &Lab,
        kind: &'static str,
        image: &str,
        (id, says): (&str, &str),
        truth: Option<Truth>,
    ) {
        let (ns, target) = healthy(lab, self.name, kind);
        self.before.iter().for_each(|act| act(&ns));
        let before = uids(&ns);
        change(&ns, &target, image, &self.spec);
        let told = |output: &Output| {
            let named = output.stderr.contains(&format!("{id}: ")) && output.stderr.contains(says);
            assert!(named, "{id}: {says:?} is not said: {output}");
        };
        let output = if kind == "deployment" {
            let words = [&["guard", &target, "--soak=2s", "--timeout=300s"], self.flags].concat();
            let guarded = rollback(&ns, &words);
            assert_code(&guarded, 5);
            told(&guarded);
            guarded
        } else {
            let status = rollback(&ns, &[&["status", &target, "--timeout=300s"], self.flags].concat());
            assert_code(&status, 3);
            told(&status);
            let new = || living(&ns).into_iter().filter(|pod| image_of(pod) == image);
            if let Some(is) = truth {
                // What a node does not take is made and deleted many times a second, and not always there.
                wait_until(&format!("a pod is as it was called: {status}"), || new().any(|pod| is(&pod)));
            } else {
                assert_eq!(new().count(), 0, "there is a pod: {status}");
            }
            let undone = rollback(&ns, &["undo", &target, "-y", "--timeout=240s"]);
            assert_code(&undone, 0);
            undone
        };
        rests(&ns, &target, &app("1"), &output);
        // One pod was replaced at most, and a Deployment's none.
        let kept = uids(&ns).values().filter(|uid| before.values().any(|it| it == *uid)).count();
        let least = before.len() - usize::from(kind != "deployment");
        assert!(self.brief || kept >= least, "{kept} of {} pods were left alone: {output}", before.len());
    }
}

/// A test for each case and kind.
pub fn all(lab: &Arc<Lab>) -> Vec<Trial> {
    let cases: Vec<Arc<Case>> =
        crate::slow::cases().into_iter().chain(crate::broken::cases()).map(Arc::new).collect();
    let of = |case: &Arc<Case>, kind: &'static str| {
        let (lab, case) = (Arc::clone(lab), Arc::clone(case));
        Trial::test(format!("{}::{kind}", case.name), move || {
            case.play(&lab, kind);
            Ok(())
        })
    };
    cases.iter().flat_map(|case| case.kinds.iter().map(|kind| of(case, kind))).collect()
}
