"""From a buildspec to the shell script that a build container runs.

Version 0.2 promises one shell for all commands. CodeBuild keeps that promise in its own way, and this script in
the same: every command runs in a fresh shell that takes over the directory and, since `set -a` is on, all the
variables that the command before it left behind. So `cd` and `X=1` last, also for child processes; functions,
aliases, `set -e` and `exit` end with their command. Version 0.1 takes over nothing.

The script tells its reader what happens through marked lines on stdout (`planners.build_narration` reads them):

    MARK enter PHASE
    MARK run PHASE commands|finally INDEX
    MARK exit PHASE commands|finally INDEX STATUS     a command failed
    MARK left PHASE SUCCEEDED
    MARK left PHASE FAILED|FAILED_WITH_ABORT BLOCK INDEX STATUS     the first command that failed
    MARK end upload|stop

A mark may follow output that did not end its line. At `end`, `environ` in the script's directory holds the final
environment, NUL-separated, and `name.N` the evaluated name of artifact N (0 is the primary one).
"""

from __future__ import annotations

from collections.abc import Iterator

from neargate.planners.buildspec import Buildspec, PhaseSpec

_PROLOGUE = r"""
tell() { printf '%s%s\n' "$mark" "$*"; }

succeeding() {
  CODEBUILD_BUILD_SUCCEEDING=$1
  printf 'export CODEBUILD_BUILD_SUCCEEDING=%s\n' "$1" >> "$tmp/env.sh"
}

# PHASE BLOCK INDEX USER COMMAND: one command in its shell
run() {
  tell "run $1 $2 $3"
  printf '%s\n' "$5" > "$tmp/command.txt"
  compose > "$tmp/script.sh"
  if [ -z "$4" ]; then
    "$shell" "$tmp/script.sh" < /dev/null
  else
    chmod a+rwx "$tmp"
    chmod a+rw "$tmp/env.sh" "$tmp/dir.txt"
    if command -v runuser > /dev/null; then
      runuser -u "$4" -- "$shell" "$tmp/script.sh" < /dev/null
    else
      su -p -s /bin/sh -c "$shell '$tmp/script.sh'" "$4" < /dev/null
    fi
  fi
  status=$?
  [ "$status" -eq 0 ] && return 0
  tell "exit $1 $2 $3 $status"
  [ -n "$failure" ] || failure="$2 $3 $status"
  return 1
}

enter() {
  failure=
  tell "enter $1"
}

# PHASE ON-FAILURE: abort, stop or go
leave() {
  if [ -z "$failure" ]; then
    tell "left $1 SUCCEEDED"
    return
  fi
  succeeding 0
  case $2 in
    abort) tell "left $1 FAILED_WITH_ABORT $failure"; next=stop ;;
    stop) tell "left $1 FAILED $failure"; next=stop ;;
    go) tell "left $1 FAILED $failure" ;;
  esac
}

mkdir -p "$tmp"
cd "$source" || exit 1
pwd > "$tmp/dir.txt"
export CODEBUILD_BUILD_SUCCEEDING=1
export CODEBUILD_LAST_EXIT=0
export -p > "$tmp/env.sh"
next=go
"""

_LASTING = r"""
compose() {
  printf 'cd "$(cat "%s/dir.txt")"\nset -a\n. "%s/env.sh"\n' "$tmp" "$tmp"
  cat "$tmp/command.txt"
  printf 'CODEBUILD_LAST_EXIT=$?\nexport -p > "%s/env.sh"\npwd > "%s/dir.txt"\n' "$tmp" "$tmp"
  printf 'exit $CODEBUILD_LAST_EXIT\n'
}
"""

_SEPARATE = r"""
compose() { cat "$tmp/command.txt"; }
"""

_ENVIRON = r"""
"$shell" -c '. "$0/env.sh" && exec cat /proc/self/environ' "$tmp" > "$tmp/environ"
"""

_ON_FAILURE = {"ABORT": "abort", "CONTINUE": "go"}
_OTHERWISE = {"INSTALL": "stop", "PRE_BUILD": "stop", "BUILD": "go", "POST_BUILD": "go"}


def script(spec: Buildspec, *, mark: str, directory: str, source: str) -> str:
    """The POSIX sh script. `directory` is its own, in the container; `source` where the commands begin.

    It exits with 0 once it has said `end`, whatever became of the commands.
    """
    head = [
        "exec 2>&1",
        f"tmp={quoted(directory)}",
        f"source={quoted(source)}",
        f"mark={quoted(mark)}",
        f"shell={quoted(spec.shell)}",
    ]
    body = [
        _LASTING if spec.version != "0.1" else _SEPARATE,
        _PROLOGUE,
        *(_phase(phase) for phase in spec.phases),
        _ENVIRON,
        *_names(spec),
        'if [ "$next" = go ]; then tell "end upload"; else tell "end stop"; fi',
        "exit 0",
    ]
    return "\n".join([*head, *body]) + "\n"


def quoted(text: str) -> str:
    """As one word for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _phase(phase: PhaseSpec) -> str:
    on_failure = _ON_FAILURE.get(phase.on_failure, _OTHERWISE[phase.name])
    lines = [f"enter {phase.name}"]
    for block, commands in (("commands", phase.commands), ("finally", phase.final_commands)):
        if commands:
            lines.append(" &&\n  ".join(_run(phase, block, at, text) for at, text in enumerate(commands)))
    lines.append(f"leave {phase.name} {on_failure}")
    return 'if [ "$next" = go ]; then\n' + "\n".join(lines) + "\nfi"


def _run(phase: PhaseSpec, block: str, index: int, command: str) -> str:
    return f"run {phase.name} {block} {index} {quoted(phase.run_as)} {quoted(command)}"


def _names(spec: Buildspec) -> Iterator[str]:
    """Artifact names are shell text: `app-$(date +%F)`."""
    artifacts = ([spec.artifacts] if spec.artifacts else []) + list(spec.secondary)
    first = 0 if spec.artifacts else 1
    for number, artifact in enumerate(artifacts, start=first):
        if "$" in artifact.name or "`" in artifact.name:
            text = artifact.name.replace('"', '\\"')
            evaluate = f'. "$0/env.sh" && printf %s "{text}"'
            yield f'"$shell" -c {quoted(evaluate)} "$tmp" > "$tmp/name.{number}"'
