"""The AWS API over HTTP, as one readable list: recognise → authenticate → decode → validate → operation → encode."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import attrs
import structlog

from neargate import wire
from neargate.gateway import signature
from neargate.gateway.event_streams import messages
from neargate.gateway.waiting import answer_when_settled
from neargate.model.errors import AwsError
from neargate.model.iam import AccessKey, Session
from neargate.model.operations import Caller
from neargate.model.records import Blob
from neargate.services.dispatch import Dispatcher

log = structlog.get_logger()

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
_ACCOUNT = re.compile(r"\d{12}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@attrs.frozen
class Answer:
    """What goes back, and what it was about (for the log)."""

    response: wire.HttpResponse
    service: str = ""
    operation: str = ""
    error: AwsError | None = None


class Api:
    """Answers AWS API requests. It never raises: every failure becomes an error in the caller's protocol."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def answer(self, request: wire.HttpRequest) -> Answer:
        request_id = self._dispatcher.ids.uuid()
        target: wire.Target | None = None
        try:
            credential = signature.credential_of(request.headers, request.query)
            plain = request if credential is None or credential.service == "s3" else wire.unpacked(request)
            target = wire.recognise(plain, credential.service if credential else None)
            caller = self.authenticate(request, credential)
            parameters = wire.decode(target, plain)
            wire.validate(target, parameters)
            service, operation = target.service, target.operation
            result = await answer_when_settled(
                self._dispatcher.store,
                service,
                operation,
                caller.user_agent,
                lambda: self._dispatcher.call(caller, service, operation, parameters, request_id=request_id),
            )
            response = wire.encode(target, result, request_id)
            if response.headers.get("Content-Type") == wire.EVENT_STREAM:
                stream = messages(self._dispatcher.store, self._dispatcher.clock, target, response.body)
                response = attrs.evolve(response, body=stream)
            return Answer(response, service, operation)
        except AwsError as error:
            if isinstance(error, wire.Unrecognised):
                target = error.target
            response = wire.encode_error(target, error, request_id)
            return Answer(
                response, target.service if target else "", target.operation if target else "", error
            )
        except Exception as bug:
            name = f"{target.service}:{target.operation}" if target else request.path
            log.error("api.bug", operation=name, request_id=request_id, exc_info=bug)
            failure = AwsError(
                "InternalFailure",
                f"Neargate failed inside {name}: {type(bug).__name__}. This is a bug; the server's log has the "
                f"details under request {request_id}.",
                status=500,
            )
            return Answer(wire.encode_error(target, failure, request_id), error=failure)

    def authenticate(self, request: wire.HttpRequest, credential: signature.Credential | None) -> Caller:
        """Who asks. Keys that Neargate issued are verified; others act as root of the account they name.

        What a request says of itself must hold whoever signed it: its digest, and how long it is good for.
        """
        agent = request.headers.get("user-agent", "")
        if credential is None:
            return root(DEFAULT_ACCOUNT, DEFAULT_REGION, user_agent=agent)
        signature.check_expiry(credential, self._dispatcher.clock.now())
        _check_digest(credential, request)
        key, region = credential.access_key, credential.region or DEFAULT_REGION
        if region in {"aws-global", "global"}:
            region = DEFAULT_REGION
        session, user_key = self._dispatcher.store.read(
            lambda view: (view.get(Session, key), view.get(AccessKey, key))
        )
        if user_key is not None:
            return self._user(request, credential, user_key, region, agent)
        if session is None:
            if key.startswith("ASIA") and len(key) == 20:
                raise AwsError(
                    "InvalidClientTokenId",
                    "The security token included in the request is invalid.",
                    status=403,
                )
            return root(key if _ACCOUNT.match(key) else DEFAULT_ACCOUNT, region, key, agent)
        self._verify_session(request, credential, session)
        return Caller(
            account=session.account,
            region=region,
            principal=session.principal,
            role=session.role,
            access_key=key,
            user_agent=agent,
        )

    def _user(
        self,
        request: wire.HttpRequest,
        credential: signature.Credential,
        key: AccessKey,
        region: str,
        agent: str,
    ) -> Caller:
        """An IAM user, by the long-lived key that CreateAccessKey gave out."""
        if key.status != "Active":
            raise AwsError(
                "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
            )
        self._verify(request, credential, key.secret)
        principal = f"arn:aws:iam::{key.account}:user/{key.user}"
        return Caller(
            account=key.account, region=region, principal=principal, access_key=key.id, user_agent=agent
        )

    def _verify_session(
        self, request: wire.HttpRequest, credential: signature.Credential, session: Session
    ) -> None:
        if session.expires <= self._dispatcher.clock.now():
            raise AwsError(
                "ExpiredToken", "The security token included in the request is expired", status=403
            )
        if credential.token != session.token:
            raise AwsError(
                "InvalidClientTokenId", "The security token included in the request is invalid.", status=403
            )
        self._verify(request, credential, session.secret)

    def _verify(self, request: wire.HttpRequest, credential: signature.Credential, secret: str) -> None:
        """Raises SignatureDoesNotMatch."""
        expected = signature.signature(
            credential,
            secret,
            request.method,
            request.path,
            request.query,
            request.headers,
            _payload_hash(credential, request.headers, request.body),
        )
        if not signature.holds(expected, credential.signature):
            raise AwsError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS "
                "Secret Access Key and signing method. Consult the service documentation for details.",
                status=403,
            )


def root(account: str, region: str, access_key: str = "", user_agent: str = "") -> Caller:
    """The root user of an account."""
    return Caller(
        account=account,
        region=region,
        principal=f"arn:aws:iam::{account}:root",
        access_key=access_key,
        user_agent=user_agent,
    )


def _check_digest(credential: signature.Credential, request: wire.HttpRequest) -> None:
    """S3's clients say what the body's SHA-256 is. Raises XAmzContentSHA256Mismatch where it is not."""
    declared = request.headers.get("x-amz-content-sha256", "")
    if credential.service != "s3" or not _DIGEST.match(declared):
        return
    body = request.body
    computed = body.sha256 if isinstance(body, Blob) else hashlib.sha256(body).hexdigest()
    if computed != declared:
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ClientComputedContentSHA256=declared,
            S3ComputedContentSHA256=computed,
        )


def _payload_hash(credential: signature.Credential, headers: Mapping[str, str], body: Any) -> str:
    declared = headers.get("x-amz-content-sha256")
    if declared is not None:
        return declared
    if credential.presigned:
        return "UNSIGNED-PAYLOAD"
    return hashlib.sha256(body if isinstance(body, bytes) else b"").hexdigest()
