"""What commands say without a server: help, options, reports, tables."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from neargate.cli import COMMANDS, neargate, parameters
from neargate.cli.addresses import container_ports
from neargate.cli.doctor import Check, python, report
from neargate.cli.engine import urls
from neargate.cli.logs import begin, log_line
from neargate.cli.look import ago, table, task_row
from neargate.cli.place import Place, default_data
from neargate.cli.services import cluster_of, stop_sentence
from neargate.cli.stacks import root_cause

STACK = "arn:aws:cloudformation:us-east-1:000000000000:stack/Shop/1"


def test_help_imports_neither_botocore_nor_rich() -> None:
    program = (
        "import sys\nfrom neargate.cli import main\nsys.argv = ['neargate', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted(sys.modules.keys() & {'botocore', 'rich', 'yaml', 'neargate.app'}))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.endswith("[]\n")
    assert all(f"  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    said = CliRunner().invoke(neargate, [name, "--help"])
    assert said.exit_code == 0
    assert said.stdout.startswith(f"Usage: neargate {name}")


def test_a_profile_goes_with_aws_only() -> None:
    said = CliRunner().invoke(neargate, ["--profile", "work", "ps"])
    assert said.exit_code == 2
    assert "--profile names credentials of a real account: it goes with --aws." in said.stderr


def test_real_credentials_stay_out_of_the_local_cloud() -> None:
    place = Place(Path("/nowhere"))
    assert place.access_key({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}) == "test"
    assert place.account({}) == "000000000000"
    assert place.account({"AWS_ACCESS_KEY_ID": "123456789012"}) == "123456789012"


def test_regions() -> None:
    assert Place(Path(), region="eu-west-1").region_name({"AWS_REGION": "us-west-2"}) == "eu-west-1"
    assert Place(Path()).region_name({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "x"}) == "us-west-2"
    assert Place(Path()).region_name({}) == "us-east-1"


def test_the_client_and_the_server_mean_the_same_directory() -> None:
    from neargate.data_directory import default_directory

    for environ in ({"NEARGATE_DATA": "/a"}, {"XDG_DATA_HOME": "/b"}, {}):
        assert default_data(environ) == default_directory(environ)


def test_the_client_and_the_server_look_for_engines_in_the_same_places() -> None:
    from neargate.runtimes.private_engine import default_directory

    environ = {"XDG_DATA_HOME": "/b", "HOME": "/h", "XDG_RUNTIME_DIR": "/r"}
    assert list(urls(environ))[-1] == (f"unix://{default_directory(environ)}/podman.sock", True)
    assert list(urls({**environ, "DOCKER_HOST": "tcp://h:1"})) == [("tcp://h:1", False)]
    assert list(urls({**environ, "DOCKER_HOST": "x", "NEARGATE_ENGINE": "/s"})) == [("unix:///s", False)]
    assert [private for _, private in urls({**environ, "NEARGATE_ENGINE": "private"})] == [True]


def test_the_report_of_doctor() -> None:
    checks = [
        Check("python", True, "3.11.2"),
        Check("nft", False, "not installed", "apt-get install --yes nftables"),
        Check("port", False, "4566 is in use", "Use --port 0.", needed=False),
    ]
    assert report(checks) == [
        "ok       python       3.11.2",
        "missing  nft          not installed",
        "                      apt-get install --yes nftables",
        "note     port         4566 is in use",
        "                      Use --port 0.",
        "",
        "1 of 3 things are missing. Take the steps above, then ask again.",
    ]
    assert report(checks[:1])[-1] == "This machine can deliver: neargate up DIR"


def test_an_old_python_is_not_enough() -> None:
    assert not python((3, 10, 4)).ok
    assert python((3, 12, 0)).ok


def test_parameters_of_the_command_line(tmp_path: Path) -> None:
    assert parameters.pairs(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}
    with pytest.raises(click.UsageError, match="'A' is no NAME=VALUE"):
        parameters.pairs(["A"])
    first, second, broken = (tmp_path / name for name in ("1.json", "2.json", "3.json"))
    first.write_text('{"Parameters": {"A": "1", "B": "1"}}')
    second.write_text('["B=2"]')
    broken.write_text("{}")
    assert parameters.from_files([first, second]) == {"A": "1", "B": "2"}
    with pytest.raises(click.ClickException, match=r"3\.json is no parameter file\. It has to be JSON"):
        parameters.from_files([broken])


def event(resource: str, status: str, reason: str = "") -> dict[str, str]:
    physical = STACK if resource == "Shop" else resource
    return {
        "StackId": STACK,
        "LogicalResourceId": resource,
        "PhysicalResourceId": physical,
        "ResourceType": "AWS::X::Y",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_the_root_cause_is_the_first_failure_that_no_other_caused() -> None:
    events = [
        event("A", "CREATE_FAILED", "Resource creation cancelled"),
        event("B", "CREATE_FAILED", "No such image"),
        event("C", "CREATE_FAILED", "Another"),
        event("Shop", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [A, B, C]."),
    ]
    assert root_cause(events) == "B (AWS::X::Y): No such image"
    assert root_cause(events[3:]) == "The following resource(s) failed to create: [A, B, C]."
    assert root_cause([event("A", "CREATE_COMPLETE")]) == ""


def test_a_task_in_a_table() -> None:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    task = {
        "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/c/3eb4cca2e34594ff29838c6269da616c",
        "group": "service:shop",
        "lastStatus": "RUNNING",
        "startedAt": started,
        "containers": [{"image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/shop:1"}, {"image": "proxy"}],
    }
    row = task_row(task, "172.31.0.4", started.timestamp() + 200)
    assert row == ("shop", "3eb4cca2e345", "RUNNING", "172.31.0.4", "shop:1, proxy", "3 min")
    assert table(("SERVICE", "IP"), [("shop", "172.31.0.4")]) == ["SERVICE  IP", "shop     172.31.0.4"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_since_when(seconds: float, words: str) -> None:
    assert ago(seconds) == words


def test_a_log_line_names_its_group_only_where_there_are_several() -> None:
    entry = {"timestamp": 0, "logStreamName": f"web/web/{'a' * 32}", "message": "hello\n"}
    assert click.unstyle(log_line("/shop", entry, named=False)).endswith(" web/web/aaaaaaaa  hello")
    assert click.unstyle(log_line("/shop", entry, named=True)).endswith(" /shop web/web/aaaaaaaa  hello")
    other = {**entry, "logStreamName": entry["logStreamName"][:-1] + "b"}
    assert log_line("/shop", other, named=False) != log_line("/shop", entry, named=False)  # another colour


def test_since_is_a_while_ago_or_a_time() -> None:
    assert [begin(text, 100_000.0) for text in ("30s", "10m", "2 h", "1d")] == [
        99_970_000,
        99_400_000,
        92_800_000,
        13_600_000,
    ]
    assert begin("2026-01-01T00:00:00+00:00", 0.0) == 1_767_225_600_000
    with pytest.raises(click.UsageError, match="--since yesterday is no time"):
        begin("yesterday", 0.0)


def test_ports_and_clusters() -> None:
    assert cluster_of("arn:aws:ecs:us-east-1:000000000000:service/c/s") == "c"
    assert cluster_of("arn:aws:ecs:us-east-1:000000000000:service/s") == "default"
    mappings = [{"containerPort": 3000}, {"containerPort": 53, "protocol": "udp"}]
    assert container_ports({"containerDefinitions": [{"portMappings": mappings}, {}]}) == [3000]


def test_why_tasks_stop() -> None:
    def task(minute: int, code: str, *containers: dict[str, object]) -> dict[str, object]:
        reason = "Essential container in task exited"
        created = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
        return {
            "createdAt": created,
            "stopCode": code,
            "stoppedReason": reason,
            "containers": list(containers),
        }

    crashed = task(
        1, "EssentialContainerExited", {"name": "web", "exitCode": 1}, {"name": "proxy", "exitCode": 0}
    )
    unpulled = task(2, "TaskFailedToStart", {"name": "web", "reason": "CannotPullContainerError: gone"})
    replaced = task(3, "ServiceSchedulerInitiated", {"name": "web", "exitCode": 143})
    assert stop_sentence([crashed, replaced]) == (
        "a task stopped: Essential container in task exited (web, exit code 1)"
    )
    assert stop_sentence([crashed, unpulled]).endswith(" (web: CannotPullContainerError: gone)")
    assert stop_sentence([replaced]) == ""
    unpulled["stoppedReason"] = "CannotPullContainerError: gone"
    assert stop_sentence([unpulled]) == "a task stopped: CannotPullContainerError: gone (web)"
