"""Services that Neargate does not have itself, answered by the moto library (the optional extra `neargate[moto]`).

moto keeps its state in memory. What a request made comes back after a restart: every request that makes, changes or
removes something is recorded in the store, and all of them are carried out again, with the same ids, when moto is
first needed. What applications put in (messages, items, events) is not recorded and does not come back.

A request reaches moto through botocore's own client, whose HTTP is answered in this process: no socket, no thread.
"""

from __future__ import annotations

import base64
import datetime
import functools
import importlib.util
import json
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from neargate.model.errors import AwsError, not_implemented
from neargate.model.moto import SERVICES, MotoRequest
from neargate.model.operations import Context, Operation
from neargate.model.ports import Store
from neargate.model.records import Json, Tx
from neargate.runtimes import event_delivery, firehose_delivery, moto_posts
from neargate.runtimes.moto_corrections import Asked, added, corrected, prepared

log = structlog.get_logger()

_MAKING = (
    "Add",
    "Associate",
    "Cancel",
    "Change",
    "Create",
    "Deactivate",
    "Delete",
    "Deregister",
    "Disable",
    "Disassociate",
    "Enable",
    "Import",
    "Label",
    "Modify",
    "Put",
    "Register",
    "Remove",
    "Replicate",
    "Request",
    "Schedule",
    "Set",
    "Start",
    "Stop",
    "Subscribe",
    "Confirm",
    "Tag",
    "Unsubscribe",
    "Untag",
    "Update",
)
# What applications put in and take out: neither recorded nor worth a disk write.
_DATA = frozenset(
    "sns:PublishBatch sqs:DeleteMessage sqs:DeleteMessageBatch sqs:ChangeMessageVisibility "
    "sqs:ChangeMessageVisibilityBatch dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem events:PutEvents "
    "kinesis:PutRecord kinesis:PutRecords firehose:PutRecord firehose:PutRecordBatch "
    "stepfunctions:StartExecution stepfunctions:StartSyncExecution stepfunctions:StopExecution "
    "apigateway:TestInvokeMethod".split()
)
# What calls other services with what it is given.
_DELIVERING = frozenset({"events:PutEvents", "firehose:PutRecord", "firehose:PutRecordBatch"})
_LONG_POLL = 20.0  # seconds, the most that SQS waits
_POLL = 0.05  # seconds between looks for a message


