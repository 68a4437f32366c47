use super::*;
use crate::FixedEnvironment;
use std::os::unix::fs::PermissionsExt;

const KNOWN: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new(kuberc: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".kube")).unwrap();
        let case = Self { dir };
        case.program("bin/helper", 0o755);
        case.kuberc(kuberc);
        case
    }

    fn kuberc(&self, text: &str) {
        std::fs::write(self.dir.path().join(".kube/kuberc"), format!("{KNOWN}{text}")).unwrap();
    }

    fn program(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn env(&self) -> FixedEnvironment {
        let env = FixedEnvironment { home: Some(self.dir.path().to_owned()), ..Default::default() };
        env.with("PATH", self.dir.path().join("bin"))
    }

    fn says(&self, command: &str) -> String {
        said(command, None, &self.env())
    }
}

fn said(command: &str, flag: Option<&Path>, env: &FixedEnvironment) -> String {
    let command = clean(command);
    let program = look_path(&command, env);
    let checked = check(&Candidate { command: &command, program: &program }, flag, env);
    checked.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn allows_all_without_a_policy() {
    assert_eq!(Case::new("defaults: []\n").says("helper"), "");
    assert_eq!(Case::new("credentialPluginPolicy: AllowAll\n").says("helper"), "");
    assert_eq!(said("x", None, &FixedEnvironment::default()), "");
}

#[test]
fn denies_all() {
    assert_eq!(
        Case::new("credentialPluginPolicy: DenyAll\n").says("helper"),
        "Unable to connect to the server: getting credentials: plugin \"helper\" not allowed: policy set to \"DenyAll\""
    );
}

#[test]
fn the_list_matches_names_and_resolved_paths() {
    let case = Case::new("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- name: helper\n");
    let path = case.dir.path().join("bin/helper");
    assert_eq!(case.says("helper"), "");
    assert_eq!(case.says(path.to_str().unwrap()), "");
    assert_eq!(case.says(case.dir.path().join("bin/../bin/helper").to_str().unwrap()), "");
    assert!(case.says("other").contains("cannot be resolved"));
    let elsewhere = case.program("elsewhere/helper", 0o755);
    assert!(case.says(elsewhere.to_str().unwrap()).contains("is not permitted"));
    let by_path = |allowed: &str| {
        case.kuberc(&format!(
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: {allowed}\n"
        ));
        case.says("helper")
    };
    assert_eq!(by_path(path.to_str().unwrap()), "");
    assert!(by_path("/bin/other").contains("is not permitted by the credential plugin allowlist"));
    assert!(by_path("bin/../bin/helper").contains("non-normalized file path"));
}

#[test]
fn a_file_that_cannot_be_run_does_not_lend_its_permission_to_another() {
    let case = Case::new("");
    let shadow = case.program("first/h.sh", 0o644);
    let real = case.program("second/h.sh", 0o755);
    case.kuberc(&format!(
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: {}\n",
        shadow.display()
    ));
    let folders = [shadow.parent().unwrap(), real.parent().unwrap()];
    let env = case.env().with("PATH", std::env::join_paths(folders).unwrap());
    assert_eq!(
        said("h.sh", None, &env),
        format!(
            "Unable to connect to the server: getting credentials: plugin path \"{}\" is not permitted by the \
             credential plugin allowlist",
            real.display()
        )
    );
}

#[test]
fn a_mistake_is_never_read_as_allowed() {
    for kuberc in [
        "credentialPluginPolicy: Allowlist\n",
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []\n",
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: ''}]\n",
        "credentialPluginPolicy: Nonsense\n",
        "credentialPluginAllowlist: [{name: helper}]\n",
        "credentialPluginPolicy: [\n",
    ] {
        assert_ne!(Case::new(kuberc).says("helper"), "", "{kuberc}");
    }
}

#[test]
fn can_be_turned_off_and_pointed_elsewhere() {
    let deny = Case::new("credentialPluginPolicy: DenyAll\n");
    let file = deny.dir.path().join(".kube/kuberc");
    assert_eq!(said("x", None, &deny.env().with("KUBERC", "off")), "");
    for off in ["false", "False", "FALSE"] {
        assert_eq!(said("x", None, &deny.env().with("KUBECTL_KUBERC", off)), "");
    }
    assert!(said("x", None, &deny.env().with("KUBECTL_KUBERC", "no")).contains("DenyAll"));
    assert!(said("x", Some(&file), &deny.env().with("KUBERC", "off")).contains("mutually exclusive"));
    assert!(said("x", Some(&file), &FixedEnvironment::default()).contains("DenyAll"));
    let missing = FixedEnvironment::default().with("KUBERC", "/nonexistent/kuberc");
    assert!(said("x", None, &missing).contains("no such file or directory"));
    std::fs::write(&file, "kind: Other\n").unwrap();
    assert_eq!(said("x", None, &deny.env()), "", "kubectl ignores what it does not know");
    assert!(said("x", Some(&file), &deny.env()).contains("no valid preferences found in "));
}
