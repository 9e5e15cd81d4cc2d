"""What the rules say, and what a person reads where they cannot be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from neargate.fabric import filters
from neargate.model.fabric import FabricFailure, FabricUnavailable


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program nft that does what the script says, and no other program."""
    program = folder / "nft"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_missing_nft_is_named_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FabricUnavailable) as unavailable:
        filters.open_machine("one", ())
    assert str(unavailable.value) == "The program nft is missing. Install the package nftables."


def test_whoever_may_not_change_rules_is_told_to_be_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "echo 'Operation not permitted (you must be root)' >&2; exit 1")
    with pytest.raises(FabricUnavailable) as unavailable:
        filters.open_machine("one", ())
    assert str(unavailable.value) == "Changing nftables is not permitted. Run Neargate as root."


def test_any_other_refusal_is_nfts_own_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "echo 'syntax error' >&2; exit 1")
    with pytest.raises(FabricFailure, match=r"^nft refused: syntax error$"):
        filters.add_subnet("one", "172.31.0.0/20")


def test_another_programs_dropping_chain_is_left_alone_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = '{"family":"inet","table":"wall","name":"fwd","hook":"forward","policy":"drop"}'
    stand_in(
        tmp_path,
        monkeypatch,
        f"""case "$*" in
        "-j list chains") echo '{{"nftables":[{{"chain":{chain}}}]}}';;
        "-f -") while read -r line; do echo "$line" >> {tmp_path}/loaded; done;;
        *) exit 1;;
        esac""",
    )
    forwarding = tmp_path / "ip_forward"
    forwarding.write_text("0\n")
    monkeypatch.setattr(filters, "_FORWARDING", forwarding)
    with capture_logs() as logs:
        filters.open_machine("one", ())
    assert [entry["chain"] for entry in logs] == ["inet wall fwd"]
    assert forwarding.read_text() == "1"
    loaded = (tmp_path / "loaded").read_text()
    assert "wall" not in loaded
    assert "chain forwarding_was_off" in loaded
