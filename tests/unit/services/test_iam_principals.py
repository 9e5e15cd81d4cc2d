"""Groups, users' changes, server certificates and identity providers: what IAM makes and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from neargate.model.errors import AwsError
from tests.unit.services.cloud import Cloud, cloud

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
# An EC certificate of example.com, self-signed, from 2026-01-01 to 2036-01-01.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBFzCBv6ADAgECAgEBMAoGCCqGSM49BAMCMBYxFDASBgNVBAMMC2V4YW1wbGUu
Y29tMB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowFjEUMBIGA1UEAwwL
ZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASnfBkvO+W7p7PA
2I6wj/HlF7w8W9izb/xG4qnIUwSs8LDhihL2h6TAPb7g4FrQP1d9LmtLQMoWrkbv
igF2iJkRMAoGCCqGSM49BAMCA0cAMEQCID/pZZFqEV2h58ydO8wfBQ+ekh3KIyd9
4fpoKMmQNSdGAiBEIrbuY9N/4M0BPA1JlzBD5wxz9h6dTsFZt/bRTzJ8dQ==
-----END CERTIFICATE-----"""


@pytest.fixture
def aws() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def refused(aws: Cloud, operation: str, **request: Any) -> tuple[str, str, int]:
    with pytest.raises(AwsError) as error:
        aws.call("iam", operation, **request)
    return error.value.code, error.value.message, error.value.status


def test_a_group_holds_its_users_until_they_leave(aws: Cloud) -> None:
    aws.call("iam", "CreateGroup", GroupName="dev", Path="/team/")
    aws.call("iam", "CreateUser", UserName="ann")
    for _ in range(2):
        aws.call("iam", "AddUserToGroup", GroupName="dev", UserName="ann")
    group = aws.call("iam", "GetGroup", GroupName="dev")
    assert group["Group"]["Arn"] == "arn:aws:iam::000000000000:group/team/dev"
    assert [user["UserName"] for user in group["Users"]] == ["ann"]
    groups = aws.call("iam", "ListGroupsForUser", UserName="ann")["Groups"]
    assert [group["GroupName"] for group in groups] == ["dev"]
    conflict = ("DeleteConflict", "Cannot delete entity, must remove users from group first.", 409)
    assert refused(aws, "DeleteGroup", GroupName="dev") == conflict
    assert refused(aws, "DeleteUser", UserName="ann") == conflict
    aws.call("iam", "RemoveUserFromGroup", GroupName="dev", UserName="ann")
    aws.call("iam", "DeleteUser", UserName="ann")
    aws.call("iam", "DeleteGroup", GroupName="dev")
    assert refused(aws, "GetGroup", GroupName="dev") == (
        "NoSuchEntity",
        "The group with name dev cannot be found.",
        404,
    )


def test_group_names_are_taken_without_case(aws: Cloud) -> None:
    aws.call("iam", "CreateGroup", GroupName="dev")
    aws.call("iam", "CreateGroup", GroupName="ops")
    taken = ("EntityAlreadyExists", "Group with name DEV already exists.", 409)
    assert refused(aws, "CreateGroup", GroupName="DEV") == taken
    assert refused(aws, "UpdateGroup", GroupName="ops", NewGroupName="DEV") == taken
    aws.call("iam", "UpdateGroup", GroupName="ops", NewGroupName="Ops", NewPath="/x/")
    assert [g["Arn"][-6:] for g in aws.call("iam", "ListGroups", PathPrefix="/x/")["Groups"]] == ["/x/Ops"]


def test_a_groups_policies_count_as_attached(aws: Cloud) -> None:
    aws.call("iam", "CreateGroup", GroupName="dev")
    aws.call("iam", "AttachGroupPolicy", GroupName="dev", PolicyArn=READ_ONLY)
    assert aws.call("iam", "GetPolicy", PolicyArn=READ_ONLY)["Policy"]["AttachmentCount"] == 1
    entities = aws.call("iam", "ListEntitiesForPolicy", PolicyArn=READ_ONLY, EntityFilter="Group")
    assert [group["GroupName"] for group in entities["PolicyGroups"]] == ["dev"]
    message = "Cannot delete entity, must detach all policies first."
    assert refused(aws, "DeleteGroup", GroupName="dev") == ("DeleteConflict", message, 409)


def test_a_users_policies_are_also_those_of_the_groups(aws: Cloud) -> None:
    aws.call("iam", "CreateGroup", GroupName="dev")
    aws.call("iam", "CreateUser", UserName="ann")
    allow = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    aws.call("iam", "PutGroupPolicy", GroupName="dev", PolicyName="s3", PolicyDocument=allow)

    def decision(entity: str) -> str:
        request = {"PolicySourceArn": f"arn:aws:iam::000000000000:{entity}", "ActionNames": ["s3:GetObject"]}
        result = aws.call("iam", "SimulatePrincipalPolicy", **request)
        return str(result["EvaluationResults"][0]["EvalDecision"])

    assert (decision("group/dev"), decision("user/ann")) == ("allowed", "implicitDeny")
    aws.call("iam", "AddUserToGroup", GroupName="dev", UserName="ann")
    assert decision("user/ann") == "allowed"


