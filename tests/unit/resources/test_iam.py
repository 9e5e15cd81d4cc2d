"""AWS::IAM's types, as stacks make, change and remove them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from neargate.model.errors import AwsError
from tests.unit.resources.stacks import Stacks

pytestmark = pytest.mark.anyio

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ECR_READ = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
NOTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::IAM::{kind}", "Properties": properties}


ROLE = resource("Role", RoleName="tasks", AssumeRolePolicyDocument=TRUST)
USER = resource("User", UserName="ann")
GROUP = resource("Group", GroupName="developers")


async def inline(stacks: Stacks, holder: str, name: str) -> list[str]:
    answer = await stacks.call("iam", f"List{holder}Policies", **{f"{holder}Name": name})
    return list(answer["PolicyNames"])


async def attached(stacks: Stacks, holder: str, name: str) -> list[str]:
    answer = await stacks.call("iam", f"ListAttached{holder}Policies", **{f"{holder}Name": name})
    return [policy["PolicyArn"] for policy in answer["AttachedPolicies"]]


async def test_a_user_with_groups_policies_and_tags_changes_in_place(stacks: Stacks) -> None:
    full = resource(
        "User",
        UserName="ann",
        Path="/team/",
        Groups=[{"Ref": "Group"}],
        ManagedPolicyArns=[READ_ONLY],
        PermissionsBoundary=READ_ONLY,
        Policies=[{"PolicyName": "own", "PolicyDocument": ANYTHING}],
        Tags=[{"Key": "team", "Value": "shop"}],
    )
    await stacks.make(User=full, Group=GROUP)
    user = (await stacks.call("iam", "GetUser", UserName="ann"))["User"]
    assert user["Arn"] == "arn:aws:iam::000000000000:user/team/ann"
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY
    assert user["Tags"] == [{"Key": "team", "Value": "shop"}]
    members = await stacks.call("iam", "GetGroup", GroupName="developers")
    assert [member["UserName"] for member in members["Users"]] == ["ann"]

    await stacks.change(User=USER, Group=GROUP)
    changed = (await stacks.call("iam", "GetUser", UserName="ann"))["User"]
    assert changed["Arn"] == "arn:aws:iam::000000000000:user/ann"
    assert (changed["UserId"], "Tags" in changed) == (user["UserId"], False)
    assert "PermissionsBoundary" not in changed
    assert (await inline(stacks, "User", "ann"), await attached(stacks, "User", "ann")) == ([], [])
    assert (await stacks.call("iam", "GetGroup", GroupName="developers"))["Users"] == []

    await stacks.change(User=full, Group=GROUP)
    await stacks.remove()
    assert (await stacks.call("iam", "ListUsers"))["Users"] == []
    assert (await stacks.call("iam", "ListGroups"))["Groups"] == []


async def test_an_inline_policy_goes_on_roles_users_and_groups(stacks: Stacks) -> None:
    holders = {"Role": ROLE, "User": USER, "Group": GROUP}
    everybody = {"Roles": [{"Ref": "Role"}], "Users": [{"Ref": "User"}], "Groups": [{"Ref": "Group"}]}
    policy = resource("Policy", PolicyName="all", PolicyDocument=ANYTHING, **everybody)
    await stacks.make(**holders, Policy=policy)
    for holder, name in (("Role", "tasks"), ("User", "ann"), ("Group", "developers")):
        assert await inline(stacks, holder, name) == ["all"]
    assert (await stacks.physical("Policy")).startswith("net-Polic-")

    renamed = resource("Policy", PolicyName="none", PolicyDocument=NOTHING, Groups=[{"Ref": "Group"}])
    await stacks.change(**holders, Policy=renamed)
    assert await inline(stacks, "Role", "tasks") == []
    assert await inline(stacks, "Group", "developers") == ["none"]
    got = await stacks.call("iam", "GetGroupPolicy", GroupName="developers", PolicyName="none")
    assert json.loads(unquote(got["PolicyDocument"])) == NOTHING


async def test_an_inline_policy_on_nobody_fails(stacks: Stacks) -> None:
    stack = await stacks.carry_out(
        "CreateStack", Policy=resource("Policy", PolicyName="all", PolicyDocument=ANYTHING, Roles=[])
    )
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("At least one of [Groups,Roles,Users] must be non-empty." in r for r in await stacks.reasons())


@pytest.mark.parametrize(
    ("holder", "entity", "name"),
    [("Role", ROLE, "tasks"), ("User", USER, "ann"), ("Group", GROUP, "developers")],
)
async def test_a_policy_of_one_entity(stacks: Stacks, holder: str, entity: dict[str, Any], name: str) -> None:
    def policy(document: Any) -> dict[str, Any]:
        named = {f"{holder}Name": {"Ref": "Holder"}}
        return resource(f"{holder}Policy", PolicyName="own", PolicyDocument=document, **named)

    await stacks.make(Holder=entity, Policy=policy(ANYTHING))
    assert await stacks.physical("Policy") == f"own|{name}"
    await stacks.change(Holder=entity, Policy=policy(NOTHING))
    request = {f"{holder}Name": name, "PolicyName": "own"}
    got = await stacks.call("iam", f"Get{holder}Policy", **request)
    assert json.loads(unquote(got["PolicyDocument"])) == NOTHING
    await stacks.change(Holder=entity)
    assert await inline(stacks, holder, name) == []


async def test_a_managed_policy_is_attached_to_all_kinds(stacks: Stacks) -> None:
    holders = {"Role": ROLE, "User": USER, "Group": GROUP}
    everybody = {"Roles": [{"Ref": "Role"}], "Users": [{"Ref": "User"}], "Groups": [{"Ref": "Group"}]}
    await stacks.make(**holders, Policy=resource("ManagedPolicy", PolicyDocument=ANYTHING, **everybody))
    arn = await stacks.physical("Policy")
    for holder, name in (("Role", "tasks"), ("User", "ann"), ("Group", "developers")):
        assert await attached(stacks, holder, name) == [arn]
    template = {
        **holders,
        "Policy": resource("ManagedPolicy", PolicyDocument=NOTHING, Users=[{"Ref": "User"}]),
    }
    said = await stacks.outputs(
        template,
        **{
            name: {"Fn::GetAtt": ["Policy", name]}
            for name in ("AttachmentCount", "DefaultVersionId", "CreateDate")
        },
    )
    assert said == {"AttachmentCount": "1", "DefaultVersionId": "v2", "CreateDate": "2026-01-01T00:00:00Z"}
    assert await attached(stacks, "Group", "developers") == []
    await stacks.remove()


async def test_users_are_added_to_a_group_and_follow_it(stacks: Stacks) -> None:
    people = {"Ann": USER, "Bob": resource("User", UserName="bob")}
    groups = {"Group": GROUP, "Other": resource("Group", GroupName="operators")}

    def addition(group: str, *users: str) -> dict[str, Any]:
        return resource("UserToGroupAddition", GroupName={"Ref": group}, Users=[{"Ref": u} for u in users])

    async def members(group: str) -> list[str]:
        return [u["UserName"] for u in (await stacks.call("iam", "GetGroup", GroupName=group))["Users"]]

    await stacks.make(**people, **groups, Addition=addition("Group", "Ann", "Bob"))
    assert await members("developers") == ["ann", "bob"]
    await stacks.change(**people, **groups, Addition=addition("Other", "Bob"))
    assert (await members("developers"), await members("operators")) == ([], ["bob"])
    await stacks.change(**people, **groups)
    assert await members("operators") == []


async def test_an_access_keys_secret_is_an_attribute_that_stays(stacks: Stacks) -> None:
    def key(status: str) -> dict[str, Any]:
        return resource("AccessKey", UserName={"Ref": "User"}, Status=status)

    await stacks.make(User=USER, Key=key("Active"))
    template = {"User": USER, "Key": key("Inactive")}
    said = await stacks.outputs(
        template, Id={"Ref": "Key"}, Secret={"Fn::GetAtt": ["Key", "SecretAccessKey"]}
    )
    assert (len(said["Id"]), len(said["Secret"])) == (20, 40)
    (listed,) = (await stacks.call("iam", "ListAccessKeys", UserName="ann"))["AccessKeyMetadata"]
    assert (listed["AccessKeyId"], listed["Status"]) == (said["Id"], "Inactive")

    template["Key"]["Properties"]["Serial"] = 2
    rotated = await stacks.outputs(
        template, Id={"Ref": "Key"}, Secret={"Fn::GetAtt": ["Key", "SecretAccessKey"]}
    )
    assert rotated["Id"] != said["Id"]
    assert rotated["Secret"] != said["Secret"]


async def test_an_instance_profile_changes_its_role(stacks: Stacks) -> None:
    other = resource("Role", RoleName="others", AssumeRolePolicyDocument=TRUST)
    roles = {"Role": ROLE, "Other": other}
    await stacks.make(**roles, Profile=resource("InstanceProfile", Roles=[{"Ref": "Role"}]))
    await stacks.change(**roles, Profile=resource("InstanceProfile", Roles=[{"Ref": "Other"}]))
    name = await stacks.physical("Profile")
    profile = (await stacks.call("iam", "GetInstanceProfile", InstanceProfileName=name))["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["others"]
    await stacks.remove()


async def test_a_service_linked_role(stacks: Stacks) -> None:
    def linked(description: str) -> dict[str, Any]:
        return resource(
            "ServiceLinkedRole", AWSServiceName="elasticbeanstalk.amazonaws.com", Description=description
        )

    await stacks.make(Linked=linked("one"))
    await stacks.change(Linked=linked("two"))
    role = (await stacks.call("iam", "GetRole", RoleName=await stacks.physical("Linked")))["Role"]
    assert (role["RoleName"], role["Description"]) == ("AWSServiceRoleForElasticBeanstalk", "two")
    await stacks.remove()
    with pytest.raises(AwsError, match="cannot be found"):
        await stacks.call("iam", "GetRole", RoleName="AWSServiceRoleForElasticBeanstalk")


async def test_an_openid_provider_changes_its_clients(stacks: Stacks) -> None:
    def provider(*clients: str, **more: Any) -> dict[str, Any]:
        url = "https://token.actions.githubusercontent.com"
        return resource("OIDCProvider", Url=url, ClientIdList=list(clients), **more)

    await stacks.make(Provider=provider("sts.amazonaws.com", "a"))
    arn = await stacks.physical("Provider")
    assert arn == "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com"
    thumbprint = "6938fd4d98bab03faadb97b34396831e3780aea1"
    await stacks.change(Provider=provider("a", "b", ThumbprintList=[thumbprint]))
    got = await stacks.call("iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    assert (got["ClientIDList"], got["ThumbprintList"]) == (["a", "b"], [thumbprint])
    await stacks.remove()
    assert (await stacks.call("iam", "ListOpenIDConnectProviders"))["OpenIDConnectProviderList"] == []