class MotoServices:
    """Answers operations through moto. Loaded at the first request; one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._stubber: Any = None
        self._random: Any = None
        self._number = 0

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec("moto") is not None

    def offers(self, service: str) -> bool:
        return service in SERVICES

    def operation(self, service: str, name: str) -> Operation:
        """The operation as the dispatcher runs it. Raises NotImplemented where moto is not installed."""
        if not self.installed:
            raise not_implemented(
                f"{service}:{name} needs the optional extra that answers {service} "
                "(pip install 'neargate[moto]'); it is not installed, and without it the operation",
                service,
            )
        lasting = name.startswith(_MAKING) and f"{service}:{name}" not in _DATA

        def handler(cx: Context, request: Json) -> Json:
            return self._answer(cx, service, name, request, lasting)

        reads = not lasting and f"{service}:{name}" not in _DELIVERING
        return Operation(service, name, handler, reads=reads, heavy=lambda request: reads)

    # -- answering ------------------------------------------------------------------------------------------------

    def _answer(self, cx: Context, service: str, name: str, request: Json, lasting: bool) -> Json:
        if service == "sqs":
            request = _local_queue_url(request)
            if name == "ReceiveMessage":
                return self._receive(cx, request)
        if f"{service}:{name}" in _DELIVERING:
            return self._delivered(cx, service, name, request)
        with self._lock:
            self._load(cx)
            if lasting:
                self._number += 1
                record = MotoRequest(self._number, cx.account, cx.region, service, name, _dumped(request))
                self._random.seed(record.number)
                answer = self._call(cx.account, cx.region, service, name, request)
                tx: Tx = cx.tx
                tx.put(record)
            else:
                answer = self._call(cx.account, cx.region, service, name, request)
        return _with_local_queue_urls(answer, cx.settings.endpoint) if service == "sqs" else answer

    def _delivered(self, cx: Context, service: str, name: str, request: Json) -> Json:
        """What is put for others: their targets are called from here, in the caller's transaction."""
        with self._lock:
            self._load(cx)
            if service == "events":
                from moto.events.models import events_backends

                return event_delivery.put_events(cx, events_backends[cx.account][cx.region], request)
            from moto.firehose.models import firehose_backends

            streams = firehose_backends[cx.account][cx.region]
            bucket = firehose_delivery.destination(streams, request["DeliveryStreamName"])
            if bucket is None:
                return self._call(cx.account, cx.region, service, name, request)
            return firehose_delivery.put(cx, streams, bucket, name, request)

    def _receive(self, cx: Context, request: Json) -> Json:
        """SQS's long poll, waiting here and not inside moto, whose lock others need."""
        until = time.monotonic() + min(self._patience(cx, request), _LONG_POLL)
        while True:
            with self._lock:
                self._load(cx)
                answer = self._call(
                    cx.account, cx.region, "sqs", "ReceiveMessage", {**request, "WaitTimeSeconds": 0}
                )
            if answer.get("Messages") or time.monotonic() >= until:
                return answer
            time.sleep(_POLL)

    def _patience(self, cx: Context, request: Json) -> float:
        if "WaitTimeSeconds" in request:
            return float(request["WaitTimeSeconds"])
        name = "ReceiveMessageWaitTimeSeconds"
        asked = {"QueueUrl": request["QueueUrl"], "AttributeNames": [name]}
        with self._lock:
            self._load(cx)
            answer = self._call(cx.account, cx.region, "sqs", "GetQueueAttributes", asked)
        return float(answer.get("Attributes", {}).get(name, 0))

    def _call(self, account: str, region: str, service: str, name: str, request: Json) -> Json:
        from botocore import xform_name
        from botocore.exceptions import ClientError, ParamValidationError

        asked = Asked(account, region, request)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                client = self._client(account, region, service)
                own = added(service, name)
                if own is not None:
                    return own(asked)
                answer = getattr(client, xform_name(name))(**prepared(service, name, asked))
        except ClientError as refused:
            error = refused.response.get("Error", {})
            status = refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            members = {
                key: value
                for key, value in refused.response.items()
                if key not in {"Error", "ResponseMetadata", "message", "Message", "Code", "Type"}
            }
            raise AwsError(
                str(error.get("Code", "Unknown")),
                str(error.get("Message", "")),
                status=status if status >= 400 else 400,
                **members,
            ) from refused
        except ParamValidationError as wrong:
            raise AwsError("ValidationException", str(wrong)) from wrong
        except NotImplementedError as missing:
            raise not_implemented(f"{service}:{name} (moto does not have it)", service) from missing
        except AwsError:
            raise
        except Exception as bug:  # moto's, not the caller's: named as such, never a traceback
            log.warning("moto.failed", service=service, operation=name, exc_info=bug)
            raise AwsError(
                "InternalFailure",
                f"moto, which answers {service} for Neargate, failed inside {name}: {type(bug).__name__}: {bug}",
                status=500,
            ) from bug
        answer.pop("ResponseMetadata", None)
        plain: Json = _plain(answer)
        return corrected(service, name, asked, plain)

    # -- loading --------------------------------------------------------------------------------------------------

    def warm(self, store: Store) -> None:
        """Make again what recorded requests made, where there are any, before somebody waits for it. Takes seconds
        where there are many: for a thread of its own."""
        records = store.read(lambda view: view.scan(MotoRequest)) if self.installed else []
        if records:
            with self._lock:
                self._load_from(records)

    def _load(self, cx: Context) -> None:
        """Import moto and make again what the recorded requests made. Done once."""
        if self._stubber is None:
            self._load_from(cx.tx.scan(MotoRequest))

    def _load_from(self, records: list[MotoRequest]) -> None:
        if self._stubber is not None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from moto.core.botocore_stubber import BotocoreStubber
            from moto.moto_api._internal import mock_random
            from moto.moto_api._internal.models import moto_api_backend

            moto_api_backend.reset()  # moto's state is the process's; this cloud begins with its own
            moto_posts.install()
        stubber = BotocoreStubber()
        stubber.enabled = True
        self._random, self._stubber = mock_random, stubber
        for record in records:
            self._number = record.number
            mock_random.seed(record.number)
            try:
                self._call(
                    record.account, record.region, record.service, record.operation, _loaded(record.request)
                )
            except AwsError as error:
                log.warning("moto.replay", operation=f"{record.service}:{record.operation}", error=str(error))

    def _client(self, account: str, region: str, service: str) -> Any:
        key = (account, region, service)
        if key not in self._clients:
            from botocore.config import Config

            _require_region(region)
            client = _session().create_client(
                service,
                region_name=region,
                endpoint_url=_endpoint(service, region),
                aws_access_key_id=account,
                aws_secret_access_key="moto",
                config=Config(
                    retries={"max_attempts": 0},
                    parameter_validation=False,
                    ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL leads to this very server
                ),
            )
            client.meta.events.register("before-send", _answered_by(self._stubber, account))
            self._clients[key] = client
        return self._clients[key]


