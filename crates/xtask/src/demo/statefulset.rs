//! A StatefulSet: its three ways to update, and the rollback that breaks down.

use super::story::{Part, Step, act, look};

pub(super) const PART: Part = Part {
    name: "statefulset",
    title: "StatefulSet",
    manifest: include_str!("statefulset.yaml"),
    steps: &[
        Step {
            title: "Three pods, each with a name of its own",
            see: "They start in order, each when the one before is ready.",
            acts: &[
                act("kubectl create -f statefulset.yaml"),
                act("kubectl stspartition status web").shows(&["successfully rolled out"]),
                look("kubectl get pods -l app=web").shows(&["web-0", "web-1", "web-2"]),
            ],
        },
        Step {
            title: "RollingUpdate: the highest ordinal first",
            see: "The controller deletes web-2, waits until it is ready again, then web-1, then web-0.",
            acts: &[
                act("kubectl set image statefulset/web nginx=nginx:1.9.1"),
                act("kubectl stspartition status web").shows(&["successfully rolled out"]),
                look(
                    "kubectl get events --field-selector involvedObject.name=web,reason=SuccessfulDelete -o custom-columns=STEP:.message",
                )
                .shows(&["web-2", "web-1", "web-0"]),
            ],
        },
        Step {
            title: "Partitioned: a canary",
            see: "Pods with an ordinal below the partition keep their revision. kubectl calls this complete; our \
                  status says what is held, and how to go on.",
            acts: &[
                act(
                    "kubectl patch statefulset/web -p '{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}}'",
                ),
                act("kubectl set image statefulset/web nginx=nginx:1.10.3"),
                act("kubectl stspartition status web").ends(7).shows(&["partition 2 keeps 2 pods"]),
                look(
                    "kubectl get pods -l app=web -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
                )
                .shows(&["nginx:1.9.1", "nginx:1.10.3"]),
            ],
        },
        Step {
            title: "The canary is good: the rest follows",
            see: "`pods` draws the line where the partition is; `advance` moves it: one more pod, or up to a number or a share.",
            acts: &[
                look("kubectl stspartition pods web").shows(&["partition 2"]),
                act("kubectl stspartition advance web --to 100%").shows(&["successfully rolled out"]),
            ],
        },
        Step {
            title: "History, and undo",
            see: "The way back is a rolling update too: the plan names the pods in the order in which they go.",
            acts: &[
                look("kubectl stspartition history web").shows(&["1.9.1 -> 1.10.3", "*3"]),
                act("kubectl stspartition undo web --reason 'slow queries'")
                    .shows(&["web-2, web-1, web-0", "successfully rolled out"]),
                look("kubectl stspartition history web").shows(&["*4", "slow queries"]),
            ],
        },
        Step {
            title: "OnDelete: you choose the pod and the moment",
            see: "Only the pod that is deleted becomes new, and undo puts back only that one.",
            acts: &[
                act(
                    "kubectl patch statefulset/web -p '{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":null}}}'",
                ),
                act("kubectl set image statefulset/web nginx=nginx:1.11.13"),
                act("kubectl delete pod web-1"),
                act("kubectl stspartition status web").ends(7).shows(&["held: the strategy is OnDelete"]),
                look(
                    "kubectl get pods -l app=web -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image,READY:.status.containerStatuses[0].ready",
                )
                .shows(&["nginx:1.9.1", "nginx:1.11.13"])
                .hides(&["false", "<none>"]),
                act("kubectl stspartition undo web").shows(&["pods: 1 deleted", "deleting pod web-1", "successfully rolled out"]),
                act(
                    "kubectl patch statefulset/web -p '{\"spec\":{\"updateStrategy\":{\"type\":\"RollingUpdate\"}}}'",
                ),
            ],
        },
        Step {
            title: "The breakdown: a bad image, and kubectl's undo does not help",
            see: "web-2 never gets ready. The template goes back, but the controller waits for web-2 before it \
                  does anything else, and so never replaces it: kubectl's status would wait for ever (here 5 s).",
            acts: &[
                act("kubectl set image statefulset/web nginx=nginx:missing"),
                act("kubectl stspartition status web").ends(3).shows(&["web-2", "image-pull"]),
                act("kubectl rollout undo statefulset/web").shows(&["rolled back"]),
                act("kubectl rollout status statefulset/web --timeout=5s").ends(1).shows(&["timed out"]),
                look(
                    "kubectl get pods -l app=web -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image,WAITS:.status.containerStatuses[0].state.waiting.reason",
                )
                .shows(&["nginx:missing", "Pull"]),
                act("kubectl stspartition status web").ends(3).shows(&["sts-stuck", "web-2"]),
            ],
        },
        Step {
            title: "Repaired by hand",
            see: "The documented way out: find the pod, and delete it.",
            acts: &[
                act("kubectl delete pod web-2"),
                act("kubectl stspartition status web").shows(&["successfully rolled out"]),
            ],
        },
        Step {
            title: "The same breakdown, and one command",
            see: "Our undo puts the template back, waits until the controller has seen it, and deletes exactly \
                  the pod that blocks the set; the healthy ones are not touched.",
            acts: &[
                act("kubectl set image statefulset/web nginx=nginx:missing"),
                act("kubectl stspartition status web").ends(3).shows(&["image-pull"]),
                act("kubectl stspartition undo web").shows(&["pods: 1 deleted", "web-2 blocks the set", "successfully rolled out"]),
                look("kubectl get pods -l app=web").shows(&["web-2"]).hides(&["Pull"]),
            ],
        },
    ],
};
