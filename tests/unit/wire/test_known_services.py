"""The static table says what botocore's models say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from neargate.wire import aws_models as models
from neargate.wire import model_files
from neargate.wire.known_services import SERVICES, by_target_prefix, signed_as


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_agrees_with_the_model(service: str) -> None:
    known, declared = SERVICES[service], models.metadata(service)
    assert known.version == declared["apiVersion"]
    assert known.signing == declared.get("signingName", declared["endpointPrefix"])
    assert known.target_prefix == declared.get("targetPrefix")
    assert known.rest == declared["protocol"].startswith("rest-")


def test_one_signing_name_may_mean_several_services() -> None:
    assert signed_as("elasticloadbalancing") == ("elb", "elbv2")
    assert signed_as("monitoring") == ("cloudwatch",)
    assert signed_as("s3express") == ("s3",)
    assert by_target_prefix()["AWSEvents"] == "events"


def test_botocore_stays_out_and_models_load_when_asked_for() -> None:
    script = (
        "import sys; from neargate import wire; from neargate.wire import aws_models as m;"
        "assert m._model.cache_info().currsize == 0;"
        "wire.operations('ecs');"
        "assert m._model.cache_info().currsize == 1;"
        "assert 'botocore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_definition_is_kept_as_text_until_it_is_read() -> None:
    shapes = model_files.read("ecr", SERVICES["ecr"].version)["shapes"]
    kept = dict.__getitem__(shapes, "UntagResourceRequest")
    assert isinstance(kept, bytes)
    assert b"documentation" not in kept
    assert shapes["UntagResourceRequest"]["required"] == ["resourceArn", "tagKeys"]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(models.UnknownService, match="ecz"):
        models.operations("ecz")
    with pytest.raises(models.UnknownOperation, match="ecs:Nothing"):
        models.operation("ecs", "Nothing")
    with pytest.raises(models.UnknownService):
        models.operations("../ecs")
