use super::*;
use crate::FixedEnvironment;
use secrecy::{ExposeSecret, SecretString};
use std::fs;

const KUBECONFIG: &str = "
current-context: one
clusters:
- name: c1
  cluster: {server: 'https://one:6443', tls-server-name: named, insecure-skip-tls-verify: true}
- name: c2
  cluster: {server: 'https://two/path?x=y'}
users:
- name: u1
  user: {token: t1}
- name: u2
  user: {username: u, password: p}
contexts:
- name: one
  context: {cluster: c1, user: u1, namespace: ns1}
- name: two
  context: {cluster: c2, user: gone}
- name: broken
  context: {cluster: gone, user: u1}
";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(kubeconfig: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config"), kubeconfig).unwrap();
        Self { dir }
    }

    fn env(&self) -> FixedEnvironment {
        FixedEnvironment::default().with("KUBECONFIG", self.dir.path().join("config"))
    }

    fn settings(&self, change: impl FnOnce(&mut ConnectionArgs)) -> Result<Settings, ConnectError> {
        let mut args = ConnectionArgs::default();
        change(&mut args);
        args.settings_in(&self.env())
    }

    fn refusal(&self, change: impl FnOnce(&mut ConnectionArgs)) -> String {
        self.settings(change).unwrap_err().to_string()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn follows_the_current_context() {
    let settings = Place::new(KUBECONFIG).settings(|_| ()).unwrap();
    assert_eq!(settings.context.as_deref(), Some("one"));
    assert_eq!(settings.server, "https://one:6443");
    assert_eq!((settings.namespace.as_str(), settings.namespace_given), ("ns1", false));
    assert_eq!(settings.user_name.as_deref(), Some("u1"));
    assert_eq!(settings.source, Source::Kubeconfig);
    assert_eq!(settings.cluster.tls_server_name.as_deref(), Some("named"));
    assert!(!format!("{settings:?}").contains("t1"));
}

#[test]
fn flags_choose_context_cluster_user_and_namespace() {
    let place = Place::new(KUBECONFIG);
    let two = place.settings(|args| args.context = some("two")).unwrap();
    assert_eq!((two.namespace.as_str(), two.server.to_string().as_str()), ("default", "https://two/path"));
    assert!(two.user.token.is_none());
    let mixed = place
        .settings(|args| {
            args.cluster = some("c2");
            args.user = some("u2");
            args.namespace = some("given");
        })
        .unwrap();
    assert_eq!(mixed.server.host(), Some("two"));
    assert_eq!(mixed.user.username.as_deref(), Some("u"));
    assert_eq!((mixed.namespace.as_str(), mixed.namespace_given), ("given", true));
}

#[test]
fn names_that_do_not_exist() {
    let place = Place::new(KUBECONFIG);
    assert_eq!(
        place.refusal(|args| args.context = some("x")),
        "Error in configuration: context was not found for specified context: x"
    );
    assert_eq!(place.refusal(|args| args.cluster = some("x")), "error: no server found for cluster \"x\"");
    assert_eq!(place.refusal(|args| args.user = some("x")), "error: auth info \"x\" does not exist");
    assert_eq!(
        Place::new("current-context: gone\n").refusal(|_| ()),
        "Error in configuration: context was not found for specified context: gone"
    );
    let broken = place.settings(|args| args.context = some("broken")).unwrap();
    assert_eq!(
        (broken.server.to_string().as_str(), broken.source),
        ("http://localhost:8080/", Source::Default)
    );
}

#[test]
fn flags_override_the_cluster() {
    let place = Place::new(KUBECONFIG);
    let settings = place
        .settings(|args| {
            args.server = some("https://three");
            args.disable_compression = true;
        })
        .unwrap();
    assert_eq!(settings.server, "https://three/");
    assert_eq!(settings.source, Source::Flag);
    assert_eq!(settings.cluster.tls_server_name, None);
    assert_eq!(settings.cluster.disable_compression, Some(true));
    assert_eq!(settings.cluster.insecure_skip_tls_verify, Some(true));
    let ca = place.dir.path().join("config").to_str().unwrap().to_owned();
    let settings = place
        .settings(|args| {
            args.certificate_authority = Some(ca.clone());
            args.tls_server_name = some("other");
        })
        .unwrap();
    assert_eq!(settings.cluster.insecure_skip_tls_verify, Some(false));
    assert_eq!(settings.cluster.certificate_authority, Some(ca.clone()));
    assert_eq!(settings.cluster.tls_server_name.as_deref(), Some("other"));
    let both = place.refusal(|args| {
        args.certificate_authority = Some(ca);
        args.insecure_skip_tls_verify = true;
    });
    assert_eq!(both, "error: specifying a root certificates file with the insecure flag is not allowed");
}

#[test]
fn flags_override_the_user() {
    let file = Place::new("");
    let path = file.dir.path().join("config").to_str().unwrap().to_owned();
    let settings = Place::new(KUBECONFIG)
        .settings(|args| {
            args.token = Some(SecretString::from("mine"));
            args.client_certificate = Some(path.clone());
            args.client_key = Some(path.clone());
            args.impersonate = some("bob");
            args.impersonate_uid = some("7");
            args.impersonate_groups = vec!["a".into(), "b".into()];
            args.impersonate_extra = vec!["k=1".into(), "k=2=3".into()];
        })
        .unwrap();
    let user = settings.user;
    assert_eq!(user.token.unwrap().expose_secret(), "mine");
    assert_eq!(user.client_certificate, Some(path.clone()));
    assert_eq!(user.client_key, Some(path));
    assert_eq!((user.impersonate.as_deref(), user.impersonate_uid.as_deref()), (Some("bob"), Some("7")));
    assert_eq!(user.impersonate_groups.unwrap(), ["a", "b"]);
    assert_eq!(user.impersonate_user_extra.unwrap()["k"], ["1", "2=3"]);
}

#[test]
fn a_script_with_an_empty_variable_keeps_the_kubeconfigs_credentials() {
    let empty = |args: &mut ConnectionArgs| {
        args.token = Some(SecretString::from(""));
        args.password = Some(SecretString::from(""));
        args.impersonate = some("bob");
        args.impersonate_extra = vec!["novalue".into()];
    };
    let user = Place::new(KUBECONFIG).settings(empty).unwrap().user;
    assert_eq!(user.token.unwrap().expose_secret(), "t1");
    assert!(user.password.is_none());
    assert!(user.impersonate_user_extra.unwrap().is_empty());
}

#[test]
fn a_password_in_the_address_is_taken_out_of_it() {
    let place = Place::new("");
    let settings = place.settings(|args| args.server = some("https://u:s3cr%65t@host:1/x")).unwrap();
    assert_eq!(settings.server, "https://host:1/x");
    let (user, password) = settings.login.unwrap();
    assert_eq!((user.as_str(), password.expose_secret()), ("u", "s3cret"));
    let wrong = place.refusal(|args| args.server = some("ftp://u:s3cret@host"));
    assert_eq!(wrong, "error: host must be a URL or a host:port pair: \"host\"");
}

#[test]
fn contradictions_are_refused_together() {
    let place = Place::new(KUBECONFIG);
    assert_eq!(
        place.refusal(|args| args.impersonate_groups = vec!["a".into()]),
        "error: requesting uid, groups or user-extra for u1 without impersonating a user"
    );
    let both = place.refusal(|args| {
        args.username = some("u");
        args.impersonate_uid = some("1");
    });
    assert!(both.starts_with("Error in configuration: \n* more than one authentication method"), "{both}");
    assert!(
        place
            .refusal(|args| args.request_timeout = some("soon"))
            .starts_with("error: Invalid timeout value.")
    );
}

#[test]
fn addresses() {
    let place = Place::new("");
    let server = |text: &str| {
        place.settings(|args| args.server = some(text)).map(|settings| settings.server.to_string())
    };
    assert_eq!(server("host:8443").unwrap(), "http://host:8443/");
    assert_eq!(server("https://host/prefix?q").unwrap(), "https://host/prefix");
    assert_eq!(server("http://[::1]:80").unwrap(), "http://[::1]:80/");
    for wrong in ["ftp://host", "https://", "://", "host name"] {
        assert_eq!(
            server(wrong).unwrap_err().to_string(),
            format!("error: host must be a URL or a host:port pair: \"{wrong}\"")
        );
    }
}

#[test]
fn nothing_configured_means_localhost() {
    let settings = ConnectionArgs::default().settings_in(&FixedEnvironment::default()).unwrap();
    assert_eq!(
        (settings.server.to_string().as_str(), settings.source),
        ("http://localhost:8080/", Source::Default)
    );
    assert_eq!(settings.namespace, "default");
    assert_eq!(settings.context, None);
    let master = FixedEnvironment::default().with("KUBERNETES_MASTER", "http://m:1");
    assert_eq!(ConnectionArgs::default().settings_in(&master).unwrap().server, "http://m:1");
}

#[test]
fn a_pod_uses_its_service_account() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("token", "t"), ("namespace", "pod-ns\n"), ("ca.crt", "x")] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let env = FixedEnvironment { service_account: Some(dir.path().to_owned()), ..Default::default() }
        .with("KUBERNETES_SERVICE_HOST", "fd00::1")
        .with("KUBERNETES_SERVICE_PORT", "443");
    let settings = ConnectionArgs::default().settings_in(&env).unwrap();
    assert_eq!(
        (settings.server.to_string().as_str(), settings.source),
        ("https://[fd00::1]:443/", Source::InCluster)
    );
    assert_eq!(settings.namespace, "pod-ns");
    assert_eq!(settings.user.token_file.as_deref(), dir.path().join("token").to_str());
    assert_eq!(settings.cluster.certificate_authority.as_deref(), dir.path().join("ca.crt").to_str());

    let given = ConnectionArgs { token: Some(SecretString::from("mine")), ..Default::default() };
    assert_eq!(given.settings_in(&env).unwrap().user.token_file, None);
    let elsewhere = ConnectionArgs { server: some("https://x"), ..Default::default() };
    assert_eq!(elsewhere.settings_in(&env).unwrap().source, Source::Flag);
    let named = env.clone().with("POD_NAMESPACE", "downward");
    assert_eq!(ConnectionArgs::default().settings_in(&named).unwrap().namespace, "downward");

    let place = Place::new(KUBECONFIG);
    let both = env.with("KUBECONFIG", place.dir.path().join("config"));
    let settings = ConnectionArgs::default().settings_in(&both).unwrap();
    assert_eq!((settings.server.host(), settings.namespace.as_str()), (Some("one"), "ns1"));
}

#[test]
fn the_rest_of_the_flags() {
    let place = Place::new(KUBECONFIG);
    let settings = place
        .settings(|args| {
            args.request_timeout = some("5s");
            args.verbosity = 7;
            args.warnings_as_errors = true;
            args.cache_dir = Some("/flag".into());
        })
        .unwrap();
    assert_eq!(settings.request_timeout, Some(Duration::from_secs(5)));
    assert_eq!((settings.verbosity, settings.warnings_as_errors), (7, true));
    assert_eq!(settings.cache_dir, PathBuf::from("/flag"));
    let env = FixedEnvironment { home: Some("/home/me".into()), ..Default::default() };
    let dir = |env: &FixedEnvironment| ConnectionArgs::default().settings_in(env).unwrap().cache_dir;
    assert_eq!(dir(&env), PathBuf::from("/home/me/.kube/cache"));
    assert_eq!(dir(&env.with("KUBECACHEDIR", "/env")), PathBuf::from("/env"));
}
