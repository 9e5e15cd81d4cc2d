"""Patch baselines and the patch groups they are registered for. There are no machines to patch: they are kept."""

from __future__ import annotations

import attrs

from neargate.model.errors import AwsError, not_implemented
from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.model.ssm_fleet import PatchBaseline
from neargate.model.tags import from_list
from neargate.services.ssm.lookup import page

_AROUND = ("BaselineId", "ClientToken", "Tags", "Replace", "OperatingSystem")
_DEFAULTS: Json = {
    "ApprovedPatches": [],
    "ApprovedPatchesComplianceLevel": "UNSPECIFIED",
    "ApprovedPatchesEnableNonSecurity": False,
    "RejectedPatches": [],
    "RejectedPatchesAction": "ALLOW_AS_DEPENDENCY",
    "GlobalFilters": {"PatchFilters": []},
    "ApprovalRules": {"PatchRules": []},
    "Sources": [],
}


def settings_of(request: Json, *around: str) -> Json:
    """The members that say how the thing is, without those that say which one or how to call."""
    return {name: value for name, value in request.items() if name not in around and value is not None}


@operation("ssm", "CreatePatchBaseline")
def create_patch_baseline(cx: Context, request: Json) -> Json:
    baseline = PatchBaseline(
        account=cx.account,
        region=cx.region,
        id=f"pb-{cx.ids.hex(17)}",
        created=cx.now,
        modified=cx.now,
        settings={"OperatingSystem": "WINDOWS", **settings_of(request, "ClientToken", "Tags")},
        tags=from_list(request.get("Tags")),
    )
    cx.tx.put(baseline)
    return {"BaselineId": baseline.id}


@operation("ssm", "GetPatchBaseline", reads=True)
def get_patch_baseline(cx: Context, request: Json) -> Json:
    baseline = _baseline(cx, request["BaselineId"])
    return {**_described(baseline), "PatchGroups": list(baseline.groups)}


@operation("ssm", "UpdatePatchBaseline")
def update_patch_baseline(cx: Context, request: Json) -> Json:
    """With Replace, what the call leaves out goes back to its default."""
    old = _baseline(cx, request["BaselineId"])
    kept = (
        {"OperatingSystem": old.system, "Name": old.settings["Name"]}
        if request.get("Replace")
        else old.settings
    )
    changed = attrs.evolve(old, modified=cx.now, settings={**kept, **settings_of(request, *_AROUND)})
    cx.tx.put(changed)
    return _described(changed)


@operation("ssm", "DeletePatchBaseline")
def delete_patch_baseline(cx: Context, request: Json) -> Json:
    """One that is not there is deleted already."""
    baseline = cx.tx.get(PatchBaseline, cx.caller.scope(request["BaselineId"]))
    if baseline is not None and baseline.groups:
        raise AwsError(
            "ResourceInUseException",
            f"The patch baseline {baseline.id} is registered for the patch groups {', '.join(baseline.groups)}.",
        )
    if baseline is not None:
        cx.tx.delete(PatchBaseline, baseline.key)
    return {"BaselineId": request["BaselineId"]}


@operation("ssm", "DescribePatchBaselines", reads=True)
def describe_patch_baselines(cx: Context, request: Json) -> Json:
    """Those of the account. AWS's own predefined baselines are not there."""
    if request.get("Filters"):
        raise not_implemented("ssm:DescribePatchBaselines with Filters", "ssm")
    baselines = cx.tx.scan(PatchBaseline, cx.caller.scope(""))
    shown, token = page(
        baselines, lambda each: each.key, request.get("NextToken"), request.get("MaxResults", 100)
    )
    identities = [
        {
            "BaselineId": each.id,
            "BaselineName": each.settings["Name"],
            "OperatingSystem": each.system,
            "BaselineDescription": each.settings.get("Description", ""),
            "DefaultBaseline": False,
        }
        for each in shown
    ]
    return {"BaselineIdentities": identities, **({"NextToken": token} if token else {})}


@operation("ssm", "RegisterPatchBaselineForPatchGroup")
def register_patch_baseline_for_patch_group(cx: Context, request: Json) -> Json:
    """A patch group has one baseline for each operating system."""
    baseline, group = _baseline(cx, request["BaselineId"]), request["PatchGroup"]
    if _of_group(cx, group, baseline.system) is not None:
        raise AwsError(
            "AlreadyExistsException",
            f"Patch Group baseline already has a baseline registered for OperatingSystem {baseline.system}.",
        )
    cx.tx.put(attrs.evolve(baseline, groups=(*baseline.groups, group)))
    return {"BaselineId": baseline.id, "PatchGroup": group}


@operation("ssm", "DeregisterPatchBaselineForPatchGroup")
def deregister_patch_baseline_for_patch_group(cx: Context, request: Json) -> Json:
    baseline, group = _baseline(cx, request["BaselineId"]), request["PatchGroup"]
    if group not in baseline.groups:
        raise AwsError("DoesNotExistException", "Patch Baseline to be retrieved does not exist.")
    cx.tx.put(attrs.evolve(baseline, groups=tuple(each for each in baseline.groups if each != group)))
    return {"BaselineId": baseline.id, "PatchGroup": group}


@operation("ssm", "GetPatchBaselineForPatchGroup", reads=True)
def get_patch_baseline_for_patch_group(cx: Context, request: Json) -> Json:
    group, system = request["PatchGroup"], request.get("OperatingSystem", "WINDOWS")
    found = _of_group(cx, group, system)
    if found is None:
        raise not_implemented("AWS's predefined patch baselines (ssm)", "ssm")
    return {"BaselineId": found.id, "PatchGroup": group, "OperatingSystem": system}


def _of_group(cx: Context, group: str, system: str) -> PatchBaseline | None:
    baselines = cx.tx.scan(PatchBaseline, cx.caller.scope(""))
    return next((each for each in baselines if group in each.groups and each.system == system), None)


def _baseline(cx: Context, id: str) -> PatchBaseline:
    found = cx.tx.get(PatchBaseline, cx.caller.scope(id))
    if found is None:
        raise AwsError("DoesNotExistException", "Patch Baseline to be retrieved does not exist.")
    return found


def _described(baseline: PatchBaseline) -> Json:
    return {
        "BaselineId": baseline.id,
        **_DEFAULTS,
        **baseline.settings,
        "CreatedDate": baseline.created,
        "ModifiedDate": baseline.modified,
    }
