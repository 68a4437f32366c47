//! What `cargo xtask dist` makes, as krew takes it: the real one, from the module proxy, without a network and without an index.
//! And as somebody takes it who has neither krew nor a compiler. Needs no cluster.

#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with what is missing")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use cluster::{build_tools, cargo, go_tool, workspace};
use cyclonedx_bom::models::component::Scope;
use cyclonedx_bom::prelude::{Bom, SpecVersion, Validate};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const PLUGINS: [&str; 3] = ["dsupdate", "rollback", "stspartition"];

const KREW: &str = "sigs.k8s.io/krew/cmd/krew";
const VALIDATOR: &str = "sigs.k8s.io/krew/cmd/validate-krew-manifest";

const URL: &str = "https://example.invalid/v0";

/// The archives and manifests for this machine, of the plugins that the other tests run.
fn dist() -> &'static Path {
    static DIST: OnceLock<TempDir> = OnceLock::new();
    DIST.get_or_init(dist_anew).path()
}

fn dist_anew() -> TempDir {
    let folder = TempDir::new().unwrap();
    xtask_dist(&["--profile", "fast", "--url", URL, "--to", folder.path().to_str().unwrap()]);
    folder
}

fn xtask_dist(args: &[&str]) {
    succeeded(&cargo().args(["xtask", "dist"]).args(args).output().unwrap());
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// Returns the archive of a plugin for this machine.
fn archive(plugin: &str) -> PathBuf {
    released(plugin, ".tar.gz")
}

/// Returns what is released of a plugin for this machine, by the end of its name: the only one.
fn released(plugin: &str, end: &str) -> PathBuf {
    let start = format!("kubectl-{plugin}-v");
    let files = fs::read_dir(dist()).unwrap().map(|file| file.unwrap().path());
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&start) && name.ends_with(end)
    };
    let mut found = files.filter(named);
    let archive = found.next().unwrap();
    assert_eq!(found.next(), None);
    archive
}

/// Returns what is in the archive of a plugin for this machine, by name.
fn contents(plugin: &str) -> BTreeMap<String, Vec<u8>> {
    let archive = File::open(archive(plugin)).unwrap();
    let mut contents = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(archive)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (mut content, name) = (Vec::new(), entry.path().unwrap().to_str().unwrap().to_string());
        entry.read_to_end(&mut content).unwrap();
        contents.insert(name, content);
    }
    contents
}

fn validate(manifest: &Path) {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| go_tool(VALIDATOR).unwrap());
    let output = Command::new(program).arg("-skip-install").arg("-manifest").arg(manifest).output().unwrap();
    succeeded(&output);
}

