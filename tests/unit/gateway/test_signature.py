"""Signatures as botocore's own signers make them, and what happens to each bit of a request that was changed after."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from neargate import wire
from neargate.gateway import signature
from neargate.gateway.api import Api, root
from neargate.model.iam import Session
from neargate.model.operations import Settings
from neargate.model.records import Tx
from neargate.services.dispatch import Dispatcher
from neargate.store.blobs import BlobDirectory
from neargate.store.sqlite import SqliteStore
from neargate.system import SystemClock, SystemIds

REGION = "eu-west-1"
ACCOUNT = "111122223333"
HOST = "localhost:4566"
TARGET = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
JSON = {"content-type": "application/x-amz-json-1.1", **TARGET}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@attrs.frozen
class Keys:
    id: str
    secret: str
    token: str | None = None


class Cloud:
    def __init__(self, directory: Path) -> None:
        self.clock = SystemClock()
        self.store = SqliteStore.open(directory / "neargate.db", self.clock, durable=False)
        blobs = BlobDirectory(directory / "blobs")
        self.dispatcher = Dispatcher(self.store, self.clock, SystemIds(), blobs, Settings())
        self.api = Api(self.dispatcher)

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        caller = root(ACCOUNT, REGION)
        return asyncio.run(self.dispatcher.call(caller, service, operation, request))

    def answer(self, request: wire.HttpRequest) -> tuple[int, bytes]:
        response = asyncio.run(self.api.answer(request)).response
        return response.status, response.body if isinstance(response.body, bytes) else b""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with tempfile.TemporaryDirectory() as directory:
        aws = Cloud(Path(directory))
        aws.call("iam", "CreateUser", UserName="ann")
        aws.call("s3", "CreateBucket", Bucket="box", CreateBucketConfiguration={"LocationConstraint": REGION})
        aws.call("s3", "PutObject", Bucket="box", Key="a b/é+%.txt", Body=b"text")
        yield aws
        aws.store.close()


@pytest.fixture(scope="module")
def keys(cloud: Cloud) -> Keys:
    made = cloud.call("iam", "CreateAccessKey", UserName="ann")["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


Signer = Callable[..., Any]


def signed(
    keys: Keys,
    service: str,
    signer: Signer,
    *,
    method: str = "POST",
    path: str = "/",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    **more: Any,
) -> wire.HttpRequest:
    """The request as it arrives, signed by one of botocore's signers."""
    request = botocore.awsrequest.AWSRequest(
        method=method, url=f"http://{HOST}{path}", headers=headers or {}, data=body
    )
    request.context["payload_signing_enabled"] = True
    given = botocore.credentials.Credentials(keys.id, keys.secret, keys.token)
    signer(given, service, REGION, **more).add_auth(request)
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    plain = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in prepared.headers.items()
    }
    return wire.HttpRequest(method, url.path or "/", url.query, {"host": HOST, **plain}, body)


def json_request(keys: Keys, body: bytes = b'{"maxResults": 5}') -> wire.HttpRequest:
    return signed(keys, "ecs", botocore.auth.SigV4Auth, headers=JSON, body=body)


def form_request(keys: Keys) -> wire.HttpRequest:
    return signed(keys, "sts", botocore.auth.SigV4Auth, headers=FORM, body=IDENTITY)


def object_request(keys: Keys, path: str = "/box/a%20b/%C3%A9%2B%25.txt?x-id=GetObject") -> wire.HttpRequest:
    return signed(keys, "s3", botocore.auth.S3SigV4Auth, method="GET", path=path)


def presigned_request(keys: Keys) -> wire.HttpRequest:
    path = "/box/a%20b/%C3%A9%2B%25.txt?response-content-type=text%2Fplain"
    return signed(keys, "s3", botocore.auth.S3SigV4QueryAuth, method="GET", path=path, expires=60)


REQUESTS = [json_request, form_request, object_request, presigned_request]


@pytest.mark.parametrize("make", REQUESTS)
def test_a_good_signature_holds(cloud: Cloud, keys: Keys, make: Callable[[Keys], wire.HttpRequest]) -> None:
    status, body = cloud.answer(make(keys))
    assert status == 200, body


@pytest.mark.parametrize("make", REQUESTS)
def test_a_wrong_secret_does_not(cloud: Cloud, keys: Keys, make: Callable[[Keys], wire.HttpRequest]) -> None:
    status, body = cloud.answer(make(attrs.evolve(keys, secret="guessed")))
    assert status == 403
    assert b"SignatureDoesNotMatch" in body


def test_the_caller_is_the_user_in_the_region_of_the_scope(cloud: Cloud, keys: Keys) -> None:
    request = form_request(keys)
    credential = signature.credential_of(request.headers, request.query)
    caller = cloud.api.authenticate(request, credential)
    assert (caller.principal, caller.region) == (f"arn:aws:iam::{ACCOUNT}:user/ann", REGION)


def test_what_was_signed_cannot_be_changed(cloud: Cloud, keys: Keys) -> None:
    good = json_request(keys)
    changed = [
        attrs.evolve(good, body=b'{"maxResults": 6}'),
        attrs.evolve(good, query="a=b"),
        attrs.evolve(good, headers={**good.headers, "x-amz-date": "20260101T000000Z"}),
        attrs.evolve(
            good,
            headers={**good.headers, "x-amz-target": TARGET["x-amz-target"].replace("List", "Describe")},
        ),
    ]
    assert [cloud.answer(request)[0] for request in changed] == [403, 403, 403, 403]


