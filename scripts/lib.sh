# What the scripts of this folder share; sourced, never run. Plain text, no colours: CI logs are read too.
# shellcheck shell=bash

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null; }

# Prints the comment at the top of a script, up to the first line that is no comment.
help_of() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$1"; }

# usage_error MESSAGE: for a wrong command line, which is exit code 2 everywhere here.
usage_error() {
  printf '%s: %s (see --help)\n' "${0##*/}" "$*" >&2
  exit 2
}

need_root() { [[ $EUID -eq 0 ]] || die "must be run as root"; }

# Tenths of a second since START, a value of EPOCHREALTIME.
seconds_since() {
  local micros=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
  printf '%d.%d' $((micros / 1000000)) $((micros / 100000 % 10))
}

# step TITLE COMMAND...: prints `==> TITLE ... 3.2s`, with a dot every five seconds. What COMMAND says is
# shown only when it fails. It runs in a process group of its own (see end_children), and in a subshell with
# `set -e` in force (in an `if` or before `||` bash would switch that off).
step() {
  local title=$1 start=$EPOCHREALTIME status=0 pause=0.02 dots=0 file log pid
  shift
  # Without a name from the start, the file cannot be left behind.
  file=$(mktemp)
  exec {log}<>"$file"
  rm -f "$file"
  printf '==> %s ...' "$title"
  set -m
  ("$@") >&"$log" 2>&1 </dev/null &
  set +m
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep "$pause"
    pause=0.1
    if (((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 5000000 > dots)); then
      printf ' .'
      dots=$((dots + 1))
    fi
  done
  wait "$pid" || status=$?
  if [[ $status -eq 0 ]]; then
    printf ' %ss\n' "$(seconds_since "$start")"
  else
    printf ' failed after %ss (exit code %d)\n' "$(seconds_since "$start")" "$status"
    sed 's/^/    /' "/proc/self/fd/$log"
  fi
  exec {log}>&-
  return "$status"
}

# need COMMAND PACKAGE [COMMAND PACKAGE]...: installs the Debian packages of the commands that are missing.
need() {
  local packages=()
  while [[ $# -gt 0 ]]; do
    have "$1" || packages+=("$2")
    shift 2
  done
  if [[ ${#packages[@]} -gt 0 ]]; then install_packages "${packages[@]}"; fi
}

install_packages() {
  have apt-get || die "please install what these Debian packages hold: $*"
  [[ $EUID -eq 0 ]] || die "must be run as root to install $*"
  step "apt-get update" apt-get update -q
  step "apt-get install $*" apt_install_without_services "$@"
}

# A package's service (a web server on port 80, say) must not start because a test wants its binary.
apt_install_without_services() {
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

need_node() {
  have node || die "Node.js 20 or newer is needed"
  local version
  version=$(node --version)
  version=${version#v}
  [[ ${version%%.*} -ge 20 ]] || die "Node.js 20 or newer is needed, this is $version"
}

# npm leaves node_modules/.package-lock.json when it is done, so its time says whether there is work.
install_npm_packages() {
  need_node
  if [[ $repo/node_modules/.package-lock.json -nt $repo/package-lock.json ]]; then return; fi
  # npm ci would empty the folder behind a link, which belongs to somebody else.
  [[ ! -L $repo/node_modules ]] || die "node_modules is a link; bring what it leads to up to date yourself"
  step "npm ci" npm --prefix "$repo" ci --no-audit --no-fund
}

# compile_static SOURCE OUTPUT
compile_static() { "$(c_compiler)" -O2 -Wall -Wextra -static -s -o "$2" "$1"; }

c_compiler() {
  local candidate
  for candidate in cc gcc clang; do
    if have "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

# A compiler alone is not enough: a static program needs libc's archive.
need_c_compiler() {
  if c_compiler >/dev/null && echo 'int main(void) { return 0; }' |
    "$(c_compiler)" -static -x c -o /dev/null - 2>/dev/null; then
    return
  fi
  install_packages gcc libc6-dev
}

# socket_answers PATH_OR_PORT: whether something accepts connections there. curl ends with 7 when it could
# not connect; what it makes of the answer does not matter.
socket_answers() {
  local status=0
  case $1 in
    /*) curl -s -o /dev/null -m 2 --unix-socket "$1" http://localhost/ || status=$? ;;
    *) (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null || status=7 ;;
  esac
  [[ $status -ne 7 ]]
}

# wait_for_socket PATH_OR_HOST:PORT SECONDS [PID]: fails when the time is over or process PID has ended.
wait_for_socket() {
  local deadline=$((SECONDS + $2))
  until socket_answers "$1"; do
    if [[ -n ${3:-} ]] && ! kill -0 "$3" 2>/dev/null; then
      echo "the process that should serve $1 has ended" >&2
      return 1
    fi
    if [[ $SECONDS -ge $deadline ]]; then
      echo "nothing answers on $1 after $2 seconds" >&2
      return 1
    fi
    sleep 0.1
  done
}

# run_child COMMAND...: like running it, but a signal to this script interrupts the wait and, by end_children,
# the command. Bash would put the signal off until the command has ended by itself.
run_child() {
  local status=0
  set -m
  "$@" </dev/null &
  set +m
  wait $! || status=$?
  return "$status"
}

# Ends what step and run_child have under way, with everything that it has started.
end_children() {
  local pid
  for pid in $(jobs -p); do kill -TERM -- "-$pid" 2>/dev/null || true; done
  wait
}

# handle_signals CLEANUP: runs CLEANUP once, however the script ends, with the exit code a shell would give.
# A second signal must not cut it short: timeout, for one, sends two.
# CLEANUP finds that code in $exit_status.
handle_signals() {
  # shellcheck disable=SC2064 # the name of the function is known now
  trap "exit_status=\$?; trap '' INT TERM HUP; $1" EXIT
  trap "trap '' INT TERM HUP; exit 130" INT
  trap "trap '' INT TERM HUP; exit 143" TERM
  trap "trap '' INT TERM HUP; exit 129" HUP
}
