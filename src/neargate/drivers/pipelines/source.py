"""Source actions: GitHub, connections and CodeCommit from a local git repository; S3 from a bucket."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs

from neargate.drivers.pipelines.job import ActionFailed, Job, Outcome
from neargate.model.codepipeline import Artifact
from neargate.model.operations import Context, Settings
from neargate.model.ports import Store
from neargate.model.records import Blob, Blobs
from neargate.runtimes.git import Commit, GitFailed, GitRepositories
from neargate.services.codepipeline import sources


@attrs.frozen
class _Fetched:
    commit: Commit
    archive: Blob


class GitSourceProvider:
    """Takes the newest commit of the branch; its zip becomes the output artifact."""

    def __init__(self, store: Store, repositories: GitRepositories, settings: Settings, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._repositories = repositories
        self._settings = settings

    async def prepare(self, job: Job) -> _Fetched:
        source = self._store.read(lambda view: sources.source_of(view, job.pipeline, job.declared))
        repository, branch = sources.named(job.declared)
        if source is None or not self._repositories.exists(source.repository):
            raise ActionFailed(
                f"No local git repository stands for {repository} yet. Run `neargate up` in the project, or push it "
                f"here: git push {self._settings.endpoint}/git/{repository} {branch}",
                "ConfigurationError",
            )
        try:
            commit = await self._repositories.commit(source.repository, source.ref)
            archive = await self._repositories.archive(source.repository, commit.id, source.path)
        except GitFailed as error:
            raise ActionFailed(
                f"The source {repository} cannot be read: {error}", "RevisionUnavailable"
            ) from error
        # Stored here: in `begin` the disk would keep every other write of the server waiting.
        return _Fetched(commit, await asyncio.to_thread(self._blobs.put, archive))

    def begin(self, cx: Context, job: Job, prepared: Any) -> Outcome:
        fetched: _Fetched = prepared
        name = job.output_names[0]
        key = job.artifact_key(name, f"{cx.ids.letters(7)}.zip")
        request = {
            "Bucket": job.bucket,
            "Key": key,
            "Body": fetched.archive,
            "ContentType": "application/zip",
        }
        cx.invoke("s3", "PutObject", request, role=job.role)
        commit = fetched.commit
        repository, branch = sources.named(job.declared)
        url = f"https://github.com/{repository}/commit/{commit.id}"
        artifact = Artifact(
            name=name, bucket=job.bucket, object_key=key, revision=commit.id, summary=commit.subject, url=url
        )
        variables = {
            "CommitId": commit.id,
            "CommitMessage": commit.subject,
            "BranchName": branch,
            "RepositoryName": repository.rsplit("/", 1)[-1],
            "FullRepositoryName": repository,
            "AuthorDate": commit.author_date,
            "CommitterDate": commit.commit_date,
            "CommitUrl": url,
        }
        return Outcome(
            "Succeeded",
            summary=commit.subject,
            external_id=commit.id,
            external_url=url,
            outputs=[artifact],
            variables=variables,
        )

    def look(self, cx: Context, job: Job) -> Outcome | None:
        return None

    def abandon(self, cx: Context, job: Job) -> None:
        return None


class S3SourceProvider:
    """Takes the newest version of a zip in a versioned bucket."""

    async def prepare(self, job: Job) -> None:
        return None

    def begin(self, cx: Context, job: Job, prepared: Any) -> Outcome:
        bucket, key = job.configuration["S3Bucket"], job.configuration["S3ObjectKey"]
        found = cx.invoke("s3", "GetObject", {"Bucket": bucket, "Key": key}, role=job.role)
        version = found.get("VersionId")
        if version is None:
            raise ActionFailed(f"The bucket {bucket} must have versioning enabled.", "ConfigurationError")
        name = job.output_names[0]
        target = job.artifact_key(name, f"{cx.ids.letters(7)}.zip")
        cx.invoke(
            "s3", "PutObject", {"Bucket": job.bucket, "Key": target, "Body": found["Body"]}, role=job.role
        )
        artifact = Artifact(name=name, bucket=job.bucket, object_key=target, revision=version, summary=key)
        variables = {"VersionId": version, "ETag": str(found.get("ETag", "")).strip('"')}
        return Outcome("Succeeded", external_id=version, outputs=[artifact], variables=variables)

    def look(self, cx: Context, job: Job) -> Outcome | None:
        return None

    def abandon(self, cx: Context, job: Job) -> None:
        return None
