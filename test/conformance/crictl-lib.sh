# shellcheck shell=bash
# What the crictl sessions share: crictl itself, and looks at what it prints, each of which is a test. Sourced with
# the two arguments of a session; $work is a folder that goes with it.
set -euo pipefail
if [[ $# -ne 2 ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
  exit 2
fi
binary=$1 endpoint=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# A configuration file of its own, so that the machine's does not count; and time for a slow machine.
cat >"$work/crictl.yaml" <<END
runtime-endpoint: $endpoint
image-endpoint: $endpoint
timeout: 30
END
crictl_with_input() { "$binary" --config "$work/crictl.yaml" "$@"; }
crictl() { crictl_with_input "$@" </dev/null; }

# field TEMPLATE COMMAND [ARGUMENT]...: one value out of what crictl prints.
field() { crictl "$2" --output go-template --template "{{$1}}" "${@:3}"; }

stderr_of() { "$@" 2>&1 >/dev/null; }

# expect TITLE PATTERN COMMAND...: COMMAND succeeds and prints a line that matches PATTERN.
# refuse TITLE PATTERN COMMAND...: COMMAND fails and complains with a line that matches PATTERN.
# What it printed stays in $output.
expect() { look 0 stdout "$@"; }
refuse() { look 1 stderr "$@"; }

look() {
  local want=$1 stream=$2 title=$3 pattern=$4 status=0
  shift 4
  "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
  output=$(<"$work/stdout")
  # An empty output is an empty line to the pattern.
  if [[ $((status != 0)) -eq $want ]] && grep -qE -e "$pattern" <<<"$(<"$work/$stream")"; then
    passed=$((passed + 1))
    return
  fi
  failed=$((failed + 1))
  printf 'FAILED  %s\n  command: %s\n  exit code %d, wanted /%s/ on %s and got:\n' \
    "$title" "$*" "$status" "$pattern" "$stream"
  cut -c 1-500 "$work/stdout" "$work/stderr" | sed 's/^/    /'
}

# total NAME: the last line of a session, and its exit code.
total() {
  echo "$1: $passed passed, $failed failed, 0 skipped"
  [[ $failed -eq 0 ]]
}
