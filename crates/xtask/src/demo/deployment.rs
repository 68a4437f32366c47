//! A Deployment: upgraded, watched, rolled back, paused, broken and repaired.

use super::story::{Part, Step, act, look};

pub(super) const PART: Part = Part {
    name: "deployment",
    title: "Deployment",
    manifest: include_str!("deployment.yaml"),
    steps: &[
        Step {
            title: "The first release: nginx 1.7.9 in four pods",
            see: "The manifest says in an annotation why it is rolled out: the change cause. `status` watches \
                  until every pod is new and available.",
            acts: &[
                act("kubectl create -f deployment.yaml"),
                act("kubectl rollback status deployment/nginx").shows(&["successfully rolled out"]),
            ],
        },
        Step {
            title: "Upgrade by `set image`: nginx 1.9.1",
            see: "A new image is a new pod template, and that is a new revision. The annotation replaces the \
                  deprecated --record. In the end all pods have the new image.",
            acts: &[
                act("kubectl set image deployment/nginx nginx=nginx:1.9.1"),
                act("kubectl annotate deployment/nginx kubernetes.io/change-cause='faster TLS' --overwrite"),
                act("kubectl rollback status deployment/nginx").shows(&["successfully rolled out"]),
                look(
                    "kubectl get pods -l app=nginx -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
                )
                .shows(&["nginx:1.9.1"])
                .hides(&["nginx:1.7.9"]),
            ],
        },
        Step {
            title: "How it went: one ReplicaSet grew while the other shrank",
            see: "maxSurge 25% of 4 pods allows 1 pod more (rounded up), maxUnavailable 25% allows 1 fewer \
                  (rounded down): never more than 5 pods, never fewer than 3 available.",
            acts: &[
                look("kubectl get replicasets -l app=nginx"),
                look(
                    "kubectl get events --field-selector involvedObject.name=nginx,reason=ScalingReplicaSet -o custom-columns=STEP:.message",
                )
                .shows(&["from 0 to 1", "from 4 to 3", "from 1 to 0"]),
            ],
        },
        Step {
            title: "Upgrade by `edit`: nginx 1.10.3",
            see: "Any change of the template rolls out, however it is made. Here sed plays the editor.",
            acts: &[
                act(
                    "KUBE_EDITOR='sed -i.bak s/nginx:1.9.1/nginx:1.10.3/' kubectl edit deployment/nginx",
                )
                .shows(&["edited"]),
                act("kubectl annotate deployment/nginx kubernetes.io/change-cause='HTTP/2 fixes' --overwrite"),
                act("kubectl rollback status deployment/nginx").shows(&["successfully rolled out"]),
            ],
        },
        Step {
            title: "The history: what kubectl knows, and what there is to know",
            see: "kubectl shows numbers and causes. `kubectl rollback history` adds when, how many pods are \
                  ready, and what changed against the revision before; * marks the current one.",
            acts: &[
                look("kubectl rollout history deployment/nginx").shows(&["HTTP/2 fixes"]),
                look("kubectl rollback history deployment/nginx").shows(&[
                    "first release",
                    "1.7.9 -> 1.9.1",
                    "1.9.1 -> 1.10.3",
                    "*3",
                    "HTTP/2 fixes",
                ]),
                look("kubectl rollback history deployment/nginx --revision 2").shows(&["nginx:1.9.1"]),
            ],
        },
        Step {
            title: "What differs between two revisions",
            see: "As `diff` does, it ends with 1 where they differ and with 0 where they do not.",
            acts: &[
                look("kubectl rollback diff deployment/nginx --revision 1,3")
                    .ends(1)
                    .shows(&["nginx:1.7.9 -> nginx:1.10.3"]),
            ],
        },
        Step {
            title: "Undo: back to the previous revision",
            see: "First the plan: what changes, which pods are replaced, how many stay available. A terminal is \
                  asked for a yes here. Then the way back, watched. Revision 2 is the newest again, and so \
                  becomes 4; the reason stands as its change cause.",
            acts: &[
                act("kubectl rollback undo deployment/nginx --dry-run").shows(&["nginx:1.10.3 -> nginx:1.9.1"]),
                act("kubectl rollback undo deployment/nginx --reason 'errors in the log'")
                    .shows(&["successfully rolled out"]),
                look("kubectl rollback history deployment/nginx").shows(&["*4 (was 2)", "errors in the log"]),
            ],
        },
        Step {
            title: "Undo to a revision that you choose: only the template goes back",
            see: "Five replicas were asked for after revision 1; going back to it leaves them five.",
            acts: &[
                act("kubectl scale deployment/nginx --replicas=5"),
                act("kubectl rollback undo deployment/nginx --to-revision=1").shows(&["successfully rolled out"]),
                look(
                    "kubectl get deployment/nginx -o custom-columns=REPLICAS:.spec.replicas,IMAGE:.spec.template.spec.containers[0].image",
                )
                .shows(&["5", "nginx:1.7.9"]),
            ],
        },
        Step {
            title: "Pause, and change something: nothing happens",
            see: "No ReplicaSet appears, and all pods keep their image. `status` says so and ends (with 7: held) \
                  where kubectl's would wait for ever; `undo` says what it needs.",
            acts: &[
                act("kubectl rollout pause deployment/nginx"),
                act("kubectl set image deployment/nginx nginx=nginx:1.11.13"),
                act("kubectl annotate deployment/nginx kubernetes.io/change-cause='smaller image' --overwrite"),
                look("kubectl get replicasets -l app=nginx"),
                look(
                    "kubectl get pods -l app=nginx -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
                )
                .shows(&["nginx:1.7.9"])
                .hides(&["nginx:1.11.13"]),
                act("kubectl rollback status deployment/nginx").ends(7).shows(&["held: it is paused"]),
                act("kubectl rollback undo deployment/nginx").ends(1).shows(&["paused", "--resume"]),
            ],
        },
        Step {
            title: "Resume: the new ReplicaSet appears",
            see: "One rollout for everything that was changed meanwhile.",
            acts: &[
                act("kubectl rollout resume deployment/nginx"),
                act("kubectl rollback status deployment/nginx").shows(&["successfully rolled out"]),
                look("kubectl get replicasets -l app=nginx"),
                look("kubectl rollback history deployment/nginx").shows(&["1.7.9 -> 1.11.13"]),
            ],
        },
        Step {
            title: "A failed upgrade, seen within seconds, and undone",
            see: "The image does not exist. `status` names the pod and the cause and ends with 3; the old pods \
                  went on serving all the time.",
            acts: &[
                act("kubectl set image deployment/nginx nginx=nginx:missing"),
                act("kubectl annotate deployment/nginx kubernetes.io/change-cause='a bad idea' --overwrite"),
                act("kubectl rollback status deployment/nginx").ends(3).shows(&["image-pull", "nginx:missing"]),
                look("kubectl get deployment/nginx"),
                act("kubectl rollback undo deployment/nginx").shows(&["successfully rolled out"]),
            ],
        },
        Step {
            title: "The same failure in a pipeline: guard takes it back",
            see: "`guard` watches what was rolled out, lets the pods soak, and goes back to what worked where they \
                  fail: nobody was awake, the exit code (5) says what happened, and nginx 1.11.13 serves on.",
            acts: &[
                act("kubectl set image deployment/nginx nginx=nginx:missing"),
                act("kubectl rollback guard deployment/nginx")
                    .ends(5)
                    .shows(&["image-pull", "going back to revision", "failed and was undone"]),
                look(
                    "kubectl get pods -l app=nginx -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
                )
                .shows(&["nginx:1.11.13"])
                .hides(&["missing"]),
            ],
        },
        Step {
            title: "Change and guard in one: try",
            see: "`try` notes where it starts from, sets the image, and guards it. Any command can make the change \
                  instead; here sed plays the editor again, with a typo.",
            acts: &[
                act("kubectl rollback try deployment/nginx nginx=nginx:1.10.3 --soak 5s --reason 'a careful step back'")
                    .shows(&["nginx:1.11.13 -> nginx:1.10.3", "successfully rolled out"]),
                act(
                    "KUBE_EDITOR='sed -i.bak s/nginx:1.10.3/nginx:missing/' kubectl rollback try deployment/nginx -- kubectl edit deployment/nginx",
                )
                .ends(5)
                .shows(&["edited", "failed and was undone"]),
                act("kubectl rollback try deployment/nginx nginx=nginx:1.11.13 --soak 5s --reason 'smaller image'")
                    .shows(&["successfully rolled out"]),
            ],
        },
        Step {
            title: "Two failures in a row: the previous revision is no way back",
            see: "The fix of the failed upgrade has a typo. A plain undo would go back to the first failure: it \
                  stops (with 8), nothing changed, and names the revision that worked.",
            acts: &[
                act("kubectl set image deployment/nginx nginx=nginx:missing"),
                act("kubectl annotate deployment/nginx kubernetes.io/change-cause='a bad idea' --overwrite"),
                act("kubectl rollback status deployment/nginx").ends(3).shows(&["image-pull"]),
                act("kubectl set image deployment/nginx nginx=ngnix:missing"),
                act("kubectl annotate deployment/nginx kubernetes.io/change-cause='a bad fix' --overwrite"),
                act("kubectl rollback status deployment/nginx").ends(3).shows(&["image-pull"]),
                look("kubectl rollback history deployment/nginx"),
                act("kubectl rollback undo deployment/nginx")
                    .ends(8)
                    .shows(&["is known to have worked", "nothing was changed"]),
            ],
        },
        Step {
            title: "Back to the last good revision",
            see: "--to-last-good asks the pods: the newest older revision that has available ones.",
            acts: &[
                act("kubectl rollback undo deployment/nginx --to-last-good").shows(&["successfully rolled out"]),
                look(
                    "kubectl get pods -l app=nginx -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
                )
                .shows(&["nginx:1.11.13"])
                .hides(&["missing"]),
            ],
        },
        Step {
            title: "What was rolled out lately?",
            see: "The first question of an incident: all revisions of all workloads, the newest first, each at the time when \
                  it went live or came back.",
            acts: &[
                look("kubectl rollback timeline").shows(&["deploy/nginx", "current", "to undo the newest"]),
            ],
        },
    ],
};
