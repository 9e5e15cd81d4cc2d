"""The build driver: phases, log, artifacts, ends of every kind, and the server's own end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from neargate.model.records import Json
from tests.unit.drivers.builds_world import ACCOUNT, REGION, Plant

pytestmark = pytest.mark.anyio

ALL = [
    *("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD"),
    *("POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"),
]


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    it = Plant(tmp_path)
    yield it
    it.store.close()


def spec(*commands: str, **sections: Any) -> str:
    lines = ["version: 0.2", *(f"{name}: {value}" for name, value in sections.items())]
    return "\n".join([*lines, "phases:", "  build:", "    commands:", *(f"      - {c}" for c in commands)])


def phases(build: Json) -> dict[str, str]:
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def context(build: Json, phase: str) -> tuple[str, str]:
    found = next(each for each in build["phases"] if each["phaseType"] == phase)["contexts"][0]
    return found["statusCode"], found["message"]


async def test_a_build_runs_through_all_phases_and_leaves_nothing_behind(plant: Plant) -> None:
    await plant.project(spec("echo hello", "X=1", "echo $X", env="{exported-variables: [X, NONE]}"))
    async with plant.server():
        build_id = await plant.start()
        build = await plant.finished(build_id)
        assert build["buildStatus"] == "SUCCEEDED"
        assert list(phases(build)) == ALL
        assert set(phases(build).values()) == {"SUCCEEDED", ""}
        assert build["exportedEnvironmentVariables"] == [
            {"name": "X", "value": "1"},
            {"name": "NONE", "value": ""},
        ]
        assert build["logs"]["groupName"] == "/aws/codebuild/web"
        lines = await plant.log(build_id)
        start = lines.index("> Entering phase BUILD")
        assert lines[start : start + 8] == [
            "> Entering phase BUILD",
            "> Running command echo hello",
            "hello",
            "> Running command X=1",
            "> Running command echo $X",
            "1",
            "> Phase complete: BUILD State: SUCCEEDED",
            "> Phase context status code:  Message: ",
        ]
        assert "> Phases found in YAML: 1" in lines
        assert plant.left() == []
        assert (await plant.call("ec2", "DescribeNetworkInterfaces"))["NetworkInterfaces"] == []


async def test_a_pipelines_build_takes_its_source_and_leaves_its_zip(plant: Plant) -> None:
    await plant.project("", source={"type": "CODEPIPELINE"}, artifacts={"type": "CODEPIPELINE"})
    buildspec = spec("./run.sh", artifacts="{files: ['*.yml', 'out/**/*'], discard-paths: yes}")
    await plant.put(
        "in/source.zip", {"buildspec.yml": buildspec, "run.sh": "mkdir out; env > out/environment"}
    )
    pipeline = attrs.evolve(plant.caller, via="codepipeline.amazonaws.com")
    async with plant.server():
        answer = await plant.call(
            "codebuild",
            "StartBuild",
            pipeline,
            projectName="web",
            sourceTypeOverride="S3",
            sourceLocationOverride="files/in/source.zip",
            artifactsOverride={
                "type": "S3",
                "location": "files",
                "path": "pipe/result",
                "name": "AbC",
                "packaging": "ZIP",
                "namespaceType": "NONE",
            },
            environmentVariablesOverride=[
                {"name": "CODEBUILD_RESOLVED_SOURCE_VERSION", "value": "c0ffee"},
                {"name": "CODEBUILD_INITIATOR", "value": "codepipeline/pipe"},
            ],
        )
        build = await plant.finished(answer["build"]["id"])
        assert build["buildStatus"] == "SUCCEEDED"
        assert build["artifacts"]["location"] == "arn:aws:s3:::files/pipe/result/AbC"
        assert len(build["artifacts"]["sha256sum"]) == 64
        files = await plant.unzipped("pipe/result/AbC")
        assert sorted(files) == ["buildspec.yml", "environment"]
        seen = dict(line.partition("=")[::2] for line in files["environment"].splitlines())
        role = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        assert seen[role] == "/v2/credentials/" + build["id"].partition(":")[2]
        assert {name: seen[name] for name in seen if name in _EXPECTED} == _EXPECTED
        assert seen["CODEBUILD_SRC_DIR"].endswith("/src")
        assert "CODEBUILD_BUILD_NUMBER" not in seen


_EXPECTED = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ENDPOINT_URL": "http://169.254.170.2",
    "CODEBUILD_BUILD_IMAGE": "aws/codebuild/standard:7.0",
    "CODEBUILD_BUILD_SUCCEEDING": "1",
    "CODEBUILD_INITIATOR": "codepipeline/pipe",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": "c0ffee",
    "CODEBUILD_SOURCE_VERSION": "arn:aws:s3:::files/in/source.zip",
    "HOME": "/root",
}


async def test_artifacts_of_several_kinds(plant: Plant) -> None:
    files = (
        "{files: a, secondary-artifacts: {extra: {files: '**/*', base-directory: d, name: 'n-$(echo 7)'}}}"
    )
    extra = {
        "type": "S3",
        "location": "files",
        "path": "x",
        "packaging": "ZIP",
        "artifactIdentifier": "extra",
    }
    await plant.project(
        spec("echo 1 > a; mkdir d; echo 2 > d/b", artifacts=files),
        artifacts={"type": "S3", "location": "files", "path": "plain", "namespaceType": "BUILD_ID"},
        secondaryArtifacts=[{**extra, "overrideArtifactName": True}],
    )
    async with plant.server():
        build = await plant.finished(await plant.start())
        uuid = build["id"].partition(":")[2]
        assert build["buildStatus"] == "SUCCEEDED"
        keys = (await plant.call("s3", "ListObjectsV2", Bucket="files"))["Contents"]
        assert [each["Key"] for each in keys] == [f"plain/{uuid}/web/a", "x/n-7"]
        assert await plant.unzipped("x/n-7") == {"b": "2\n"}
        assert build["secondaryArtifacts"][0]["location"] == "arn:aws:s3:::files/x/n-7"


async def test_a_failed_command_fails_the_build_after_post_build(plant: Plant) -> None:
    await plant.project(spec("exit 3") + "\n  post_build:\n    commands: echo $CODEBUILD_BUILD_SUCCEEDING")
    async with plant.server():
        build_id = await plant.start()
        build = await plant.finished(build_id)
        assert build["buildStatus"] == "FAILED"
        assert list(phases(build)) == ALL
        assert phases(build)["BUILD"] == "FAILED"
        assert context(build, "BUILD") == (
            "COMMAND_EXECUTION_ERROR",
            "Error while executing command: exit 3. Reason: exit status 3",
        )
        assert "0" in await plant.log(build_id)


@pytest.mark.parametrize(
    ("buildspec", "phase", "expected"),
    [
        (
            "version: 0.2\nphases:\n  artifacts:\n    files: x",
            "DOWNLOAD_SOURCE",
            (
                "YAML_FILE_ERROR",
                "Invalid buildspec phase name: artifacts. Expecting: build,install,post_build,pre_build",
            ),
        ),
        ("other.yml", "DOWNLOAD_SOURCE", ("YAML_FILE_ERROR", "YAML file does not exist")),
        (
            spec("true", artifacts="{files: none}"),
            "UPLOAD_ARTIFACTS",
            ("CLIENT_ERROR", "no matching artifact paths found"),
        ),
    ],
)
async def test_the_phase_that_fails_says_why(
    plant: Plant, buildspec: str, phase: str, expected: tuple[str, str]
) -> None:
    await plant.project(buildspec, artifacts={"type": "S3", "location": "files"})
    async with plant.server():
        build_id = await plant.start()
        build = await plant.finished(build_id)
        assert build["buildStatus"] == "FAILED"
        assert context(build, phase) == expected
        lines = await plant.log(build_id)
        assert f"> Phase complete: {phase} State: FAILED" in lines
        assert f"> Phase context status code: {expected[0]} Message: {expected[1]}" in lines
        assert list(phases(build))[-2:] == ["FINALIZING", "COMPLETED"]
        assert plant.left() == []


async def test_a_missing_source_is_said_in_the_sdks_words(plant: Plant) -> None:
    await plant.project("", source={"type": "S3", "location": "files/none.zip"})
    async with plant.server():
        build = await plant.finished(await plant.start())
        code, message = context(build, "DOWNLOAD_SOURCE")
        assert code == "CLIENT_ERROR"
        assert message.startswith("NoSuchKey: The specified key does not exist. status code: 404")
        await plant.call("s3", "PutObject", Bucket="files", Key="none.zip", Body=b"no zip")
        build = await plant.finished(await plant.start())
        assert context(build, "DOWNLOAD_SOURCE")[1].startswith("zip: not a valid zip file for primary source")


async def test_an_image_that_nobody_has_fails_provisioning(plant: Plant) -> None:
    await plant.project(spec("true"), environment={"image": "nobody/nothing:1"})
    async with plant.server():
        build = await plant.finished(await plant.start())
        assert context(build, "PROVISIONING") == (
            "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE",
            "Unable to pull customer's container image. CannotPullContainerError: manifest unknown",
        )
        assert list(phases(build))[2:] == ["PROVISIONING", "COMPLETED"]


async def test_a_parameter_that_cannot_be_had_fails_the_download(plant: Plant) -> None:
    await plant.project(spec("true", env="{parameter-store: {KEY: /app/key}}"))
    async with plant.server():
        build = await plant.finished(await plant.start())
        assert phases(build)["DOWNLOAD_SOURCE"] == "FAILED"
        assert context(build, "DOWNLOAD_SOURCE")[0] == "CLIENT_ERROR"


async def test_a_stopped_build_stops_its_container(plant: Plant) -> None:
    await plant.project(spec("sleep 60"))
    async with plant.server():
        build_id = await plant.start()
        await plant.until(build_id, lambda build: build.current_phase == "BUILD")
        await plant.call("codebuild", "StopBuild", id=build_id)
        build = await plant.finished(build_id)
        assert (build["buildStatus"], phases(build)["BUILD"]) == ("STOPPED", "STOPPED")
        assert plant.left() == []


async def test_a_build_that_takes_too_long_times_out(plant: Plant) -> None:
    await plant.project(spec("sleep 60"))
    async with plant.server():
        # A build whose five minutes are over but for a second.
        build_id = await plant.start(timeoutInMinutesOverride=5)
        record = plant.record(build_id)
        await plant.store.write(lambda tx: tx.put(attrs.evolve(record, started=record.started - 298.5)))
        build = await plant.finished(build_id)
        assert build["buildStatus"] == "TIMED_OUT"
        assert context(build, list(phases(build))[-3]) == ("BUILD_TIMED_OUT", "Build has timed out. ")


async def test_a_dead_container_is_a_fault(plant: Plant) -> None:
    await plant.project(spec("sleep 60"))
    async with plant.server():
        build_id = await plant.start()
        await plant.until(build_id, lambda build: build.current_phase == "BUILD")
        next(iter(plant.world.containers.values())).signal("SIGKILL")
        build = await plant.finished(build_id)
        assert (build["buildStatus"], phases(build)["BUILD"]) == ("FAULT", "FAULT")
        assert "Build container found dead before completing the build" in context(build, "BUILD")[1]


async def test_a_privileged_build_has_a_docker_socket_under_the_projects_role(plant: Plant) -> None:
    await plant.project(spec("sleep 60"), environment={"privilegedMode": True})
    async with plant.server():
        build_id = await plant.start()
        await plant.until(build_id, lambda build: build.current_phase == "BUILD")
        process = next(iter(plant.world.containers.values()))
        mounts = {mount.target: mount.source for mount in process.spec.mounts}
        assert mounts["/var/run/docker.sock"] == str(plant.sockets.open[build_id])
        assert process.spec.privileged is False
        assert plant.sockets.callers[0].role == f"arn:aws:iam::{ACCOUNT}:role/Builder"
        await plant.call("codebuild", "StopBuild", id=build_id)
        await plant.finished(build_id)
        assert plant.left() == []


async def test_an_interrupted_build_starts_again_from_the_beginning(plant: Plant, tmp_path: Path) -> None:
    flag = tmp_path / "second"
    command = f"test -e {flag} || {{ touch {flag}; echo first; sleep 60; }}"
    await plant.project(spec(f'"{command}"', "echo second"), environment={"privilegedMode": True})
    async with plant.server():
        build_id = await plant.start()
        await plant.said(build_id, "first")
    assert plant.left() != []
    async with plant.server():
        build = await plant.finished(build_id)
        assert build["buildStatus"] == "SUCCEEDED"
        assert list(phases(build)) == ALL
        lines = await plant.log(build_id)
        again = lines.index("> The server ended during this build: it starts again from the beginning")
        assert "second" in lines[again:]
        assert lines.count("> Entering phase BUILD") == 2
        assert plant.left() == []


async def test_what_finished_while_no_server_ran_is_taken_as_it_is(plant: Plant, tmp_path: Path) -> None:
    flag = tmp_path / "go on"
    wait = f"while ! test -e '{flag}'; do sleep 0.02; done"
    await plant.project(
        spec("echo one", f'"{wait}"', "echo two > file; echo two", artifacts="{files: file}"),
        artifacts={"type": "S3", "location": "files", "packaging": "ZIP"},
    )
    async with plant.server():
        build_id = await plant.start()
        await plant.until(build_id, lambda build: build.current_phase == "BUILD")
    flag.touch()
    process = next(iter(plant.world.containers.values()))
    await process.over.wait()
    async with plant.server():
        build = await plant.finished(build_id)
        assert build["buildStatus"] == "SUCCEEDED"
        assert list(phases(build)) == ALL
        lines = await plant.log(build_id)
        assert [line for line in lines if line in ("one", "two")] == ["one", "two"]
        assert lines.count("> Entering phase BUILD") == 1
        assert await plant.unzipped("web") == {"file": "two\n"}
        assert plant.left() == []


@pytest.mark.parametrize(("privileged", "status", "attempts"), [(False, "FAILED", 1), (True, "SUCCEEDED", 2)])
async def test_a_failure_after_the_servers_end_counts_unless_docker_was_missing(
    plant: Plant, tmp_path: Path, privileged: bool, status: str, attempts: int
) -> None:
    began, flag = tmp_path / "began", tmp_path / "server is gone"
    wait = f"while ! test -e '{flag}'; do sleep 0.02; done"
    command = f"test -e {began} || {{ touch {began}; echo began; {wait}; false; }}"
    await plant.project(spec(f'"{command}"'), environment={"privilegedMode": privileged})
    async with plant.server():
        build_id = await plant.start()
        await plant.said(build_id, "began")
    flag.touch()
    await next(iter(plant.world.containers.values())).over.wait()
    async with plant.server():
        build = await plant.finished(build_id)
        assert (build["buildStatus"], plant.record(build_id).attempt) == (status, attempts)
        assert plant.left() == []


async def test_workspaces_that_nobody_knows_are_removed(plant: Plant) -> None:
    stray = plant.directory / "builds" / "stray"
    stray.mkdir(parents=True)
    await plant.project(spec("true"))
    async with plant.server():
        await plant.finished(await plant.start())
        assert not stray.exists()


async def test_a_bug_of_ours_ends_the_build_instead_of_repeating_it(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another attempt would do again what the commands have done already: push, deploy."""

    async def fail(*_: object) -> None:
        raise AssertionError("unforeseen")

    monkeypatch.setattr("neargate.drivers.builds.transfer.fetch_sources", fail)
    await plant.project(spec("true"))
    async with plant.server():
        build = await plant.finished(await plant.start())
        assert build["buildStatus"] == "FAULT"
        assert context(build, "DOWNLOAD_SOURCE") == ("INTERNAL_SERVICE_ERROR", "unforeseen")
        assert plant.left() == []
