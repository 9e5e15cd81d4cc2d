"""The build script, run under real shells with harmless commands, and what its reader makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate.planners.build_narration import Ended, Entered, Event, Left, Narrator
from neargate.planners.build_script import quoted, script
from neargate.planners.buildspec import ArtifactSpec, Buildspec, PhaseSpec

MARK = "\x1etest\x1e"
AT = 1784023151.966681  # 2026-07-14 09:59:11.966681 UTC
STAMP = "[Container] 2026/07/14 09:59:11.966681 "


@attrs.frozen
class Ran:
    lines: list[str]
    events: list[Event]
    environ: dict[str, str]
    directory: Path

    @property
    def output(self) -> list[str]:
        """Without the lines of the build environment."""
        return [line for line in self.lines if not line.startswith("[Container]")]

    @property
    def told(self) -> list[str]:
        return [line.removeprefix(STAMP) for line in self.lines if line.startswith(STAMP)]

    @property
    def failed(self) -> list[str]:
        return [event.phase for event in self.events if isinstance(event, Left) and event.failed]

    @property
    def entered(self) -> list[str]:
        return [event.phase for event in self.events if isinstance(event, Entered)]


def spec(version: str = "0.2", shell: str = "sh", **phases: PhaseSpec | list[str]) -> Buildspec:
    def phase(name: str) -> PhaseSpec:
        given = phases.get(name.lower(), [])
        return (
            attrs.evolve(given, name=name) if isinstance(given, PhaseSpec) else PhaseSpec(name, tuple(given))
        )

    return Buildspec(
        version=version,
        shell=shell,
        phases=tuple(phase(name) for name in ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")),
    )


def run(tmp_path: Path, wanted: Buildspec, secrets: tuple[str, ...] = (), **environment: str) -> Ran:
    directory, source = tmp_path / "tmp dir", tmp_path / "src"
    shutil.rmtree(directory, ignore_errors=True)
    source.mkdir(exist_ok=True)
    text = script(wanted, mark=MARK, directory=str(directory), source=str(source))
    done = subprocess.run(
        ["sh", "-c", text],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    narrator = Narrator(wanted, MARK, secrets)
    told = [narrator.read(line, AT) for line in done.stdout.decode().split("\n")]
    if told[-1].lines == ("",):
        told.pop()
    entries = (directory / "environ").read_bytes().decode().split("\0")
    return Ran(
        [line for each in told for line in each.lines],
        [each.event for each in told if each.event is not None],
        dict(entry.split("=", 1) for entry in entries if entry),
        directory,
    )


def test_a_build_is_narrated_as_codebuild_does(tmp_path: Path) -> None:
    ran = run(tmp_path, spec(pre_build=["echo hello"], build=["echo a; sh -c 'exit 2'", "echo never"]))
    assert ran.lines == [
        STAMP + "Entering phase INSTALL",
        STAMP + "Phase complete: INSTALL State: SUCCEEDED",
        STAMP + "Phase context status code:  Message: ",
        STAMP + "Entering phase PRE_BUILD",
        STAMP + "Running command echo hello",
        "hello",
        STAMP + "Phase complete: PRE_BUILD State: SUCCEEDED",
        STAMP + "Phase context status code:  Message: ",
        STAMP + "Entering phase BUILD",
        STAMP + "Running command echo a; sh -c 'exit 2'",
        "a",
        STAMP + "Command did not exit successfully echo a; sh -c 'exit 2' exit status 2",
        STAMP + "Phase complete: BUILD State: FAILED",
        STAMP + "Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: "
        "echo a; sh -c 'exit 2'. Reason: exit status 2",
        STAMP + "Entering phase POST_BUILD",
        STAMP + "Phase complete: POST_BUILD State: SUCCEEDED",
        STAMP + "Phase context status code:  Message: ",
    ]
    assert ran.events[-1] == Ended(upload=True)
    assert (
        Left(
            "BUILD",
            True,
            "COMMAND_EXECUTION_ERROR",
            "Error while executing command: echo a; sh -c 'exit 2'. Reason: exit status 2",
        )
        in ran.events
    )


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_directory_and_variables_last_from_command_to_command(tmp_path: Path, shell: str) -> None:
    tricky = 'it\'s $HOME "quoted" \\ and\nnew lines'
    ran = run(
        tmp_path,
        spec(
            shell=shell,
            install=["mkdir -p deep; cd deep", "NAME=value; export OTHER=more", f"TEXT={quoted(tricky)}"],
            build=['echo "$(basename "$(pwd)") $NAME $OTHER"', "sh -c 'echo child sees $NAME'"],
        ),
    )
    assert ran.output == ["deep value more", "child sees value"]
    assert ran.environ["TEXT"] == tricky
    assert ran.environ["NAME"] == "value"


def test_version_0_1_begins_each_command_anew(tmp_path: Path) -> None:
    ran = run(tmp_path, spec("0.1", build=["mkdir -p x; cd x; A=1", 'echo "$(basename "$(pwd)") [$A]"']))
    assert ran.output == ["src []"]


def test_exit_ends_its_command_only(tmp_path: Path) -> None:
    ran = run(tmp_path, spec(build=["echo a; exit 0; echo b", "set -e; false; echo c", "echo d"]))
    assert ran.output == ["a"]
    assert ran.failed == ["BUILD"]
    ran = run(tmp_path, spec(build=["exit 0", "kill -9 $$"]))
    left = [event for event in ran.events if isinstance(event, Left)]
    assert left[2].message == "Error while executing command: kill -9 $$. Reason: exit status 137"


@pytest.mark.parametrize(
    ("failing", "on_failure", "entered", "upload"),
    [
        ("INSTALL", "", ["INSTALL"], False),
        ("INSTALL", "CONTINUE", ["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"], True),
        ("PRE_BUILD", "", ["INSTALL", "PRE_BUILD"], False),
        ("BUILD", "", ["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"], True),
        ("BUILD", "ABORT", ["INSTALL", "PRE_BUILD", "BUILD"], False),
        ("POST_BUILD", "", ["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"], True),
    ],
)
def test_what_follows_a_failure(
    tmp_path: Path, failing: str, on_failure: str, entered: list[str], upload: bool
) -> None:
    phase = PhaseSpec(failing, ("false",), ("echo cleaned",), on_failure)
    ran = run(tmp_path, spec(**{failing.lower(): phase}))
    assert ran.entered == entered
    assert ran.failed == [failing]
    assert ran.output == ["cleaned"]
    assert ran.events[-1] == Ended(upload)
    state = "FAILED_WITH_ABORT" if on_failure == "ABORT" else "FAILED"
    assert f"Phase complete: {failing} State: {state}" in ran.told


def test_a_failing_finally_fails_its_phase(tmp_path: Path) -> None:
    phase = PhaseSpec("BUILD", ("true",), ("sh -c 'exit 3'", "echo never"))
    ran = run(tmp_path, spec(build=phase))
    assert ran.failed == ["BUILD"]
    assert ran.output == []
    assert any("Reason: exit status 3" in line for line in ran.told)


def test_commands_can_see_whether_the_build_succeeds(tmp_path: Path) -> None:
    see = "echo $CODEBUILD_BUILD_SUCCEEDING $(sh -c 'echo $CODEBUILD_BUILD_SUCCEEDING')"
    for version in ("0.1", "0.2"):
        ran = run(tmp_path, spec(version, build=[see, "false"], post_build=[see]))
        assert ran.output == ["1 1", "0 0"]


def test_output_without_an_end_of_line_loses_nothing(tmp_path: Path) -> None:
    ran = run(tmp_path, spec(build=["printf one", "printf two >&2", "printf '\\n\\n'", "false"]))
    assert ran.output == ["one", "two", "", ""]
    assert ran.failed == ["BUILD"]


def test_secrets_never_reach_the_log(tmp_path: Path) -> None:
    secret = "hunter2-and-more"
    ran = run(tmp_path, spec(build=[f"echo [{secret}] $PASS; false"]), (secret, "hunter2"), PASS=secret)
    assert not [line for line in ran.lines if "hunter2" in line]
    assert ran.output == ["[***] ***"]
    assert "hunter2" not in str(ran.events)


def test_an_artifacts_name_is_evaluated_in_the_builds_environment(tmp_path: Path) -> None:
    wanted = attrs.evolve(
        spec(build=["VERSION=7"]),
        artifacts=ArtifactSpec(("x",), name="app-$VERSION-$(echo z)"),
        secondary=(ArtifactSpec(("x",), "other", name="plain"),),
    )
    ran = run(tmp_path, wanted)
    assert (ran.directory / "name.0").read_text() == "app-7-z"
    assert not (ran.directory / "name.1").exists()


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("runuser") is None, reason="needs runuser")
def test_run_as_another_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    phase = PhaseSpec("BUILD", ("id -un; A=1", "echo $A"), run_as="nobody")
    ran = run(tmp_path, spec(build=phase, post_build=["echo $A; id -un"]))
    assert ran.output == ["nobody", "1", "1", "root"]


commands = st.lists(
    st.sampled_from(
        ["true", "false", "exit 0", "exit 7", "cd /", "X=1", "printf x", "echo 'a b'", "(exit 3)"]
    ),
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries(dict.fromkeys(("install", "pre_build", "build", "post_build"), commands)))
def test_every_phase_that_is_entered_is_left_as_its_commands_say(
    tmp_path: Path, phases: dict[str, list[str]]
) -> None:
    ran = run(tmp_path, spec(**phases))
    failing = {"false", "exit 7", "(exit 3)"}
    expected = [name.upper() for name in ran.entered if failing & set(phases[name.lower()])]
    assert ran.failed == expected
    assert [event.phase for event in ran.events if isinstance(event, Left)] == ran.entered
    stopped = {"INSTALL", "PRE_BUILD"} & set(ran.failed)
    assert ran.events[-1] == Ended(upload=not stopped)
    assert ("BUILD" in ran.entered) == (not stopped)
