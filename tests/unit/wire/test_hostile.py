"""Whatever bytes arrive, the answer is plain data or an AwsError, and the error can be said."""

from __future__ import annotations

import json
from typing import Any

import attrs
import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neargate import wire
from neargate.model.errors import AwsError
from neargate.wire import HttpRequest
from neargate.wire.known_services import SERVICES
from tests.unit.wire import clients, generate
from tests.unit.wire.test_round_trip import CASES

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SIGNING_NAMES = st.sampled_from(
    [None, "", "nobody", "../s3", *{known.signing for known in SERVICES.values()}]
)
TARGETS = st.sampled_from([f"{known.target_prefix}.Create" for known in SERVICES.values()]) | st.text()
LATIN = st.text(st.characters(max_codepoint=255))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-amz-target": TARGETS,
        "smithy-protocol": st.sampled_from(["rpc-v2-cbor", "rpc-v2-json"]),
        "content-type": st.sampled_from(["application/x-www-form-urlencoded", "application/json"]) | LATIN,
        "content-encoding": st.sampled_from(["aws-chunked", "gzip"]) | LATIN,
        "host": LATIN | st.just("a.s3.amazonaws.com"),
        "authorization": LATIN,
        "x-amz-copy-source": LATIN,
        "if-modified-since": LATIN,
        "x-amz-object-attributes": LATIN,
        "x-amz-meta-a": LATIN,
        "content-length": LATIN,
    },
)
PATHS = st.text().map(lambda text: "/" + text) | st.sampled_from(
    ["/service/CodeBuild_20161006/operation/ListBuilds", "/bucket/%ff", "/2015-03-31/functions/%ff", "//", ""]
)
FORMS = st.lists(
    st.sampled_from(
        ["Action", "Version", "Filter.1.Name", "Tags.member.x", "Parameters.member.1", "a." * 200]
    )
).map(lambda names: "&".join(f"{name}=ListStacks" for name in names))
QUERIES = st.text() | FORMS
BODIES = st.binary() | FORMS.map(str.encode) | st.sampled_from([b"{}", b"[1]", b"<a/>", b"\xa0", b"\xff" * 9])


def answered(request: HttpRequest, signing_name: str | None) -> None:
    """Passes where the request is read, or refused in a way that can be said."""
    target = None
    try:
        target = wire.recognise(request, signing_name)
        parameters = wire.decode(target, request)
        assert isinstance(parameters, dict)
        wire.validate(target, parameters)
    except AwsError as error:
        response = wire.encode_error(target, error, "request-1")
        assert isinstance(response.body, bytes)


@MANY
@given(
    st.builds(
        HttpRequest,
        method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "nonsense"]),
        path=PATHS,
        query=QUERIES,
        headers=HEADERS,
        body=BODIES | st.builds(object),
    ),
    SIGNING_NAMES,
)
def test_any_request_is_answered(request: HttpRequest, signing_name: str | None) -> None:
    answered(request, signing_name)


def spoiled(sent: HttpRequest, data: st.DataObject) -> HttpRequest:
    """The request with a piece of its body, path, query or a header replaced."""
    piece = data.draw(st.sampled_from(["body", "path", "query", "header"]))
    if piece == "body":
        start = data.draw(st.integers(0, len(sent.body)))
        end = data.draw(st.integers(start, len(sent.body)))
        return attrs.evolve(sent, body=sent.body[:start] + data.draw(st.binary(max_size=4)) + sent.body[end:])
    if piece == "header" and sent.headers:
        name = data.draw(st.sampled_from(sorted(sent.headers)))
        return attrs.evolve(sent, headers={**sent.headers, name: data.draw(LATIN)})
    text = sent.path if piece == "path" else sent.query
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text(max_size=4)) + text[at + 1 :]
    return attrs.evolve(sent, path=text) if piece == "path" else attrs.evolve(sent, query=text)


@MANY
@given(st.data())
def test_a_spoiled_request_is_answered(data: st.DataObject) -> None:
    service, protocol, operation = data.draw(st.sampled_from(CASES))
    shape = wire.input_shape(service, operation)
    choices = generate.RandomChoices(data.draw(st.integers(0, 1000)))
    sent = clients.request(service, operation, protocol, generate.structure(shape, choices) if shape else {})
    answered(spoiled(sent, data), SERVICES[service].signing)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
)


def renamed(tree: Any, names: list[str]) -> Any:
    """The tree with its first keys replaced by names that the model knows."""
    if isinstance(tree, dict):
        return dict(zip(names, tree.values(), strict=False))
    return tree


@MANY
@given(st.sampled_from([case for case in CASES if case[1] == "smithy-rpc-v2-cbor"]), TREES)
def test_any_tree_is_answered_as_json_and_cbor(case: tuple[str, str, str], tree: Any) -> None:
    service, _, operation = case
    shape = wire.input_shape(service, operation)
    tree = renamed(tree, list(shape.members) if shape else [])
    prefix = SERVICES[service].target_prefix
    path = f"/service/{prefix}/operation/{operation}"
    answered(HttpRequest("POST", path, "", {"smithy-protocol": "rpc-v2-cbor"}, cbor2.dumps(tree)), service)
    text = json.dumps(tree, default=repr, skipkeys=True).encode()
    answered(HttpRequest("POST", "/", "", {"x-amz-target": f"{prefix}.{operation}"}, text), service)


def test_known_ways_to_break_parsers_are_answered() -> None:
    cbor = {"smithy-protocol": "rpc-v2-cbor"}
    path = "/service/CodeBuild_20161006/operation/StartBuild"
    for body in [
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that contains itself
        b"\xa1\x6bprojectName\xd8\x1c\x81\xd8\x1d\x00",
        b"\x9b\x0f" + b"\xff" * 7,  # a list of 2**60
        b"\x81" * 100_000,
        b"\xd8\x23\x61\x28",  # a broken regular expression
        b"\xc1\xfb\x7f\xf0" + bytes(6),  # an infinite date
    ]:
        answered(HttpRequest("POST", path, "", cbor, body), None)
    item = b'{"TableName":"t","Item":{"a":' + b'{"L":[' * 5000 + b"]}" * 5000 + b"}}"
    answered(HttpRequest("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.PutItem"}, item), None)
    laughs = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">%s]><a>&z;</a>' % b"".join(
        b'<!ENTITY %c "%s">' % (98 + at, b"&%c;" % (97 + at) * 10) for at in range(25)
    )
    for body in [laughs, b"<a>" * 50_000]:
        answered(HttpRequest("PUT", "/bucket", "versioning", {}, body), "s3")
