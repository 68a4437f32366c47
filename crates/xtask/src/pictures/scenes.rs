//! What is played for each picture, one after the other on one cluster: each begins where the one before has ended.

pub(super) struct Picture {
    /// What its file is called.
    pub(super) name: &'static str,
    /// What stands above it.
    pub(super) title: &'static str,
    pub(super) acts: &'static [Act],
}

pub(super) enum Act {
    /// Goes before, and is not seen.
    Before(&'static str),
    /// Is seen with what it prints, to its end; what is asked, with what is answered.
    Typed { line: &'static str, answers: &'static [(&'static str, &'static str)], code: i32 },
    /// Is seen as it is when it shows something, and is then interrupted: the last of a picture.
    Caught { line: &'static str, answers: &'static [(&'static str, &'static str)], at: &'static str },
}

/// A command that asks nothing and ends with this.
const fn typed(line: &'static str, code: i32) -> Act {
    Act::Typed { line, answers: &[], code }
}

/// A command whose question is answered with yes.
const fn agreed(line: &'static str, code: i32) -> Act {
    Act::Typed { line, answers: YES, code }
}

const YES: &[(&str, &str)] = &[("[y/N]", "y\r")];

pub(super) const PICTURES: &[Picture] = &[
    Picture {
        name: "history",
        title: "what was rolled out, and what changed",
        acts: &[
            Act::Before("kubectl create -f shop.yaml && kubectl rollback status deploy,ds,sts --all"),
            Act::Before("kubectl annotate deploy/web kubernetes.io/change-cause='first release'"),
            Act::Before(
                "kubectl set image deploy/web nginx=nginx:1.28 && \
                 kubectl annotate deploy/web kubernetes.io/change-cause='HTTP/3' --overwrite && \
                 kubectl rollback status deploy/web",
            ),
            Act::Before(
                "kubectl rollout pause deploy/web && kubectl set image deploy/web nginx=nginx:1.29 && \
                 kubectl set env deploy/web LOG_LEVEL=debug && kubectl set resources deploy/web --limits=memory=256Mi && \
                 kubectl annotate deploy/web kubernetes.io/change-cause='look into the slow pages' --overwrite && \
                 kubectl rollout resume deploy/web && kubectl rollback status deploy/web",
            ),
            typed("kubectl rollback history deploy/web", 0),
        ],
    },
    Picture {
        name: "diff",
        title: "field by field, as Kubernetes merges them",
        acts: &[typed("kubectl rollback diff deploy/web", 1)],
    },
    Picture {
        name: "undo",
        title: "a rollout that fails, and the way back",
        acts: &[
            typed("kubectl set image deploy/web nginx=nginx:crash", 0),
            typed("kubectl rollback status deploy/web", 3),
            agreed("kubectl rollback undo deploy/web", 0),
        ],
    },
    Picture {
        name: "guard",
        title: "a pipeline's last line: it works, or it is undone",
        acts: &[
            typed("kubectl set image deploy/web nginx=nginx:oom", 0),
            typed("kubectl rollback guard deploy/web || echo \"exit code $?\"", 0),
        ],
    },
    Picture {
        name: "stuck",
        title: "a stuck StatefulSet: kubectl's way back, and ours",
        acts: &[
            Act::Before(
                "kubectl set image sts/db postgres=postgres:missing && ! kubectl rollback status sts/db",
            ),
            typed("kubectl rollout undo sts/db", 0),
            typed("kubectl rollout status sts/db --timeout=5s", 1),
            agreed("kubectl stspartition unstick db", 0),
        ],
    },
    Picture {
        name: "steps",
        title: "a DaemonSet in steps: one node, half of them, all",
        acts: &[
            Act::Before("kubectl patch ds/agent -p '{\"spec\":{\"minReadySeconds\":3}}'"),
            Act::Before("kubectl rollback status ds/agent"),
            Act::Caught {
                line: "kubectl dsupdate start agent agent=fluent-bit:3.2 --steps 1,50%,100% --soak 2s",
                answers: YES,
                at: "2 of 3, node-4 in hand",
            },
        ],
    },
    Picture {
        name: "nodes",
        title: "which node runs what",
        acts: &[
            Act::Before("kubectl dsupdate resume agent --pause-after 1 --yes"),
            typed("kubectl dsupdate nodes agent", 0),
        ],
    },
];