def test_a_user_is_in_ten_groups_at_most(aws: Cloud) -> None:
    aws.call("iam", "CreateUser", UserName="ann")
    for number in range(11):
        aws.call("iam", "CreateGroup", GroupName=f"g{number}")
    for number in range(10):
        aws.call("iam", "AddUserToGroup", GroupName=f"g{number}", UserName="ann")
    assert refused(aws, "AddUserToGroup", GroupName="g10", UserName="ann") == (
        "LimitExceeded",
        "Cannot exceed quota for GroupsPerUser: 10",
        409,
    )


def test_keys_and_groups_follow_a_user_to_a_new_name(aws: Cloud) -> None:
    aws.call("iam", "CreateUser", UserName="ann")
    aws.call("iam", "CreateUser", UserName="bob")
    aws.call("iam", "CreateGroup", GroupName="dev")
    aws.call("iam", "AddUserToGroup", GroupName="dev", UserName="ann")
    aws.call("iam", "CreateAccessKey", UserName="ann")
    assert refused(aws, "UpdateUser", UserName="ann", NewUserName="BOB")[0] == "EntityAlreadyExists"
    aws.call("iam", "UpdateUser", UserName="ann", NewUserName="eve")
    assert [u["UserName"] for u in aws.call("iam", "GetGroup", GroupName="dev")["Users"]] == ["eve"]
    assert len(aws.call("iam", "ListAccessKeys", UserName="eve")["AccessKeyMetadata"]) == 1
    assert refused(aws, "GetUser", UserName="ann")[0] == "NoSuchEntity"


def test_a_server_certificate_says_when_it_expires(aws: Cloud) -> None:
    made = aws.call(
        "iam",
        "UploadServerCertificate",
        ServerCertificateName="web",
        CertificateBody=CERTIFICATE + "\n",
        PrivateKey=KEY,
    )["ServerCertificateMetadata"]
    assert datetime.fromtimestamp(made["Expiration"], UTC) == datetime(2036, 1, 1, tzinfo=UTC)
    got = aws.call("iam", "GetServerCertificate", ServerCertificateName="web")["ServerCertificate"]
    assert got["CertificateBody"] == CERTIFICATE
    assert "PrivateKey" not in got
    assert refused(
        aws,
        "UploadServerCertificate",
        ServerCertificateName="web",
        CertificateBody=CERTIFICATE,
        PrivateKey=KEY,
    )[:2] == ("EntityAlreadyExists", "The Server Certificate with name web already exists.")
    aws.call("iam", "UpdateServerCertificate", ServerCertificateName="web", NewServerCertificateName="site")
    listed = aws.call("iam", "ListServerCertificates")["ServerCertificateMetadataList"]
    assert [one["ServerCertificateName"] for one in listed] == ["site"]
    aws.call("iam", "DeleteServerCertificate", ServerCertificateName="site")
    assert refused(aws, "GetServerCertificate", ServerCertificateName="site") == (
        "NoSuchEntity",
        "The Server Certificate with name site cannot be found.",
        404,
    )


@pytest.mark.parametrize(
    "body",
    [
        "no certificate",
        CERTIFICATE.replace("MII", "MI!"),
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        CERTIFICATE[:200] + "\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_certificate_is_refused(aws: Cloud, body: str) -> None:
    code, message, _ = refused(
        aws, "UploadServerCertificate", ServerCertificateName="web", CertificateBody=body, PrivateKey=KEY
    )
    assert code == "MalformedCertificate"
    assert message == "Unable to parse certificate. Please ensure the certificate is in PEM format."


def test_an_identity_provider_is_one_per_url(aws: Cloud) -> None:
    request = {"Url": "https://example.com/id/", "ClientIDList": ["a", "a"]}
    arn = aws.call("iam", "CreateOpenIDConnectProvider", **request)["OpenIDConnectProviderArn"]
    assert arn == "arn:aws:iam::000000000000:oidc-provider/example.com/id"
    assert aws.call("iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)["ClientIDList"] == ["a"]
    assert refused(aws, "CreateOpenIDConnectProvider", Url="https://example.com/id") == (
        "EntityAlreadyExists",
        "Provider with url https://example.com/id already exists.",
        409,
    )
    assert refused(aws, "CreateOpenIDConnectProvider", Url="http://example.com")[0] == "ValidationError"
    aws.call("iam", "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    assert refused(aws, "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)[1] == (
        f"OpenIDConnect Provider not found for arn {arn}"
    )
