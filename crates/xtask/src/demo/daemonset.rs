//! A DaemonSet: both strategies, with the history and the way back that kubectl did not have for it.

use super::story::{Part, Step, act, look};

pub(super) const PART: Part = Part {
    name: "daemonset",
    title: "DaemonSet",
    manifest: include_str!("daemonset.yaml"),
    steps: &[
        Step {
            title: "A pod on each node, updated when it is deleted (OnDelete)",
            see: "`kubectl dsupdate` is for DaemonSets only, so the type may be left out.",
            acts: &[
                act("kubectl create -f daemonset.yaml"),
                act("kubectl dsupdate status agent").shows(&["successfully rolled out"]),
                look("kubectl get daemonset/agent"),
            ],
        },
        Step {
            title: "OnDelete: a new image, and nothing moves",
            see: "kubectl's status refuses this strategy. Ours says what holds the update and what moves it on, \
                  and ends with 7: held.",
            acts: &[
                act("kubectl set image daemonset/agent nginx=nginx:1.9.1"),
                act("kubectl rollout status daemonset/agent").ends(1).shows(&["only available for RollingUpdate"]),
                act("kubectl dsupdate status agent").ends(7).shows(&["held: the strategy is OnDelete"]),
            ],
        },
        Step {
            title: "A deleted pod comes back new",
            see: "One pod is deleted, whichever comes first: it alone comes back with the new image.",
            acts: &[
                act("kubectl delete \"$(kubectl get pods -l app=agent -o name | head -n 1)\""),
                look(
                    "kubectl get pods -l app=agent -o custom-columns=NODE:.spec.nodeName,IMAGE:.spec.containers[0].image,READY:.status.containerStatuses[0].ready",
                )
                .shows(&["nginx:1.9.1"])
                .hides(&["false", "<none>"]),
            ],
        },
        Step {
            title: "The history, and what changed",
            see: "> marks the revision that is being rolled out; PODS counts the ready ones at each revision.",
            acts: &[
                look("kubectl dsupdate history agent").shows(&["nginx 1.7.9 -> 1.9.1", ">2"]),
                look("kubectl dsupdate diff agent").ends(1).shows(&["nginx:1.7.9 -> nginx:1.9.1"]),
            ],
        },
        Step {
            title: "Undo under OnDelete",
            see: "`kubectl rollout undo` would change the template and leave the pods alone. Ours also deletes, \
                  one by one, the pods that are to go back: here the one that is new, and no other.",
            acts: &[
                act("kubectl dsupdate undo agent --reason 'not yet'")
                    .shows(&["pods: 1 deleted", "its strategy is OnDelete", "successfully rolled out"]),
                look("kubectl get pods -l app=agent -o custom-columns=NODE:.spec.nodeName,IMAGE:.spec.containers[0].image")
                    .shows(&["nginx:1.7.9"])
                    .hides(&["nginx:1.9.1"]),
            ],
        },
        Step {
            title: "RollingUpdate: the controller replaces the pods, node by node",
            see: "maxUnavailable is 1 where nothing else is said: one node at a time. The cause is written first, as a \
                  DaemonSet's revision takes it over when it is made, and never again.",
            acts: &[
                act(
                    "kubectl patch daemonset/agent -p '{\"spec\":{\"updateStrategy\":{\"type\":\"RollingUpdate\"}}}'",
                ),
                act("kubectl annotate daemonset/agent kubernetes.io/change-cause='HTTP/2 fixes' --overwrite"),
                act("kubectl set image daemonset/agent nginx=nginx:1.10.3"),
                act("kubectl dsupdate status agent").shows(&["successfully rolled out"]),
                look("kubectl dsupdate history agent").shows(&["1.7.9 -> 1.10.3", "*4", "HTTP/2 fixes"]),
            ],
        },
        Step {
            title: "A failed update, and the way back",
            see: "It stops at the first node, as maxUnavailable is used up there. Undo replaces that pod alone; \
                  the other nodes' pods are not restarted.",
            acts: &[
                act("kubectl annotate daemonset/agent kubernetes.io/change-cause='a bad idea' --overwrite"),
                act("kubectl set image daemonset/agent nginx=nginx:missing"),
                act("kubectl dsupdate status agent").ends(3).shows(&["image-pull", "nginx:missing"]),
                act("kubectl dsupdate undo agent").shows(&["pods: 1 replaced", "successfully rolled out"]),
                look("kubectl dsupdate history agent").shows(&["missing -> 1.10.3", "*6"]),
            ],
        },
        Step {
            title: "In steps: a canary that crashes after a while",
            see: "`start` holds the set and goes to one node first. The new pod is ready at once, and would pass; in its soak \
                  it crashes, so that node alone gets the old version back, and no other was touched.",
            acts: &[
                act("kubectl dsupdate start agent nginx=nginx:late --steps 1,100% --soak 20s --on-failure abort")
                    .ends(5)
                    .shows(&["step 1 of 2", "failed and was undone"]),
                look("kubectl dsupdate nodes agent").hides(&["CrashLoopBackOff"]),
            ],
        },
        Step {
            title: "In steps, to the end",
            see: "One node, then the rest. A rollout is stored on the workload: after --pause-after, Ctrl-C or a lost \
                  terminal, resume goes on. Afterwards strategy and annotations are what they were.",
            acts: &[
                act("kubectl dsupdate start agent nginx=nginx:1.11.13 --steps 1,100% --soak 2s --pause-after 1")
                    .shows(&["held: 1 of 2 steps"]),
                look("kubectl dsupdate nodes agent"),
                act("kubectl dsupdate resume agent").shows(&["step 2 is done", "successfully rolled out"]),
            ],
        },
    ],
};
