//! The formula by which Homebrew installs a plugin.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Result;
use crate::names;

/// What a formula is made of.
pub(super) struct Formula<'a> {
    pub(super) plugin: &'a str,
    /// One sentence about it.
    pub(super) about: &'a str,
    pub(super) version: &'a str,
    pub(super) homepage: &'a str,
    /// Where the archives will be downloaded from.
    pub(super) url: &'a str,
    /// Their sums, by their names.
    pub(super) sums: &'a BTreeMap<String, String>,
}

/// Homebrew's words for what it runs on, with the name of the block of each system and processor.
const SYSTEMS: [(&str, &str); 2] = [("macos", "darwin"), ("linux", "linux")];
const PROCESSORS: [(&str, &str); 2] = [("arm", "arm64"), ("intel", "amd64")];

impl Formula<'_> {
    /// Returns it as Ruby.
    pub(super) fn text(&self) -> Result<String> {
        let Formula { plugin, about, version, homepage, url: _, sums: _ } = self;
        let program = format!("kubectl-{plugin}");
        let mut text = format!(
            "class {} < Formula\n  desc {}\n  homepage {}\n  version {}\n  license {}\n",
            class(&program),
            quoted(about),
            quoted(homepage),
            quoted(version),
            quoted(env!("CARGO_PKG_LICENSE")),
        );
        for (system, os) in SYSTEMS {
            write!(text, "\n  on_{system} do\n")?;
            for (processor, arch) in PROCESSORS {
                let (url, sum) = self.archive((os, arch))?;
                let (url, sum) = (quoted(&url), quoted(sum));
                write!(text, "    on_{processor} do\n      url {url}\n      sha256 {sum}\n    end\n")?;
            }
            text.push_str("  end\n");
        }
        // What an archive holds beside the program: kubectl asks the shim for completion.
        write!(
            text,
            "
  def install
    bin.install \"{program}\"
    bin.install Dir[\"kubectl_complete-*\"]
    man1.install Dir[\"**/*.1\"]
    Dir[\"**/{program}.bash\"].each {{ |file| bash_completion.install file => \"{program}\" }}
    Dir[\"**/{program}.zsh\"].each {{ |file| zsh_completion.install file => \"_{program}\" }}
    fish_completion.install Dir[\"**/{program}.fish\"]
    prefix.install \"THIRD-PARTY-NOTICES\"
  end

  test do
    assert_match \"{program} v#{{version}}\", shell_output(\"#{{bin}}/{program} version\")
  end
end
"
        )?;
        Ok(text)
    }

    fn archive(&self, platform: (&str, &str)) -> Result<(String, &str)> {
        let name = names::archive(self.plugin, self.version, platform);
        let sum = self.sums.get(&name).ok_or_else(|| format!("there is no sum of {name}"))?;
        Ok((format!("{}/{name}", self.url), sum))
    }
}

/// A formula's class is called as its file: `kubectl-rollback.rb` has `KubectlRollback`.
fn class(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect()
}

/// A string of Ruby that means itself.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('#', "\\#"))
}

#[cfg(test)]
mod tests {
    use super::{Formula, class, quoted};
    use crate::names;
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn sums() -> BTreeMap<String, String> {
        let platforms = names::PLATFORMS.iter().enumerate();
        platforms
            .map(|(at, platform)| {
                (names::archive("rollback", "1.2.3", *platform), format!("{at}").repeat(64))
            })
            .collect()
    }

    fn text(sums: &BTreeMap<String, String>) -> crate::Result<String> {
        let (about, homepage) = ("Roll back", "https://example.invalid");
        Formula {
            plugin: "rollback",
            about,
            version: "1.2.3",
            homepage,
            url: "https://example.invalid/v1",
            sums,
        }
        .text()
    }

    #[test]
    fn a_formula_names_the_archive_of_each_platform_with_its_sum() {
        let text = text(&sums()).unwrap();
        assert_eq!(text, include_str!("formula.rb"));
        // As many blocks are opened as are closed.
        let opens =
            |line: &&str| line.ends_with(" do") || line.starts_with("class ") || line.contains("def ");
        let ends = text.lines().filter(|line| line.trim() == "end").count();
        assert_eq!(text.lines().filter(opens).count(), ends);
    }

    #[test]
    fn ruby_takes_it_where_there_is_a_ruby() {
        let ruby = Command::new("ruby").arg("-c").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let Ok(mut ruby) = ruby else { return };
        ruby.stdin.take().unwrap().write_all(text(&sums()).unwrap().as_bytes()).unwrap();
        assert!(ruby.wait().unwrap().success());
    }

    #[test]
    fn an_archive_that_is_not_there_is_named() {
        let mut sums = sums();
        sums.remove("kubectl-rollback-v1.2.3-darwin-arm64.tar.gz");
        let error = text(&sums).unwrap_err().to_string();
        assert_eq!(error, "there is no sum of kubectl-rollback-v1.2.3-darwin-arm64.tar.gz");
    }

    #[test]
    fn names_and_words_are_rubys() {
        assert_eq!(class("kubectl-stspartition"), "KubectlStspartition");
        assert_eq!(quoted(r##"a "b" #{c} \"##), r##""a \"b\" \#{c} \\""##);
    }
}
