"""Names and descriptions in the kernel."""

from __future__ import annotations

import attrs
import pytest

from neargate.fabric.names import checked_owner, describe, link_name, link_prefix, parse, table_name
from neargate.model.fabric import Interface

INTERFACE = Interface(
    eni_id="eni-0123456789abcdef0",
    ip="172.31.16.20",
    prefix_length=20,
    gateway="172.31.16.1",
    mac="0a:ff:00:00:00:01",
    hostname="ip-172-31-16-20.eu-central-1.compute.internal",
    labels={"task": "0123456789abcdef0123456789abcdef", "odd": "a&b=c d"},
)


def test_a_description_becomes_the_interface_again() -> None:
    assert parse(describe("one", INTERFACE)) == ("one", INTERFACE)


@pytest.mark.parametrize(
    "alias",
    [
        None,
        "",
        "uplink",
        "neargate?",
        "neargate?owner=one&eni=eni-1&ip=172.31.0.5",
        "neargate?owner=one&ip=x",
    ],
)
def test_anybody_elses_alias_is_no_description(alias: str | None) -> None:
    assert parse(alias) is None


def test_a_description_fits_a_link() -> None:
    assert len(describe("a" * 20, INTERFACE)) <= 254
    with pytest.raises(ValueError, match="labels of eni-0123456789abcdef0 are too long"):
        describe("one", attrs.evolve(INTERFACE, labels={"task": "x" * 100}))


def test_link_names_are_the_owners_and_fit_the_kernel() -> None:
    names = {link_name(owner, f"eni-{n:x}") for owner in ("one", "two") for n in range(2000)}
    assert len(names) == 4000
    assert all(len(name) == 15 and name.isalnum() for name in names)
    assert link_name("one", "eni-1").startswith(link_prefix("one"))
    assert link_prefix("one") != link_prefix("two")


@pytest.mark.parametrize("owner", ["", "a_b", "A", "a b", 'a"', "x" * 41])
def test_an_owner_must_be_able_to_name_a_table(owner: str) -> None:
    with pytest.raises(ValueError, match="owner is 1 to 40"):
        checked_owner(owner)


def test_owners_have_tables_of_their_own() -> None:
    assert table_name(checked_owner("a-b")) == "neargate_a_b"


@pytest.mark.parametrize(
    "changes",
    [
        {"ip": "172.31.016.20"},
        {"ip": "172.31.16.1"},
        {"gateway": "10.0.0.1"},
        {"mac": "0B:FF:00:00:00:01"},
        {"mac": "0b:ff:00:00:00:01"},
        {"mac": "0a:ff:00:00:00:01\n"},
        {"prefix_length": 31},
        {"eni_id": "x"},
    ],
)
def test_an_interface_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 — each validator has a text of its own
        attrs.evolve(INTERFACE, **changes)  # type: ignore[arg-type]
