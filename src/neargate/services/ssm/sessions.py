"""Session Manager: sessions with the containers of Fargate tasks. The data channel itself is the gateway's.

Only targets `ecs:CLUSTER_TASK_RUNTIMEID` are there, and of the documents those that run a command or forward a port.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm_sessions import ECS_DOCUMENT, HISTORY, Session

_SHELL = "sh"
_TAKES_COMMAND = (ECS_DOCUMENT, "AWS-StartInteractiveCommand")
_SHELL_DOCUMENT = "SSM-SessionManagerRunShell"
_TO_REMOTE_HOST = "AWS-StartPortForwardingSessionToRemoteHost"
_FORWARDING = ("AWS-StartPortForwardingSession", _TO_REMOTE_HOST)
_HEX = "0123456789abcdef"
_PAGE = 200


@operation("ssm", "StartSession")
def start_session(cx: Context, request: Json) -> Json:
    target, document = request["Target"], request.get("DocumentName") or _SHELL_DOCUMENT
    place = _container(cx, target)
    session = Session(
        id=_new_id(cx, document),
        account=cx.account,
        region=cx.region,
        target=target,
        owner=cx.caller.principal,
        token=cx.ids.hex(128),
        created=cx.now,
        document=document,
        reason=request.get("Reason") or "",
        **place,
        **_work(document, request.get("Parameters") or {}),
    )
    _forget_history(cx)
    cx.tx.put(session)
    return _opened(cx, session)


def _new_id(cx: Context, document: str) -> str:
    """`ecs-execute-command-` or the caller's name, and 17 hexadecimal digits."""
    name = "ecs-execute-command" if document == ECS_DOCUMENT else cx.caller.principal.rsplit("/", 1)[-1]
    return f"{name.rsplit(':', 1)[-1]}-{cx.ids.letters(17, _HEX)}"


def _container(cx: Context, target: str) -> dict[str, Any]:
    """The container of a target, as members of a Session. Raises TargetNotConnected."""
    missing = AwsError("TargetNotConnected", f"{target} is not connected.")
    kind, _, place = target.partition(":")
    if kind != "ecs":
        raise missing
    cluster, _, rest = place.rpartition("_")[0].rpartition("_")
    runtime_id = place.rpartition("_")[2]
    try:
        found = cx.invoke("ecs", "DescribeTasks", {"cluster": cluster, "tasks": [rest]})["tasks"]
    except AwsError:
        raise missing from None
    for container in found[0]["containers"] if found else ():
        agents = [agent["lastStatus"] for agent in container.get("managedAgents") or ()]
        if container.get("runtimeId") == runtime_id and "RUNNING" in agents:
            return {"cluster": cluster, "task": rest, "container": container["name"]}
    raise missing


def _work(document: str, parameters: Json) -> dict[str, Any]:
    """What the session does, as members of a Session. Parameters are lists of texts."""
    values = {name: str(given[0]) for name, given in parameters.items() if given}
    if document in _FORWARDING:
        return _forwarded(document, values)
    if document == _SHELL_DOCUMENT:
        return {"command": _SHELL}
    if document not in _TAKES_COMMAND:
        raise not_implemented(f"ssm:StartSession DocumentName {document}", "ssm")
    command = values.get("command", "")
    if not command.strip():
        raise AwsError("InvalidParameters", f"The document {document} needs the parameter command.")
    return {
        "command": command,
        "log_group": values.get("cloudWatchLogGroup", ""),
        "bucket": values.get("s3BucketName", ""),
        "prefix": values.get("s3KeyPrefix", ""),
    }


def _forwarded(document: str, values: dict[str, str]) -> dict[str, Any]:
    port, host = values.get("portNumber", "80"), values.get("host", "")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise AwsError("InvalidParameters", f"portNumber {port} is no port.")
    if document == _TO_REMOTE_HOST and not host:
        raise AwsError("InvalidParameters", f"The document {document} needs the parameter host.")
    properties = {"portNumber": port, "type": "LocalPortForwarding"}
    for name in ("localPortNumber", "host"):
        if name in values:
            properties[name] = values[name]
    return {"command": "", "port": int(port), "host": host, "properties": properties}


def _opened(cx: Context, session: Session) -> Json:
    at = urlsplit(cx.settings.endpoint).netloc
    return {
        "SessionId": session.id,
        "TokenValue": session.token,
        "StreamUrl": f"ws://{at}/v1/data-channel/{session.id}?role=publish_subscribe",
    }


def _forget_history(cx: Context) -> None:
    for old in cx.tx.scan(Session):
        if not old.alive(cx.now) and (old.ended or old.created) + HISTORY < cx.now:
            cx.tx.delete(Session, old.key)


@operation("ssm", "ResumeSession")
def resume_session(cx: Context, request: Json) -> Json:
    """A new token for a session whose connection was lost. One that has ended has no token, as on AWS."""
    session = _require(cx, request["SessionId"])
    if not session.alive(cx.now):
        return {"SessionId": session.id}
    renewed = attrs.evolve(session, token=cx.ids.hex(128))
    cx.tx.put(renewed)
    return _opened(cx, renewed)


@operation("ssm", "TerminateSession")
def terminate_session(cx: Context, request: Json) -> Json:
    session = _require(cx, request["SessionId"])
    if session.ended is None:
        cx.tx.put(attrs.evolve(session, ended=cx.now))
    return {"SessionId": session.id}


def _require(cx: Context, session_id: str) -> Session:
    session = cx.tx.get(Session, session_id)
    if session is None or (session.account, session.region) != (cx.account, cx.region):
        raise AwsError("DoesNotExistException", f"Session {session_id} does not exist.")
    return session


@operation("ssm", "DescribeSessions", reads=True)
def describe_sessions(cx: Context, request: Json) -> Json:
    """Newest first."""
    active = request["State"] == "Active"
    found = [
        session
        for session in cx.tx.scan(Session)
        if (session.account, session.region) == (cx.account, cx.region)
        and session.alive(cx.now) == active
        and all(_matches(session, wanted) for wanted in request.get("Filters") or ())
    ]
    found.sort(key=lambda session: session.created, reverse=True)
    try:
        start = int(request.get("NextToken") or 0)
    except ValueError:
        raise AwsError("InvalidNextToken", "The specified token is not valid.") from None
    end = start + (request.get("MaxResults") or _PAGE)
    answer: Json = {"Sessions": [_described(session, cx.now) for session in found[start:end]]}
    if end < len(found):
        answer["NextToken"] = str(end)
    return answer


def _matches(session: Session, wanted: Json) -> bool:
    value: str = wanted["value"]
    match wanted["key"]:
        case "Target":
            return session.target == value
        case "Owner":
            return session.owner == value
        case "SessionId":
            return session.id == value
        case other:
            raise not_implemented(f"ssm:DescribeSessions Filters key {other}", "ssm")


def _described(session: Session, now: float) -> Json:
    answer: Json = {
        "SessionId": session.id,
        "Target": session.target,
        "Status": "Connected" if session.alive(now) else "Terminated",
        "StartDate": session.created,
        "DocumentName": session.document,
        "Owner": session.owner,
    }
    if session.ended is not None:
        answer["EndDate"] = session.ended
    if session.reason:
        answer["Reason"] = session.reason
    return answer
