class KubectlRollback < Formula
  desc "Roll back"
  homepage "https://example.invalid"
  version "1.2.3"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://example.invalid/v1/kubectl-rollback-v1.2.3-darwin-arm64.tar.gz"
      sha256 "1111111111111111111111111111111111111111111111111111111111111111"
    end
    on_intel do
      url "https://example.invalid/v1/kubectl-rollback-v1.2.3-darwin-amd64.tar.gz"
      sha256 "0000000000000000000000000000000000000000000000000000000000000000"
    end
  end

  on_linux do
    on_arm do
      url "https://example.invalid/v1/kubectl-rollback-v1.2.3-linux-arm64.tar.gz"
      sha256 "3333333333333333333333333333333333333333333333333333333333333333"
    end
    on_intel do
      url "https://example.invalid/v1/kubectl-rollback-v1.2.3-linux-amd64.tar.gz"
      sha256 "2222222222222222222222222222222222222222222222222222222222222222"
    end
  end

  def install
    bin.install "kubectl-rollback"
    bin.install Dir["kubectl_complete-*"]
    man1.install Dir["**/*.1"]
    Dir["**/kubectl-rollback.bash"].each { |file| bash_completion.install file => "kubectl-rollback" }
    Dir["**/kubectl-rollback.zsh"].each { |file| zsh_completion.install file => "_kubectl-rollback" }
    fish_completion.install Dir["**/kubectl-rollback.fish"]
    prefix.install "THIRD-PARTY-NOTICES"
  end

  test do
    assert_match "kubectl-rollback v#{version}", shell_output("#{bin}/kubectl-rollback version")
  end
end
