"""What the pipeline driver does when a pipeline changes under an action that is being prepared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from neargate.drivers.pipelines import PipelineDriver
from neargate.model.codepipeline import Execution, GitRef, StageRun
from neargate.model.records import Tx
from neargate.runtimes.git import Commit, GitRepositories
from tests.unit.services.cloud import ACCOUNT, Cloud, cloud

ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "codepipeline.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
PIPELINE: dict[str, Any] = {
    "name": "web",
    "roleArn": ROLE,
    "artifactStore": {"type": "S3", "location": "artifacts"},
    "stages": [
        {
            "name": "Source",
            "actions": [
                {
                    "name": "Code",
                    "actionTypeId": {
                        "category": "Source",
                        "owner": "AWS",
                        "provider": "CodeCommit",
                        "version": "1",
                    },
                    "configuration": {"RepositoryName": "web", "BranchName": "main"},
                    "outputArtifacts": [{"name": "Code"}],
                }
            ],
        },
        {
            "name": "Approve",
            "actions": [
                {
                    "name": "Ask",
                    "actionTypeId": {
                        "category": "Approval",
                        "owner": "AWS",
                        "provider": "Manual",
                        "version": "1",
                    },
                }
            ],
        },
    ],
}


class SlowGit(GitRepositories):
    """Its one repository is read when a test lets it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reading = asyncio.Event()
        self.go_on = asyncio.Event()

    def exists(self, name: str) -> bool:
        return True

    async def commit(self, name: str, ref: str) -> Commit:
        self.reading.set()
        await self.go_on.wait()
        return Commit("c" * 40, "A change", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")

    async def archive(self, name: str, commit: str, path: str = "") -> bytes:
        return b"zip"


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


async def call(aws: Cloud, service: str, operation: str, **request: Any) -> dict[str, Any]:
    return await aws.dispatcher.call(aws.caller, service, operation, request)


@pytest.mark.anyio
@pytest.mark.parametrize("again", [False, True])
async def test_an_action_that_is_prepared_for_a_deleted_pipeline_never_begins(
    aws: Cloud, tmp_path: Path, again: bool
) -> None:
    """Its successor of the same name counts its executions from 1 again, so their keys are the same."""
    git = SlowGit(tmp_path)
    await call(aws, "s3", "CreateBucket", Bucket="artifacts")
    await call(aws, "iam", "CreateRole", RoleName="pipeline", AssumeRolePolicyDocument=json.dumps(TRUST))
    ref = GitRef(repository="web", ref="refs/heads/main", commit="c" * 40, at=0.0)
    await aws.store.write(lambda tx: tx.put(ref))
    await call(aws, "codepipeline", "CreatePipeline", pipeline=PIPELINE)
    driver = PipelineDriver(aws.store, aws.dispatcher, aws.clock, aws.ids, git)
    running = asyncio.create_task(driver.run())
    await asyncio.wait_for(git.reading.wait(), 5)
    git.reading.clear()
    await call(aws, "codepipeline", "DeletePipeline", name="web")
    if again:
        await call(aws, "codepipeline", "CreatePipeline", pipeline=PIPELINE)
        (fresh,) = aws.store.read(lambda view: view.scan(Execution))

        def enter(tx: Tx) -> None:

            stage = StageRun(name="Source", status="InProgress", entered=0.0)
            tx.put(attrs.evolve(fresh, inside=True, stages=[stage]))

        await aws.store.write(enter)
    git.go_on.set()
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    made = aws.store.read(lambda view: view.entries("api", "s3:PutObject"))
    assert len(made) == (1 if again else 0)
