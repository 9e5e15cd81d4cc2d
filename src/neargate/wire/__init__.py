"""The AWS protocols both ways, driven by AWS's own models: HTTP requests to plain data, results to HTTP replies.

    target = recognise(request, signing_name)
    parameters = decode(target, request)
    validate(target, parameters)
    …
    response = encode(target, result, request_id)          # or encode_error(target, error, request_id)

Pure functions: nothing here waits, asks the clock, or remembers anything but AWS's models.
"""

from neargate.wire.aws_models import (
    UnknownOperation,
    UnknownService,
    input_shape,
    operations,
    output_shape,
)
from neargate.wire.codec import decode, encode
from neargate.wire.compression import unpacked
from neargate.wire.errors import encode_error
from neargate.wire.event_stream import EVENT_STREAM, encode_event, initial_response
from neargate.wire.messages import HttpRequest, HttpResponse, Target, Unrecognised
from neargate.wire.recasing import UnknownMember, WrongType, recase
from neargate.wire.recognise import recognise
from neargate.wire.s3 import unchunk
from neargate.wire.validation import validate

__all__ = [
    "EVENT_STREAM",
    "HttpRequest",
    "HttpResponse",
    "Target",
    "UnknownMember",
    "UnknownOperation",
    "UnknownService",
    "Unrecognised",
    "WrongType",
    "decode",
    "encode",
    "encode_error",
    "encode_event",
    "initial_response",
    "input_shape",
    "operations",
    "output_shape",
    "recase",
    "recognise",
    "unchunk",
    "unpacked",
    "validate",
]