def test_a_body_must_have_the_digest_that_was_signed(cloud: Cloud, keys: Keys) -> None:
    """S3's clients sign the digest in a header; the body must be what the header says."""
    good = signed(
        keys, "s3", botocore.auth.S3SigV4Auth, method="PUT", path="/box/written", body=b"what was signed"
    )
    assert cloud.answer(good)[0] == 200
    status, body = cloud.answer(attrs.evolve(good, body=b"something else!"))
    assert status == 400
    assert b"XAmzContentSHA256Mismatch" in body


def test_an_expired_presigned_request(cloud: Cloud, keys: Keys) -> None:
    old = signed(
        keys,
        "s3",
        botocore.auth.S3SigV4QueryAuth,
        method="GET",
        path="/box/a%20b/%C3%A9%2B%25.txt",
        expires=60,
    )
    later = attrs.evolve(old, query=old.query.replace("X-Amz-Date=20", "X-Amz-Date=19"))
    status, body = cloud.answer(later)
    assert status == 403
    assert b"Request has expired" in body


@pytest.mark.parametrize(("given", "said"), [("604801", b"604800 seconds"), ("-1", b"604800 seconds")])
def test_how_long_a_presigned_request_may_be_good_for(
    cloud: Cloud, keys: Keys, given: str, said: bytes
) -> None:
    good = presigned_request(keys)
    odd = attrs.evolve(good, query=good.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={given}"))
    status, body = cloud.answer(odd)
    assert status == 400
    assert said in body


def test_a_presigned_request_without_a_date(cloud: Cloud, keys: Keys) -> None:
    good = presigned_request(keys)
    status, body = cloud.answer(attrs.evolve(good, query=good.query.replace("X-Amz-Date=", "X-Amz-Date=x")))
    assert status == 400
    assert b"ISO8601" in body


def test_a_key_that_is_switched_off(cloud: Cloud) -> None:
    made = cloud.call("iam", "CreateAccessKey", UserName="ann")["AccessKey"]
    off = Keys(made["AccessKeyId"], made["SecretAccessKey"])
    cloud.call("iam", "UpdateAccessKey", UserName="ann", AccessKeyId=off.id, Status="Inactive")
    status, body = cloud.answer(form_request(off))
    assert status == 403
    assert b"InvalidClientTokenId" in body


def test_a_key_that_only_looks_issued(cloud: Cloud) -> None:
    status, body = cloud.answer(form_request(Keys("ASIA" + "X" * 16, "secret", "token")))
    assert status == 403
    assert b"InvalidClientTokenId" in body


@pytest.fixture(scope="module")
def session(cloud: Cloud) -> Keys:
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    role = cloud.call("iam", "CreateRole", RoleName="role", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    issued = cloud.call("sts", "AssumeRole", RoleArn=role, RoleSessionName="s")["Credentials"]
    return Keys(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])


@pytest.mark.parametrize("make", REQUESTS)
def test_a_role_session(cloud: Cloud, session: Keys, make: Callable[[Keys], wire.HttpRequest]) -> None:
    request = make(session)
    assert cloud.answer(request)[0] == 200
    caller = cloud.api.authenticate(request, signature.credential_of(request.headers, request.query))
    assert caller.role == f"arn:aws:iam::{ACCOUNT}:role/role"
    assert caller.principal == f"arn:aws:sts::{ACCOUNT}:assumed-role/role/s"


@pytest.mark.parametrize("token", [None, "another"])
def test_a_session_without_its_token(cloud: Cloud, session: Keys, token: str | None) -> None:
    status, body = cloud.answer(json_request(attrs.evolve(session, token=token)))
    assert status == 403
    assert b"InvalidClientTokenId" in body


@pytest.mark.parametrize("key", ["test", "AKIAIOSFODNN7EXAMPLE"])
def test_a_key_of_nobody_is_the_default_account(cloud: Cloud, key: str) -> None:
    status, body = cloud.answer(form_request(Keys(key, "anything")))
    assert status == 200
    assert b"arn:aws:iam::000000000000:root" in body


def test_a_key_of_twelve_digits_is_an_account(cloud: Cloud) -> None:
    assert b"arn:aws:iam::444455556666:root" in cloud.answer(form_request(Keys("444455556666", "a")))[1]


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic abc", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 Credential"],
)
def test_no_intelligible_credential(authorization: str) -> None:
    assert signature.credential_of({"authorization": authorization}, "") is None


def test_credentials_of_a_session_that_has_ended(cloud: Cloud, session: Keys) -> None:
    """A task gets new ones in time; whoever keeps the old ones is told that they are too old."""

    def end(tx: Tx) -> None:
        known = tx.get(Session, session.id)
        assert known is not None
        tx.put(attrs.evolve(known, expires=cloud.clock.now()))

    asyncio.run(cloud.store.write(end))
    status, body = cloud.answer(form_request(session))
    assert status == 403
    assert b"ExpiredToken" in body
    assert b"The security token included in the request is expired" in body
