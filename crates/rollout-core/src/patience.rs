//! How long something may last before it counts: every patience of the verdict in one place, with what it rests on.

/// How patient somebody asked to be, and what follows for each sort of trouble. All times are seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    asked: Option<u32>,
}

impl Patience {
    /// Waits for that many seconds for what may pass by itself, whatever it is; none is by what each is known to take.
    pub fn of(asked: Option<u32>) -> Patience {
        Patience { asked }
    }

    fn or(self, usual: i64) -> i64 {
        self.asked.map_or(usual, i64::from)
    }

    /// What may pass by itself in general. The second pull of an image comes 10 to 15 s after the first, the third 20 to
    /// 30 s after that (pkg/kubelet/images/image_manager.go, with the jitter of pod_workers.go); operators make Secrets, and
    /// webhooks and registries come back, within seconds; an autoscaler looks every 10 s and takes some more to decide.
    pub fn usual(self) -> i64 {
        self.or(60)
    }
}
