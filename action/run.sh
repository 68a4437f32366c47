#!/usr/bin/env bash
# Runs the plugin as the inputs say, and tells what became of it: annotations, a summary of the step, outputs.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

refuse() {
  echo "::error title=kubectl rollback::$*"
  exit 2
}

case "$INPUT_MODE" in
  guard | try) ;;
  *) refuse "mode is \"$INPUT_MODE\": there are guard and try" ;;
esac
case "$INPUT_FAIL" in
  true | false) ;;
  *) refuse "fail is \"$INPUT_FAIL\": there are true and false" ;;
esac

# Nothing of an input is read as shell: words are split at blanks, and no name is completed to files.
set -f
# shellcheck disable=SC2206
words=($INPUT_TARGETS)
[ "${#words[@]}" -gt 0 ] || refuse "targets are missing"
line=("$INPUT_MODE" "${words[@]}")

# A flag and its value, where there is one.
with() {
  if [ -n "$2" ]; then line+=("$1=$2"); fi
}
# A flag for each line of a value.
with_each() {
  local value
  while IFS= read -r value; do
    value="${value%$'\r'}"
    if [ -n "$value" ]; then line+=("${1:+$1=}$value"); fi
  done <<< "$2"
}
with --namespace "${INPUT_NAMESPACE:-}"
with --context "${INPUT_CONTEXT:-}"
with --soak "${INPUT_SOAK:-}"
with --timeout "${INPUT_TIMEOUT:-}"
with --prometheus "${INPUT_PROMETHEUS:-}"
with_each --check "${INPUT_CHECK:-}"
with_each --check-query "${INPUT_CHECK_QUERY:-}"
with_each "" "${INPUT_ARGUMENTS:-}"
line+=(--output=json "--summary=$GITHUB_STEP_SUMMARY")

if [ "$INPUT_MODE" = try ]; then
  # Nobody is there to be asked.
  line+=(--yes)
  # shellcheck disable=SC2206
  images=(${INPUT_IMAGES:-})
  if [ "${#images[@]}" -gt 0 ]; then line+=("${images[@]}"); fi
  if [ -n "${INPUT_COMMAND:-}" ]; then line+=(-- bash -c "$INPUT_COMMAND"); fi
elif [ -n "${INPUT_IMAGES:-}${INPUT_COMMAND:-}" ]; then
  refuse "images and command change the target: mode has to be try"
fi

document="$(mktemp "$RUNNER_TEMP/rollout.XXXXXX")"
code=0
kubectl-rollback "${line[@]}" > "$document" || code=$?

outcome="$(bash "$here/report.sh" "$document" "$code")"
{
  echo "exit-code=$code"
  echo "document=$document"
  echo "outcome=${outcome%%$'\n'*}"
} >> "$GITHUB_OUTPUT"
printf '%s\n' "$outcome" | tail -n +2

if [ "$INPUT_FAIL" = true ]; then exit "$code"; fi