@functools.cache
def _session() -> Any:
    """One for the process: botocore keeps the models that it has read in it."""
    import botocore.session

    return botocore.session.Session()


def _require_region(region: str) -> None:
    """AWS's answer to a scope of a region that has not even a region's form, of which moto has no answer."""
    from botocore.exceptions import UnknownRegionError

    try:
        _session().get_partition_for_region(region)
    except UnknownRegionError as unknown:
        message = "Credential should be scoped to a valid region."
        raise AwsError("SignatureDoesNotMatch", message, status=403) from unknown


def _endpoint(service: str, region: str) -> str | None:
    """The address that moto listens for where botocore's own is another one, or depends on the account of an ARN."""
    hosts = {"dynamodb": "dynamodb", "dynamodbstreams": "streams.dynamodb", "sqs": "sqs"}
    return f"https://{hosts[service]}.{region}.amazonaws.com" if service in hosts else None


def _answered_by(stubber: Any, account: str) -> Callable[..., Any]:
    def before_send(request: Any, **_: Any) -> Any:
        request.headers["x-moto-account-id"] = account
        return stubber("before-send", request)

    return before_send


# -- data both ways ---------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """botocore's answer as services give it: times as epoch seconds, streams read."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if hasattr(value, "read"):
        return value.read()
    return value


def _dumped(request: Mapping[str, Any]) -> str:
    def other(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray)):
            return {"__bytes__": base64.b64encode(value).decode()}
        raise TypeError(f"a request member of type {type(value).__name__}")

    return json.dumps(request, default=other)


def _loaded(text: str) -> Json:
    def restore(value: dict[str, Any]) -> Any:
        return base64.b64decode(value["__bytes__"]) if value.keys() == {"__bytes__"} else value

    loaded: Json = json.loads(text, object_hook=restore)
    return loaded


def _local_queue_url(request: Json) -> Json:
    """A queue's URL for moto: it reads the account and the name from the path."""
    url = request.get("QueueUrl")
    if not isinstance(url, str) or "://" not in url:
        return request
    path = url.partition("://")[2].partition("/")[2]
    return {**request, "QueueUrl": f"https://sqs.amazonaws.com/{path}"}


def _with_local_queue_urls(answer: Json, endpoint: str) -> Json:
    """Queue URLs that answer: clients of several languages send their requests to the queue's URL itself."""

    def local(url: str) -> str:
        return f"{endpoint}/{url.partition('://')[2].partition('/')[2]}"

    found = dict(answer)
    if "QueueUrl" in found:
        found["QueueUrl"] = local(found["QueueUrl"])
    for name in ("QueueUrls", "queueUrls"):
        if name in found:
            found[name] = [local(url) for url in found[name]]
    return found
