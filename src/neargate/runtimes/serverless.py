"""AWS::Serverless-2016-10-31, carried out by AWS's own translator in a process of its own.

The translator (package aws-sam-translator) brings boto3 along and takes some 50 MB and half a second to load. The
server therefore never imports it: it runs `python -m neargate.runtimes.serverless` for one template.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

SERVERLESS = "AWS::Serverless-2016-10-31"
TIME_LIMIT = 60.0  # seconds
Json = dict[str, Any]


class NotTranslated(Exception):
    """The translator refuses the template. The text is AWS's, without the name of the transform."""


class TranslatorBroken(Exception):
    """The translator gave no answer: it is not installed, it crashed, or it took too long."""


def translate(template: Json, parameters: Json, region: str) -> Json:
    """The template that a SAM template stands for. Raises NotTranslated, TranslatorBroken."""
    question = json.dumps({"template": template, "parameters": parameters})
    # No credentials: the translator must not ask AWS. The region is what it forms ARNs with.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") or name == "AWS_CA_BUNDLE"
    } | {"AWS_DEFAULT_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"}
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "neargate.runtimes.serverless"],
            input=question,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            env=environment,
            check=False,
        )
        answer = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise TranslatorBroken(SERVERLESS) from None
    if "refused" in answer:
        raise NotTranslated(answer["refused"])
    translated: Json = answer["template"]
    return translated


def _translated(question: Json) -> Json:
    from samtranslator.internal.managed_policies import get_bundled_managed_policy_map
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.translator.transform import transform

    class Bundled:
        """The AWS managed policies by name, as the translator ships them."""

        def load(self) -> dict[str, str]:
            return get_bundled_managed_policy_map("aws") or {}

    try:
        template = transform(question["template"], question["parameters"], Bundled())
    except InvalidDocumentException as error:
        return {"refused": " ".join([error.message, *(cause.message for cause in error.causes)])}
    return {"template": template}


if __name__ == "__main__":
    json.dump(_translated(json.load(sys.stdin)), sys.stdout)
