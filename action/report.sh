#!/usr/bin/env bash
# report.sh DOCUMENT CODE: prints the outcome as one word in a line of its own, then an annotation a cause. What stands in a document
# is a cluster's or somebody's: it is escaped for the lines of the runner.
set -euo pipefail

document="$1" code="$2"

# Where nothing was printed the request failed before a rollout was looked at: standard error, in the log above, says why.
if [ ! -s "$document" ]; then
  echo none
  if [ "$code" -ne 0 ]; then echo "::error title=kubectl rollback::nothing was rolled out (exit code $code): the log says why"; fi
  exit 0
fi

# Those that failed come first.
jq --raw-output '
  def documents: if .kind == "List" then .items[] else . end;
  def ended: [documents] | sort_by([8, 2, 0, 1, 3, 5, 4, 7, 6][.exitCode // 1] // 0);
  def name: if .workload then (.workload.kind | ascii_downcase) + "/" + .workload.name else "request" end;
  def reasons: [.causes[]?, .error?] | map(select(. != null));
  def data: tostring | gsub("%"; "%25") | gsub("\r"; "%0D") | gsub("\n"; "%0A");
  def property: data | gsub(":"; "%3A") | gsub(","; "%2C");
  def level: if .exitCode == 0 then "notice" elif .exitCode == 6 or .exitCode == 7 then "warning" else "error" end;
  def told: if .id then "\(.id): \(.message)" + (if .fix then "\n\(.fix)" else "" end) else .message end;
  ended
  | (map(.outcome // (if .error then "failed" else empty end))[0] // "none"),
    (.[] | . as $it | (reasons | if . == [] then [{message: ($it.outcome // "ended")}] else . end)[]
      | select($it.exitCode != 0)
      | "::\($it | level) title=\($it | "\(name) \(.outcome // "failed")" | property)::\(told | data)")
' "$document"
