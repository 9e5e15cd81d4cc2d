"""Which operation a request is for, and in which protocol: decided per request, never per service."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_to_bytes

from neargate.wire import aws_models, known_services, routes, s3
from neargate.wire.messages import HttpRequest, Target, Unrecognised

_RPC_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?")
_FIELD = r"(?:\A|&)%s=([^&]*)"
_ACTION = re.compile((_FIELD % "Action").encode())
_VERSION = re.compile((_FIELD % "Version").encode())
_CREDENTIAL = re.compile(r"X-Amz-Credential=([^&]*)", re.IGNORECASE)
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d{8}/[^/]*/([^/]+)/aws4_request", re.IGNORECASE)


def recognise(request: HttpRequest, signing_name: str | None) -> Target:
    """The operation that a request is for.

    `signing_name` is the service of its SigV4 scope; None lets the request's own Authorization header or presigned
    query say. A request that says nothing at all is S3's. Raises Unrecognised, an AwsError that knows the protocol
    its answer wants.
    """
    signing_name = signing_name or _signing_name(request)
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return _rpc(request)
    if "x-amz-target" in request.headers:
        return _json(request, signing_name)
    action = _action(request)
    if action is not None and signing_name not in {"s3", "s3express"}:
        return _query(action, _version(request), signing_name)
    return _rest(request, signing_name)


def _signing_name(request: HttpRequest) -> str | None:
    found = _SIGNED_FOR.search(request.headers.get("authorization", ""))
    if found is None and (presigned := _CREDENTIAL.search(request.query)):
        found = _SIGNED_FOR.search("Credential=" + unquote(presigned[1]))
    return found[1] if found else None


def _rpc(request: HttpRequest) -> Target:
    found = _RPC_PATH.search(request.path)
    prefix, operation = (unquote(found[1]), unquote(found[2])) if found else ("", "")
    return _named(prefix, operation, Target("", "", "smithy-rpc-v2-cbor"), None)


def _json(request: HttpRequest, signing_name: str | None) -> Target:
    version = "1.0" if "json-1.0" in request.headers.get("content-type", "") else "1.1"
    prefix, _, operation = request.headers["x-amz-target"].rpartition(".")
    return _named(prefix, operation, Target("", "", "json", json_version=version), signing_name)


def _named(prefix: str, operation: str, template: Target, signing_name: str | None) -> Target:
    """The target of a request that names the service by its target prefix."""
    # Smithy's own clients name the service shape, with or without its namespace.
    service = known_services.by_target_prefix().get(prefix) or _by_model(prefix, signing_name)
    if service is None:
        raise Unrecognised(template, "UnknownOperationException", f"No service has the target {prefix!r}")
    found = Target(service, "", template.protocol, template.json_version)
    if not aws_models.has_operation(service, operation):
        raise Unrecognised(
            found, "UnknownOperationException", f"The operation {operation!r} is unknown to {service}"
        )
    return Target(service, operation, template.protocol, template.json_version)


def _by_model(prefix: str, signing_name: str | None) -> str | None:
    """A service outside the table whose name among botocore's models is its signing name."""
    if not signing_name or not re.fullmatch(r"[a-z0-9-]+", signing_name):
        return None
    try:
        declared = aws_models.metadata(signing_name).get("targetPrefix")
    except aws_models.UnknownService:
        return None
    return signing_name if declared == prefix else None


def _action(request: HttpRequest) -> str | None:
    return _field(request, _ACTION)


def _version(request: HttpRequest) -> str:
    return _field(request, _VERSION) or ""


def _field(request: HttpRequest, pattern: re.Pattern[bytes]) -> str | None:
    """A field of the form in the body, or of the query string."""
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    body = request.body if request.method == "POST" and form and isinstance(request.body, bytes) else b""
    found = pattern.search(body) or pattern.search(request.query.encode("utf-8", "replace"))
    if found is None:
        return None
    return unquote_to_bytes(found[1].replace(b"+", b" ")).decode("utf-8", "replace")


def _query(action: str, version: str, signing_name: str | None) -> Target:
    known = known_services.signed_as(signing_name) if signing_name else ()
    candidates = [name for name in known or known_services.versioned(version) if _speaks_query(name)]
    # EC2 answers every version it ever had.
    exact = [name for name in candidates if known_services.SERVICES[name].version == version or name == "ec2"]
    for service in exact or (candidates if not version else []):
        if aws_models.has_operation(service, action):
            return Target(service, action, _query_protocol(service))
    service = next(iter(exact or candidates), "")
    target = Target(service, "", _query_protocol(service))
    if service == "ec2":
        raise Unrecognised(target, "InvalidAction", f"The action {action} is not valid for this web service.")
    raise Unrecognised(
        target,
        "InvalidAction",
        f"Could not find operation {action} for version {version or 'NO_VERSION_SPECIFIED'}",
    )


def _query_protocol(service: str) -> str:
    return "ec2" if service == "ec2" else "query"


def _speaks_query(service: str) -> bool:
    declared = aws_models.metadata(service)
    return not {"query", "ec2"}.isdisjoint(declared.get("protocols", [declared["protocol"]]))


def _rest(request: HttpRequest, signing_name: str | None) -> Target:
    services = known_services.signed_as(signing_name) if signing_name else ("s3",)
    rest = [name for name in services if known_services.SERVICES[name].rest]
    for service in rest:  # OpenSearch and Elasticsearch sign alike: the path tells them apart
        if service == "s3":
            return _s3(request)
        if service == rest[-1] or routes.match(service, request.path, request) is not None:
            return _rest_service(request, service)
    raise _nothing_asked(services[0] if services else "", signing_name)


def _s3(request: HttpRequest) -> Target:
    host = request.headers.get("host", "")
    bucket = s3.bucket_in_host(host)
    path = s3.path_style(request.path, bucket)
    if request.method == "GET" and path == "/" and host.startswith("s3express-control."):
        return Target("s3", "ListDirectoryBuckets", "rest-xml")
    operation = routes.match("s3", path, request)
    if operation is None:
        raise Unrecognised(
            Target("s3", "", "rest-xml", bucket=bucket),
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
            status=405,
        )
    return Target("s3", operation, "rest-xml", bucket=bucket)


def _rest_service(request: HttpRequest, service: str) -> Target:
    protocol = aws_models.metadata(service)["protocol"]
    operation = routes.match(service, request.path, request)
    if operation is None:
        raise Unrecognised(
            Target(service, "", protocol),
            "UnknownOperationException",
            f"{service} has no operation for {request.method} {request.path}",
            status=404,
        )
    return Target(service, operation, protocol)


def _nothing_asked(service: str, signing_name: str | None) -> Unrecognised:
    """The request is signed for a service, but names no operation of it."""
    if service and _speaks_query(service):
        return Unrecognised(
            Target(service, "", _query_protocol(service)),
            "MissingAction",
            "The request is missing an action or a required parameter.",
        )
    return Unrecognised(
        Target(service, "", "json"),
        "UnknownOperationException",
        f"The request names no operation of {service or signing_name}",
        status=404,
    )
