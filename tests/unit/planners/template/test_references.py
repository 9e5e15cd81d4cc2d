from __future__ import annotations

import re

import pytest

from neargate.model.errors import AwsError
from neargate.planners import template as language
from neargate.planners.template.references import (
    Reference,
    SecretReference,
    check_defaults,
    in_text,
    located,
    misplaced,
    replaced,
)


def reference(text: str) -> Reference:
    (found,) = in_text(text)
    return found


def test_references_stand_anywhere_in_a_text() -> None:
    text = "A={{resolve:ssm:/a:1}}_B={{resolve:secretsmanager:b}} {{resolve:other:c}} {{x}}"
    assert [found.text for found in in_text(text)] == ["{{resolve:ssm:/a:1}}", "{{resolve:secretsmanager:b}}"]
    seen = replaced({"k": [text, 1, True]}, lambda found: None if found.is_secret else "one")
    assert seen == {"k": ["A=one_B={{resolve:secretsmanager:b}} {{resolve:other:c}} {{x}}", 1, True]}


def test_what_is_not_known_yet_stays_unknown() -> None:
    assert replaced({"k": language.UNKNOWN}, lambda found: "x") == {"k": language.UNKNOWN}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{{resolve:ssm:/a/b}}", ("/a/b", None)),
        ("{{resolve:ssm:name:12}}", ("name", 12)),
        (
            "{{resolve:ssm-secure:arn:aws:ssm:eu-west-1:000000000000:parameter/a:3}}",
            ("arn:aws:ssm:eu-west-1:000000000000:parameter/a", 3),
        ),
    ],
)
def test_a_parameter_has_a_name_and_perhaps_a_version(text: str, meant: tuple[str, int | None]) -> None:
    assert reference(text).parameter() == meant


def test_labels_are_no_versions() -> None:
    said = "Incorrect format is used in the following SSM reference: [{{resolve:ssm:/a:prod}}]"
    with pytest.raises(AwsError, match=re.escape(said)):
        reference("{{resolve:ssm:/a:prod}}").parameter()


@pytest.mark.parametrize(
    ("rest", "meant"),
    [
        ("db", SecretReference("db", None, None, None)),
        ("db:SecretString", SecretReference("db", None, None, None)),
        ("db:SecretString:user", SecretReference("db", "user", None, None)),
        ("db::user", SecretReference("db", "user", None, None)),
        ("db:SecretString:user:AWSPREVIOUS", SecretReference("db", "user", "AWSPREVIOUS", None)),
        ("db:SecretString:::v1", SecretReference("db", None, None, "v1")),
        (
            "arn:aws:secretsmanager:r:0:secret:db-AbCdEf:SecretString:user",
            SecretReference("arn:aws:secretsmanager:r:0:secret:db-AbCdEf", "user", None, None),
        ),
    ],
)
def test_a_secret_has_a_key_a_stage_and_a_version(rest: str, meant: SecretReference) -> None:
    assert reference(f"{{{{resolve:secretsmanager:{rest}}}}}").secret() == meant


@pytest.mark.parametrize("rest", ["db:SecretBinary", "db:SecretString:a:b:c:d"])
def test_another_form_is_refused(rest: str) -> None:
    with pytest.raises(AwsError, match="Incorrect format is used in the following Secrets Manager reference"):
        reference(f"{{{{resolve:secretsmanager:{rest}}}}}").secret()


def test_secure_references_have_few_places() -> None:
    pinned, open_ = "{{resolve:ssm-secure:/s:1}}", "{{resolve:ssm-secure:/s}}"
    login = located({"LoginProfile": {"Password": pinned}}, "AWS::IAM::User/Properties")
    assert misplaced(list(login), versioned=True) is None
    stages = list(located({"Stages": [{"a": pinned}, pinned, {"b": open_}]}, "T/Properties"))
    twice = "SSM Secure reference is not supported in: [T/Properties/Stages,T/Properties/Stages]"
    assert misplaced(stages, versioned=True) == twice
    assert (
        misplaced(stages, versioned=False)
        == "SSM Secure reference is not supported in: [T/Properties/Stages]"
    )


def test_a_default_names_a_version() -> None:
    def template(default: str) -> language.Template:
        return language.parse(
            f"Parameters: {{P: {{Type: String, Default: '{default}'}}}}\nResources: {{R: {{Type: T}}}}"
        )

    check_defaults(template("{{resolve:ssm:/a:1}}"))
    with pytest.raises(AwsError, match="parameter P should not contain ssm versionless resolver"):
        check_defaults(template("x{{resolve:ssm:/a}}"))
