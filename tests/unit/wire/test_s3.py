"""What S3 does that no other service does."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate import wire
from neargate.model.errors import AwsError
from neargate.wire import HttpRequest, aws_models
from neargate.wire.s3 import bucket_in_host, unchunk
from tests.unit.wire import clients, generate, requests
from tests.unit.wire.test_round_trip import SHADOWED

VIRTUAL_HOSTS = [
    "{}.s3.amazonaws.com",
    "{}.s3.us-east-1.amazonaws.com",
    "{}.s3-eu-west-1.amazonaws.com",
    "{}.s3.dualstack.us-gov-west-1.amazonaws.com",
    "{}.s3.localhost:4566",
    "{}.s3.us-east-1.localhost:4566",
    "{}.localhost:4566",
    "{}.s3.localhost.localstack.cloud:4566",
]


def sent(operation: str) -> HttpRequest:
    shape = aws_models.input_shape("s3", operation)
    parameters = generate.structure(shape, generate.RandomChoices(1), required_only=True) if shape else {}
    return clients.request("s3", operation, "rest-xml", parameters)


@pytest.mark.parametrize("operation", list(wire.operations("s3")))
def test_every_operation_is_recognised_path_style_and_virtual_hosted(operation: str) -> None:
    expected = SHADOWED.get(operation, operation)
    request = sent(operation)
    assert wire.recognise(request, "s3").operation == expected
    shape = aws_models.input_shape("s3", operation)
    if shape is None or "Bucket" not in shape.members:
        return
    given_bucket = request.path.split("/")[1]
    path = request.path.removeprefix(f"/{given_bucket}") or "/"
    parameters = wire.decode(wire.recognise(request, "s3"), request)
    for host in VIRTUAL_HOSTS:
        hosted = attrs.evolve(
            request, path=path, headers={**request.headers, "host": host.format(given_bucket)}
        )
        target = wire.recognise(hosted, "s3")
        assert (target.operation, target.bucket) == (expected, given_bucket)
        assert wire.decode(target, hosted) == parameters


def test_directory_buckets_have_a_host_of_their_own() -> None:
    request = requests.rest("GET", "/", host="s3express-control.us-east-1.amazonaws.com")
    assert wire.recognise(request, "s3express").operation == "ListDirectoryBuckets"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "169.254.170.2",
        "s3.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "s3-eu-west-1.amazonaws.com",
        "s3.localhost:4566",
        "s3.us-east-1.localhost:4566",
    ],
)
def test_a_host_without_a_bucket_means_path_style(host: str) -> None:
    assert bucket_in_host(host) is None


def test_a_bucket_may_have_dots() -> None:
    assert bucket_in_host("my.own.bucket.s3.us-east-1.amazonaws.com") == "my.own.bucket"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation"),
    [
        ("GET", "/", "", {}, "ListBuckets"),
        ("GET", "/bucket", "", {}, "ListObjects"),
        ("GET", "/bucket/", "prefix=a", {}, "ListObjects"),
        ("GET", "/bucket/", "list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("GET", "/bucket", "location", {}, "GetBucketLocation"),
        ("GET", "/bucket", "location=", {}, "GetBucketLocation"),
        ("GET", "/bucket", "versioning=", {}, "GetBucketVersioning"),
        ("GET", "/bucket", "uploads", {}, "ListMultipartUploads"),
        ("PUT", "/bucket/key", "", {}, "PutObject"),
        ("PUT", "/bucket/key", "x-id=PutObject", {}, "PutObject"),
        ("PUT", "/bucket/key", "", {"x_amz_copy_source": "/a/b"}, "CopyObject"),
        ("PUT", "/bucket/key", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/bucket/key", "partNumber=1&uploadId=u", {"x_amz_copy_source": "/a/b"}, "UploadPartCopy"),
        ("POST", "/bucket/a/b", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "/bucket/a/b", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/bucket/a/b", "uploadId=u", {}, "AbortMultipartUpload"),
        ("DELETE", "/bucket/a/b", "versionId=1", {}, "DeleteObject"),
        ("GET", "/bucket", "metrics", {}, "ListBucketMetricsConfigurations"),
        ("GET", "/bucket", "metrics&id=1", {}, "GetBucketMetricsConfiguration"),
        ("HEAD", "/bucket/", "", {}, "HeadBucket"),
    ],
)
def test_operations_by_hand(
    method: str, path: str, query: str, headers: dict[str, str], operation: str
) -> None:
    assert wire.recognise(requests.rest(method, path, query, b"", **headers), "s3").operation == operation


def test_a_sub_resource_without_its_id_is_not_the_bucket_itself() -> None:
    request = requests.rest("DELETE", "/bucket", "metrics")
    target = wire.recognise(request, "s3")
    assert target.operation == "DeleteBucketMetricsConfiguration"
    with pytest.raises(AwsError, match="The request must contain the parameter id"):
        wire.validate(target, wire.decode(target, request))


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/bucket/a%20b+c%2Fd", "a b+c/d"),
        ("/bucket//a", "/a"),
        ("/bucket/a/", "a/"),
        ("/bucket/a//b/../c", "a//b/../c"),
        ("/bucket/%E2%98%83%0A", "☃\n"),
    ],
)
def test_keys_are_what_the_client_wrote(path: str, key: str) -> None:
    request = requests.rest("GET", path)
    assert wire.decode(wire.recognise(request, "s3"), request) == {"Bucket": "bucket", "Key": key}


def test_a_streaming_upload_is_passed_through() -> None:
    blob = object()
    request = attrs.evolve(requests.rest("PUT", "/bucket/key"), body=blob)
    assert wire.decode(wire.recognise(request, "s3"), request)["Body"] is blob


def test_a_spooled_body_is_too_large_for_anything_else() -> None:
    request = attrs.evolve(requests.rest("PUT", "/bucket", "policy"), body=object())
    with pytest.raises(AwsError) as raised:
        wire.decode(wire.recognise(request, "s3"), request)
    assert raised.value.code == "EntityTooLarge"


def test_a_streaming_download_is_passed_through() -> None:
    blob = object()
    target = wire.Target("s3", "GetObject", "rest-xml")
    result = {"Body": blob, "ContentType": "text/html", "Metadata": {"a": "b\r\nset-cookie: c"}}
    response = wire.encode(target, result, "request-1")
    assert response.body is blob
    assert response.headers["Content-Type"] == "text/html"
    assert response.headers["x-amz-meta-a"] == "b  set-cookie: c"
    assert response.status == 200
    ranged = wire.encode(target, {"Body": blob, "ContentRange": "bytes 0-1/2"}, "request-1")
    assert ranged.status == 206


def test_the_location_is_the_root_itself() -> None:
    target = wire.Target("s3", "GetBucketLocation", "rest-xml")
    xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    response = wire.encode(target, {"LocationConstraint": "eu-west-1"}, "r")
    assert f"<LocationConstraint {xmlns}>eu-west-1</LocationConstraint>" in response.body.decode()
    response = wire.encode(target, {"LocationConstraint": None}, "r")
    assert f"<LocationConstraint {xmlns}></LocationConstraint>" in response.body.decode()


def test_replies_have_s3s_own_root_names() -> None:
    response = wire.encode(wire.Target("s3", "ListBuckets", "rest-xml"), {"Buckets": []}, "request-1")
    assert b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' in response.body
    assert response.headers["x-amz-request-id"] == "request-1"


def test_who_is_granted_keeps_its_type() -> None:
    grantee = {"Type": "CanonicalUser", "ID": "1"}
    result = {"Grants": [{"Grantee": grantee, "Permission": "READ"}]}
    response = wire.encode(wire.Target("s3", "GetBucketAcl", "rest-xml"), result, "r")
    assert b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"' in response.body
    assert clients.parsed("s3", "GetBucketAcl", "rest-xml", response)["Grants"] == result["Grants"]


def test_what_is_not_xml_is_malformed() -> None:
    for body in [b"<a>", b"\xff\xfe", b'<?xml version="1.0" encoding="nonsense"?><a/>', b"not xml"]:
        request = requests.rest("PUT", "/bucket", "versioning", body)
        with pytest.raises(AwsError) as raised:
            wire.decode(wire.recognise(request, "s3"), request)
        assert raised.value.code == "MalformedXML"


def test_a_value_of_the_wrong_type_is_malformed_in_the_body_and_invalid_elsewhere() -> None:
    body = b"<Delete><Quiet>perhaps</Quiet></Delete>"
    request = requests.rest("POST", "/bucket", "delete", body)
    with pytest.raises(AwsError) as raised:
        wire.decode(wire.recognise(request, "s3"), request)
    assert raised.value.code == "MalformedXML"
    request = requests.rest("GET", "/bucket", "max-keys=many")
    with pytest.raises(AwsError) as raised:
        wire.decode(wire.recognise(request, "s3"), request)
    assert (raised.value.code, raised.value.message) == ("InvalidArgument", "'many' is not of type Integer")


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    framed = b"".join(b"%x;chunk-signature=ab\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return framed + b"0;chunk-signature=ab\r\n" + trailers + b"\r\n"


@given(st.lists(st.binary(min_size=1, max_size=40)))
def test_unchunk_gives_the_content(chunks: list[bytes]) -> None:
    assert unchunk(chunked(*chunks)) == b"".join(chunks)
    assert unchunk(chunked(*chunks, trailers=b"x-amz-checksum-crc32:AAAAAA==\r\n")) == b"".join(chunks)


@given(st.binary())
def test_unchunk_refuses_what_is_not_chunked(body: bytes) -> None:
    with suppress(AwsError):
        assert len(unchunk(body)) <= len(body)


def test_a_chunk_that_ends_early_is_refused() -> None:
    whole = chunked(b"hello", b"world")
    for end in range(whole.index(b"0;chunk")):
        with pytest.raises(AwsError, match="aws-chunked"):
            unchunk(whole[:end])


@pytest.mark.parametrize(
    ("encoding", "kept"), [("aws-chunked", None), ("aws-chunked,gzip", "gzip"), ("", None)]
)
def test_a_chunked_upload_is_read_as_its_content(encoding: str, kept: str | None) -> None:
    request = requests.rest(
        "PUT",
        "/bucket/key",
        "",
        chunked(b"hello"),
        content_encoding=encoding,
        content_length="999",
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )
    parameters = wire.decode(wire.recognise(request, "s3"), request)
    assert parameters["Body"] == b"hello"
    assert parameters["ContentLength"] == 5
    assert parameters.get("ContentEncoding") == kept
