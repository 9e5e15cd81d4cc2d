"""Policy documents: what IAM refuses, in its words; who a trust policy lets in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.model.errors import AwsError
from neargate.planners import policy_document
from neargate.planners.policy_document import TrustCaller

SERVICES = {"ecs-tasks.amazonaws.com", "codebuild.amazonaws.com"}


def identity(**statement: Any) -> str:
    base: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    kept = {k: v for k, v in {**base, **statement}.items() if v is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


def trust(**statement: Any) -> str:
    base: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    }
    kept = {k: v for k, v in {**base, **statement}.items() if v is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "This policy contains invalid Json"),
        ("", "This policy contains invalid Json"),
        ("[]", "Syntax errors in policy."),
        ('{"Version": "2012-10-17"}', "Syntax errors in policy."),
        ('{"Version": "2012-10-17", "Statement": []}', "Syntax errors in policy."),
        ('{"Version": "2013-01-01", "Statement": []}', "Syntax errors in policy."),
        ('{"Version": "2012-10-17", "Statment": []}', "Syntax errors in policy."),
        (identity(Effect="allow"), "Syntax errors in policy."),
        (identity(Effect=None), "Syntax errors in policy."),
        (identity(NotAction="s3:*"), "Syntax errors in policy."),
        (identity(Action=7), "Syntax errors in policy."),
        (identity(Actions="s3:*"), "Syntax errors in policy."),
        (identity(Action=None), "Policy statement must contain actions."),
        (identity(Action=[]), "Policy statement must contain actions."),
        (identity(Resource=None), "Policy statement must contain resources."),
        (identity(Principal="*"), "Policy document should not specify a principal."),
        (
            identity(Action="GetObject"),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (identity(Action="s3:Get:Object"), "Actions/Condition can contain only one colon."),
        (identity(Action="s 3:GetObject"), "Vendor s 3 is not valid"),
        (identity(Action="s3:"), "The policy failed legacy parsing"),
        (identity(Resource="bucket"), 'Resource bucket must be in ARN format or "*".'),
        (identity(Resource="arn:aws:s3"), "The policy failed legacy parsing"),
        (
            identity(Resource="arn:amazon:s3:::b"),
            'Partition "amazon" is not valid for resource "arn:amazon:s3:::b".',
        ),
        (
            identity(Resource="arn:aws:s*:::b"),
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            identity(Resource="arn:aws:iam:us-east-1:1:role/r"),
            "IAM resource arn:aws:iam:us-east-1:1:role/r cannot contain region information.",
        ),
        (
            identity(Sid="has space"),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
            "[0-9A-Za-z]*",
        ),
        (identity(Condition={"StringEqual": {"a": "b"}}), "Invalid Condition type : StringEqual."),
    ],
)
def test_what_an_identity_policy_is_refused_for(text: str, message: str) -> None:
    with pytest.raises(AwsError) as refused:
        policy_document.parse_identity(text)
    assert (refused.value.code, refused.value.message) == ("MalformedPolicyDocument", message)


@pytest.mark.parametrize("old", ['"Version": "2008-10-17", ', ""])
def test_only_a_managed_policy_must_name_the_newest_version(old: str) -> None:
    text = identity().replace('"Version": "2012-10-17", ', old)
    assert policy_document.parse_identity(text).version == "2008-10-17"
    with pytest.raises(AwsError) as refused:
        policy_document.parse_identity(text, managed=True)
    assert refused.value.message == "Policy document must be version 2012-10-17 or greater."
    assert policy_document.parse_identity(identity(), managed=True).version == "2012-10-17"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (trust(Resource="*"), "Has prohibited field Resource"),
        (trust(Principal=None), "Missing required field Principal"),
        (trust(Action=None), "Missing required field Action"),
        (trust(Action="s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
        (
            trust(Principal={"Service": "ecs-task.amazonaws.com"}),
            'Invalid principal in policy: "SERVICE":"ecs-task.amazonaws.com"',
        ),
        (
            trust(Principal={"AWS": "arn:aws:iam::12:root"}),
            'Invalid principal in policy: "AWS":"arn:aws:iam::12:root"',
        ),
        (trust(Principal={"Federated": "nobody"}), 'Invalid principal in policy: "FEDERATED":"nobody"'),
        (
            trust(Principal={"Service": []}),
            "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: The passed in policy "
            "has a statement with no principals!",
        ),
    ],
)
def test_what_a_trust_policy_is_refused_for(text: str, message: str) -> None:
    with pytest.raises(AwsError) as refused:
        policy_document.parse_trust(text, SERVICES.__contains__)
    assert (refused.value.code, refused.value.message) == ("MalformedPolicyDocument", message)


def test_a_policy_is_read_into_normalised_statements() -> None:
    text = identity(Action=["s3:*", "*"], Condition={"Bool": {"aws:SecureTransport": True}})
    (statement,) = policy_document.parse_identity(text).statements
    assert statement.allow
    assert statement.actions == ("s3:*", "*")
    assert statement.resources == ("*",)
    assert [(c.operator, c.key, c.values) for c in statement.conditions] == [
        ("Bool", "aws:SecureTransport", ("true",))
    ]


def test_duplicate_sids_are_refused() -> None:
    one = json.loads(identity(Sid="A"))["Statement"][0]
    text = json.dumps({"Version": "2012-10-17", "Statement": [one, one]})
    with pytest.raises(AwsError, match=r"Statement IDs \(SID\) in a single policy must be unique\."):
        policy_document.parse_identity(text)


@pytest.mark.parametrize(
    ("statement", "caller", "allowed"),
    [
        ({}, TrustCaller("sts:AssumeRole", service="ecs-tasks.amazonaws.com"), True),
        ({}, TrustCaller("sts:AssumeRole", service="codebuild.amazonaws.com"), False),
        ({}, TrustCaller("sts:TagSession", service="ecs-tasks.amazonaws.com"), False),
        ({"Action": "sts:*"}, TrustCaller("sts:TagSession", service="ecs-tasks.amazonaws.com"), True),
        ({"Principal": {"AWS": "1" * 12}}, TrustCaller("sts:AssumeRole", names=("1" * 12,)), True),
        ({"Principal": {"AWS": "1" * 12}}, TrustCaller("sts:AssumeRole", names=("2" * 12,)), False),
        ({"Principal": "*"}, TrustCaller("sts:AssumeRole", names=("2" * 12,)), True),
        ({"Effect": "Deny"}, TrustCaller("sts:AssumeRole", service="ecs-tasks.amazonaws.com"), False),
    ],
)
def test_whom_a_trust_policy_lets_in(statement: dict[str, Any], caller: TrustCaller, allowed: bool) -> None:
    assert policy_document.trusts(policy_document.read(trust(**statement)), caller) is allowed


def test_an_external_id_must_match() -> None:
    text = trust(Principal={"AWS": "*"}, Condition={"StringEquals": {"sts:ExternalId": "key"}})
    document = policy_document.read(text)
    assert not policy_document.trusts(document, TrustCaller("sts:AssumeRole"))
    assert not policy_document.trusts(document, TrustCaller("sts:AssumeRole", external_id="other"))
    assert policy_document.trusts(document, TrustCaller("sts:AssumeRole", external_id="key"))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["Allow", "*", "s3:*"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Version",
                    "Statement",
                    "Effect",
                    "Action",
                    "Resource",
                    "Principal",
                    "AWS",
                    "Condition",
                    "Sid",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_json)
def test_any_json_is_either_a_policy_or_refused_in_iams_shape(value: Any) -> None:
    for parse in (
        policy_document.parse_identity,
        lambda text: policy_document.parse_trust(text, SERVICES.__contains__),
    ):
        text = json.dumps({"Version": "2012-10-17", "Statement": value})
        assert _outcome(parse, text) in ("accepted", "MalformedPolicyDocument")


def _outcome(parse: Callable[[str], object], text: str) -> str:
    try:
        parse(text)
    except AwsError as refused:
        return refused.code
    return "accepted"


@pytest.mark.parametrize("version", [[], {}, 7, None, ["2012-10-17"]])
def test_a_version_is_a_text(version):
    with pytest.raises(AwsError, match="Syntax errors in policy"):
        policy_document.parse_identity(json.dumps({"Version": version, "Statement": []}))
