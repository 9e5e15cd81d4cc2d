"""Firehose: when a delivery stream began to read, and when it was last changed."""

from __future__ import annotations

from neargate.model.records import Json
from neargate.runtimes.moto_corrections.asked import Asked, Correction


def _described(asked: Asked, answer: Json) -> Json:
    stream = dict(answer["DeliveryStreamDescription"])
    if stream["VersionId"] == "1":
        stream.pop("LastUpdateTimestamp", None)
    source = (stream.get("Source") or {}).get("KinesisStreamSourceDescription")
    if source:
        began = {"DeliveryStartTimestamp": stream["CreateTimestamp"]}
        stream["Source"] = {"KinesisStreamSourceDescription": {**began, **source}}
    return {**answer, "DeliveryStreamDescription": stream}


CORRECTIONS: dict[str, Correction] = {"DescribeDeliveryStream": _described}
