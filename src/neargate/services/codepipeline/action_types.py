"""The action types that a pipeline here can use."""

from __future__ import annotations

from neargate.model.operations import Context, operation
from neargate.model.records import Json
from neargate.planners.pipeline_structure import PROVIDERS


@operation("codepipeline", "ListActionTypes", reads=True)
def list_action_types(cx: Context, request: Json) -> Json:
    """Those that Neargate runs, and no other of AWS's; all on one page. They are the same in every region."""
    owner = request.get("actionOwnerFilter")
    return {
        "actionTypes": [
            {
                "id": {"category": category, "owner": owned_by, "provider": provider, "version": "1"},
                "settings": {},
                "inputArtifactDetails": {"minimumCount": low_in, "maximumCount": high_in},
                "outputArtifactDetails": {"minimumCount": low_out, "maximumCount": high_out},
            }
            for (category, owned_by, provider), (low_in, high_in, low_out, high_out) in PROVIDERS.items()
            if owner in (None, owned_by)
        ]
    }
