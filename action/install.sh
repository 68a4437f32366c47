#!/usr/bin/env bash
# Brings kubectl-rollback of a release onto the PATH of the steps that follow, after its sum was checked, and its provenance where
# gh can. bash 3.2 is enough: macOS has no newer one.
set -euo pipefail

refuse() {
  echo "::error title=kubectl rollback::$*"
  exit 1
}

case "$RUNNER_OS" in
  Linux) os=linux suffix=tar.gz ;;
  macOS) os=darwin suffix=tar.gz ;;
  Windows) os=windows suffix=zip ;;
  *) refuse "there is no release for the system $RUNNER_OS" ;;
esac
case "$RUNNER_ARCH" in
  X64) arch=amd64 ;;
  ARM64) arch=arm64 ;;
  *) refuse "there is no release for the processor $RUNNER_ARCH" ;;
esac

releases="${INPUT_RELEASES%/}"
case "${INPUT_VERSION:-latest}" in
  latest) from="$releases/latest/download" ;;
  v[0-9]*) from="$releases/download/$INPUT_VERSION" ;;
  *) refuse "version is \"$INPUT_VERSION\": say one like v0.1.0, or latest" ;;
esac

folder="$(mktemp -d "$RUNNER_TEMP/kubectl-rollback.XXXXXX")"
download() {
  curl --fail --silent --show-error --location --retry 3 --output "$folder/$1" "$from/$1" || refuse "cannot download $from/$1"
}

download SHA256SUMS
# The name has the version, which `latest` does not tell; the name before it ends so, and has no blank in it.
line="$(grep -E "^[0-9a-f]{64}  kubectl-rollback-v[0-9A-Za-z.+-]+-$os-$arch\.$suffix\$" "$folder/SHA256SUMS")" ||
  refuse "$from/SHA256SUMS names no kubectl-rollback for $os-$arch"
[ "$(printf '%s\n' "$line" | wc -l)" -eq 1 ] || refuse "$from/SHA256SUMS names several kubectl-rollback for $os-$arch"
sum="${line%% *}"
archive="${line##* }"
download "$archive"

if command -v sha256sum > /dev/null; then
  found="$(sha256sum < "$folder/$archive")"
else
  found="$(shasum -a 256 < "$folder/$archive")"
fi
[ "${found%% *}" = "$sum" ] || refuse "$archive is not what its release says: its sum is ${found%% *}, not $sum"

# The sums come from where the archive does; who made both, only the attestation tells.
case "$releases" in
  https://github.com/*/*/releases)
    repository="${releases#https://github.com/}"
    repository="${repository%/releases}"
    if [ -n "${GH_TOKEN:-}" ] && command -v gh > /dev/null; then
      gh attestation verify "$folder/$archive" --repo "$repository" ||
        refuse "the provenance of $archive cannot be verified; it does not come from $repository's release workflow"
    else
      echo "::notice title=kubectl rollback::checked by its sum only: without gh and a token the provenance is not verified"
    fi
    ;;
esac

mkdir "$folder/bin"
if [ "$suffix" = zip ]; then
  unzip -q "$folder/$archive" -d "$folder/bin"
else
  tar -xzf "$folder/$archive" -C "$folder/bin"
fi
program="$folder/bin/kubectl-rollback"
[ -f "$program" ] || [ -f "$program.exe" ] || refuse "$archive holds no kubectl-rollback"
echo "$folder/bin" >> "$GITHUB_PATH"
"$program" version