/// An empty home with kubectl, and with krew as kubectl finds it.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Machine {
        static KUBECTL: OnceLock<PathBuf> = OnceLock::new();
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let kubectl = KUBECTL.get_or_init(|| build_tools().unwrap().join("kubectl"));
        symlink(kubectl, folder.path().join("bin/kubectl")).unwrap();
        Machine { folder }
    }

    fn with_krew() -> Machine {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let machine = Machine::new();
        let krew = PROGRAM.get_or_init(|| go_tool(KREW).unwrap());
        symlink(krew, machine.path("bin/kubectl-krew")).unwrap();
        // An index of nothing, which krew wants for what needs none; that somebody has fetched it is all that it looks at.
        fs::create_dir_all(machine.path("krew/index/default/.git")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of this machine, without Rust and Go and without whatever else is on the PATH here.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/usr/bin/env");
        let path =
            format!("{}:{}:/usr/bin:/bin", self.path("krew/bin").display(), self.path("bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.folder.path());
        command.env("KREW_ROOT", self.path("krew")).env("KREW_NO_UPGRADE_CHECK", "1");
        command.arg(program).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn kubectl(&self, words: &[&str]) -> Output {
        self.command("kubectl").args(words).output().unwrap()
    }

    fn install(&self, manifest: &Path, archive: &Path, platform: &[(&str, &str)]) -> Output {
        let mut krew = self.command("kubectl");
        krew.args(["krew", "install", "--manifest"]).arg(manifest).arg("--archive").arg(archive);
        krew.envs(platform.iter().copied()).output().unwrap()
    }

    /// Says whether kubectl offers a verb of a plugin to whoever has typed its first letters.
    fn completes(&self, plugin: &str) -> bool {
        let output = self.kubectl(&["__complete", plugin, "histo"]);
        String::from_utf8_lossy(&output.stdout).starts_with("history\t")
    }
}

#[test]
fn krew_installs_what_dist_made_and_kubectl_calls_and_completes_it() {
    let machine = Machine::with_krew();
    for plugin in PLUGINS {
        let manifest = dist().join(format!("{plugin}.yaml"));
        validate(&manifest);
        let output = machine.install(&manifest, &archive(plugin), &[]);
        succeeded(&output);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let caveat = format!("kubectl {plugin} completion install");
        assert!(told.contains(&caveat) && told.contains("https://github.com/"), "{told}");
        let version = succeeded(&machine.kubectl(&[plugin, "version"]));
        assert!(version.starts_with(&format!("kubectl-{plugin} v")), "{version}");
        // krew puts one program on the PATH; the caveat says how its completer gets there.
        assert!(!machine.completes(plugin), "there is nothing to be said in the caveats");
        succeeded(&machine.kubectl(&[plugin, "completion", "install"]));
        assert!(machine.completes(plugin), "{plugin}");
    }
    let installed = succeeded(&machine.kubectl(&["krew", "list"]));
    assert_eq!(installed.lines().collect::<Vec<_>>(), PLUGINS.map(|plugin| format!("detached/{plugin}")));
    succeeded(&machine.kubectl(&["plugin", "list"]));
    for plugin in PLUGINS {
        succeeded(&machine.kubectl(&["krew", "uninstall", plugin]));
        assert!(!machine.kubectl(&[plugin, "version"]).status.success(), "{plugin} is still there");
    }
}

#[test]
fn krew_refuses_another_archive_than_the_manifest_was_made_for() {
    let machine = Machine::with_krew();
    let output = machine.install(&dist().join("rollback.yaml"), &archive("dsupdate"), &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("checksum does not match"), "{told}");
}

/// Writes an archive as `dist` would, of a program that is none.
fn write_archive(path: &Path, program: &str) {
    let files = [(program, 0o755), ("LICENSE", 0o644)];
    let file = File::create(path).unwrap();
    if path.extension().unwrap() == "zip" {
        let mut zip = zip::ZipWriter::new(file);
        for (name, mode) in files {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
            zip.start_file(name, options).unwrap();
            zip.write_all(path.as_os_str().as_encoded_bytes()).unwrap();
        }
        zip.finish().unwrap();
    } else {
        let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
        for (name, mode) in files {
            let content = path.as_os_str().as_encoded_bytes();
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(mode);
            tar.append_data(&mut header, name, content).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
    }
}

#[test]
fn krew_installs_the_archive_of_each_platform_by_the_manifest_of_all() {
    let folder = TempDir::new().unwrap();
    let (version, systems) = (env!("CARGO_PKG_VERSION"), ["linux", "darwin", "windows"]);
    let platforms: Vec<(&str, &str)> =
        systems.iter().flat_map(|os| ["amd64", "arm64"].map(|arch| (*os, arch))).collect();
    let archive = |plugin, (os, arch)| {
        let ending = if os == "windows" { "zip" } else { "tar.gz" };
        folder.path().join(format!("kubectl-{plugin}-v{version}-{os}-{arch}.{ending}"))
    };
    let program = |plugin, os| format!("kubectl-{plugin}{}", if os == "windows" { ".exe" } else { "" });
    for plugin in PLUGINS {
        for platform in &platforms {
            write_archive(&archive(plugin, *platform), &program(plugin, platform.0));
            let (os, arch) = platform;
            fs::write(folder.path().join(format!("kubectl-{plugin}-v{version}-{os}-{arch}.cdx.json")), "{}")
                .unwrap();
        }
    }
    xtask_dist(&["manifests", "--url", URL, "--to", folder.path().to_str().unwrap()]);
    for plugin in PLUGINS {
        let manifest = folder.path().join(format!("{plugin}.yaml"));
        validate(&manifest);
        assert_eq!(read(&manifest)["spec"]["version"], format!("v{version}"));
        for (os, arch) in &platforms {
            let machine = Machine::with_krew();
            let platform = [("KREW_OS", *os), ("KREW_ARCH", *arch)];
            succeeded(&machine.install(&manifest, &archive(plugin, (*os, *arch)), &platform));
            let store = machine.path(&format!("krew/store/{plugin}/v{version}"));
            for file in ["LICENSE", &program(plugin, os)] {
                assert!(store.join(file).is_file(), "{plugin}, {os}, {arch}: {file}");
            }
        }
    }
}

#[test]
fn an_archive_serves_who_has_neither_krew_nor_a_compiler() {
    let machine = Machine::new();
    let downloads = machine.path("downloads");
    fs::create_dir(&downloads).unwrap();
    for file in fs::read_dir(dist()).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, downloads.join(path.file_name().unwrap())).unwrap();
    }
    let check = || {
        let mut sums = machine.command("sha256sum");
        sums.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&downloads).output().unwrap()
    };
    let checked = succeeded(&check());
    for plugin in PLUGINS {
        let archive = archive(plugin);
        let name = archive.file_name().unwrap().to_str().unwrap();
        assert!(checked.contains(&format!("{name}: OK")), "{checked}");
        let mut tar = machine.command("tar");
        succeeded(
            &tar.arg("-xzf").arg(downloads.join(name)).arg("-C").arg(machine.path("bin")).output().unwrap(),
        );
        let version = succeeded(&machine.kubectl(&[plugin, "version"]));
        assert!(version.starts_with(&format!("kubectl-{plugin} v")), "{version}");
        assert!(machine.completes(plugin), "{plugin}: its completer is in the archive, beside it");
        for file in ["LICENSE", "THIRD-PARTY-NOTICES"]
            .map(str::to_string)
            .into_iter()
            .chain([format!("man/kubectl-{plugin}.1"), format!("man/kubectl-{plugin}-undo.1")])
            .chain(
                ["bash", "zsh", "fish", "powershell"]
                    .map(|shell| format!("completions/kubectl-{plugin}.{shell}")),
            )
        {
            let path = machine.path("bin").join(&file);
            let mode =
                fs::metadata(&path).unwrap_or_else(|error| panic!("{file}: {error}")).permissions().mode();
            assert_eq!(mode & 0o111, 0, "{file} is no program");
        }
        fs::write(downloads.join(name), "another").unwrap();
    }
    assert!(!check().status.success());
}

/// The names and versions that a program lists, but for its own.
fn listed(plugin: &str, program: &[u8]) -> BTreeSet<(String, String)> {
    let list = auditable_info::json_from_slice(program, 1 << 20).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let mut listed = BTreeSet::new();
    for package in list["packages"].as_array().unwrap() {
        let text = |field: &str| package[field].as_str().unwrap().to_string();
        assert_eq!(package["root"] == true, text("name") == format!("kubectl-{plugin}"));
        if package["root"] != true {
            listed.insert((text("name"), text("version")));
        }
    }
    listed
}

#[test]
fn what_is_linked_is_told_by_the_program_its_notices_and_its_bill_of_materials() {
    for plugin in PLUGINS {
        let contents = contents(plugin);
        let program = &contents[&format!("kubectl-{plugin}")];
        let listed = listed(plugin, program);

        let notices = String::from_utf8(contents["THIRD-PARTY-NOTICES"].clone()).unwrap();
        for name in ["kube", "rustls", "aws-lc-sys"] {
            let (name, version) = listed.iter().find(|(listed, _)| listed == name).unwrap();
            assert!(notices.contains(&format!("\n  {name} {version}: ")), "{plugin}: {name}");
            assert!(notices.contains(&format!("\n{name} {version}")), "{plugin}: {name} has no text");
        }
        for text in
            ["Apache License", "Permission is hereby granted, free of charge", "The Rust Standard Library"]
        {
            assert!(notices.contains(text), "{plugin}: {text}");
        }

        let text = fs::read(released(plugin, ".cdx.json")).unwrap();
        let bom = Bom::parse_from_json(text.as_slice()).unwrap();
        let valid = bom.validate_version(SpecVersion::V1_5);
        assert!(valid.passed(), "{plugin}: {valid:?}");
        let component = bom.metadata.unwrap().component.unwrap();
        assert_eq!(component.name.to_string(), format!("kubectl-{plugin}"));
        let sum: String = Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(component.hashes.unwrap().0[0].content.0, sum);
        let components = bom.components.unwrap().0;
        let linked: BTreeSet<(String, String)> = components
            .iter()
            .filter(|it| it.purl.is_some() && it.scope == Some(Scope::Required))
            .map(|it| (it.name.to_string(), it.version.as_ref().unwrap().to_string()))
            .collect();
        assert!(linked.is_subset(&listed), "{plugin}: {:?}", linked.difference(&listed));
        for (name, version) in &linked {
            assert!(notices.contains(&format!("\n  {name} {version}: ")), "{plugin}: {name}");
        }
        let names = |name: &&str| linked.iter().any(|(linked, _)| linked == name);
        assert!(["kube", "rustls", "aws-lc-sys"].iter().all(names), "{plugin}: {linked:?}");
        assert!(!["ring", "serde_derive"].iter().any(names), "{plugin}: {linked:?}");

        for told in [program.as_slice(), notices.as_bytes(), &text] {
            let told = String::from_utf8_lossy(told);
            assert!(!told.contains(workspace().to_str().unwrap()), "{plugin} names a folder of this machine");
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let again = dist_anew();
    let names = |folder: &Path| -> BTreeSet<OsString> {
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect()
    };
    assert_eq!(names(dist()), names(again.path()));
    for name in names(dist()) {
        let read = |folder: &Path| fs::read(folder.join(&name)).unwrap();
        assert!(read(dist()) == read(again.path()), "{} is another one", name.display());
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn there_is_a_manifest_for_each_plugin_and_no_other() {
    let names = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(workspace().join(folder)).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names("krew-manifests"), PLUGINS.map(|plugin| format!("{plugin}.yaml")).into());
    assert_eq!(names("plugins"), PLUGINS.map(|plugin| format!("kubectl-{plugin}")).into());
}

/// What krew does not look at, and the reviewers of its index do.
#[test]
fn descriptions_are_as_short_as_reviewers_ask_for() {
    for plugin in PLUGINS {
        let manifest = read(&workspace().join("krew-manifests").join(format!("{plugin}.yaml")));
        let text =
            |field: &str| manifest["spec"][field].as_str().unwrap_or_else(|| panic!("{plugin}: {field}"));
        let short = text("shortDescription");
        assert!(short.chars().count() <= 50 && !short.ends_with('.'), "{plugin}: {short}");
        let lower = short.to_lowercase();
        assert!(!["kubectl", "plugin"].iter().any(|word| lower.contains(word)), "{plugin}: {short}");
        let long: Vec<&str> = text("description").lines().collect();
        assert!(
            !long.is_empty() && long.iter().all(|line| line.chars().count() <= 80),
            "{plugin}: {long:#?}"
        );
    }
}
