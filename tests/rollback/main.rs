//! `kubectl rollback` end to end.

use e2e::{KINDS, Web, assert_code, cluster, image, set_image};

#[test]
fn undo_goes_back_on_each_kind() {
    for kind in KINDS {
        let ns = cluster().namespace("undo");
        let target = format!("{kind}/web");
        Web::new(kind, "app:1").create(&ns);
        set_image(&ns, &target, "app:2");
        assert_code(&ns.kubectl(&["rollback", "undo", &target]), 0);
        assert_eq!(image(&ns, &target), "app:1", "{kind}");
    }
}
