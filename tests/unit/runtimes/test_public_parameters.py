from __future__ import annotations

from importlib.util import find_spec

import pytest

from neargate.runtimes import public_parameters

pytestmark = pytest.mark.skipif(
    find_spec("moto") is None, reason="the data comes with the extra neargate[moto]"
)

LINUX = "/aws/service/ami-amazon-linux-latest"


def test_an_image_is_one_that_a_parameter_of_the_region_names() -> None:
    image = public_parameters.below("eu-west-1", LINUX)[0].value
    assert public_parameters.is_image("eu-west-1", image)
    assert not public_parameters.is_image("us-east-1", image)
    assert not public_parameters.is_image("eu-west-1", "ami-00000000000000000")


def test_a_region_without_data_has_none() -> None:
    assert public_parameters.below("us-gov-east-9", LINUX) == []


def test_what_stands_below_a_path_ends_at_the_name() -> None:
    everything = public_parameters.below("us-east-1", "/aws/service")
    assert public_parameters.find("us-east-1", everything[0].name) == everything[0]
    assert public_parameters.below("us-east-1", LINUX[:-1]) == []
