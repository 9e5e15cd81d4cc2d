"""Which capabilities a caller must acknowledge for a template (facts 1.6)."""

from __future__ import annotations

from neargate.planners.template.nouns import Template

# IAM type -> the property that names it; None where a name makes no difference
_IAM = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::GroupPolicy": None,
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::RolePolicy": None,
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserPolicy": None,
    "AWS::IAM::UserToGroupAddition": None,
}


def capabilities(template: Template) -> tuple[list[str], str]:
    """(required capabilities, the reason as AWS words it); an empty list and an empty reason where none is needed.

    The template is one that has been transformed, or the `outline` of one that has not: that needs AUTO_EXPAND.

    CAPABILITY_NAMED_IAM stands alone: who acknowledges it acknowledges CAPABILITY_IAM too. Conditions do not matter.
    """
    iam = [resource for resource in template.resources.values() if resource.type in _IAM]
    named = any(_IAM[resource.type] in resource.properties for resource in iam)
    required, reasons = [], []
    if iam:
        required.append("CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM")
        types = dict.fromkeys(resource.type for resource in iam)
        reasons.append(f"The following resource(s) require capabilities: [{', '.join(types)}]")
    if template.transforms:
        required.append("CAPABILITY_AUTO_EXPAND")
        reasons.append(f"The following transform(s) require capabilities: [{', '.join(template.transforms)}]")
    return required, ". ".join(reasons)
