"""Templates made of other templates: parts exchanged, taken away, wrapped in functions, or broken.

Everything comes from a `random.Random`, so that a seed names a template.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import yaml

Json = dict[str, Any]
Path = tuple[Any, ...]

FUNCTIONS = (
    "Ref Condition Fn::And Fn::Base64 Fn::Cidr Fn::Contains Fn::EachMemberEquals Fn::EachMemberIn Fn::Equals "
    "Fn::FindInMap Fn::ForEach::Loop Fn::GetAZs Fn::GetAtt Fn::If Fn::ImportValue Fn::Join Fn::Length Fn::Not "
    "Fn::Nobody Fn::Or Fn::RefAll Fn::Select Fn::Split Fn::Sub Fn::ToJsonString Fn::Transform Fn::ValueOf"
).split()
SCALARS: tuple[Any, ...] = (
    *(
        "",
        " ",
        "a",
        "0",
        "-1",
        "1e400",
        "true",
        "${",
        "${}",
        "${A.B}",
        "${!a}",
        "&{I}",
        "AWS::NoValue",
        "AWS::Region",
    ),
    *(
        "AWS::StackId",
        "{{resolve:ssm:/n}}",
        "{{resolve:secretsmanager:s:SecretString:k}}",
        "{{resolve:",
        "\u0000",
        "\ud800",
    ),
    *(
        "🙂",
        "a" * 5000,
        "10.0.0.0/16",
        "::/0",
        "AWS::LanguageExtensions",
        "AWS::Include",
        "Nobody",
        "s3://b/k",
    ),
    *(None, True, False, 0, 1, -1, 10**20, 1.5, 1e300, [], {}, [[]], [{}], {"": ""}),
)
ATTRIBUTES = (
    "Condition CreationPolicy DeletionPolicy DependsOn Metadata Properties Type UpdatePolicy UpdateReplacePolicy"
).split()
SECTIONS = (
    "AWSTemplateFormatVersion Conditions Description Mappings Metadata Outputs Parameters Resources Rules Transform"
).split()


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """The places of a value, itself first."""
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*at, index))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def mutated(seeds: Sequence[Json], random: Random) -> str:
    """The text of a template with one to four changes to a seed."""
    data: Any = copy.deepcopy(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = _changed(data, seeds, random)
    return _text(data, random)


def _changed(data: Any, seeds: Sequence[Json], random: Random) -> Any:
    places = list(paths(data))
    place = random.choice(places)
    if not place:
        return data if random.random() < 0.95 else _scalar(random)
    above, key = at(data, place[:-1]), place[-1]
    kind = random.randrange(8)
    if kind == 0:
        del above[key]
    elif kind == 1:
        above[key] = _scalar(random)
    elif kind == 2:
        above[key] = {random.choice(FUNCTIONS): above[key]}
    elif kind == 3:
        above[key] = _function(data, random)
    elif kind == 4:
        above[key] = copy.deepcopy(at(data, random.choice(places)))
    elif kind == 5:
        other = random.choice(seeds)
        above[key] = copy.deepcopy(at(other, random.choice(list(paths(other)))))
    elif kind == 6 and isinstance(above, dict):
        name = random.choice((*ATTRIBUTES, *SECTIONS, *FUNCTIONS, "new", str(key) + "x"))
        above[name] = copy.deepcopy(above[key]) if random.random() < 0.5 else above.pop(key)
    elif isinstance(above[key], list):
        above[key].append(_scalar(random))
    else:
        above[key] = [above[key]]
    return data


def _scalar(random: Random) -> Any:
    return copy.deepcopy(random.choice(SCALARS))


def _function(data: Any, random: Random) -> Json:
    """A function of the right shape over names that the template has, for the most part."""
    resources = _names(data, "Resources") or ["A"]
    name = random.choice((*resources, *(_names(data, "Parameters") or ["P"]), "AWS::Region", "AWS::NoValue"))
    condition = random.choice(_names(data, "Conditions") or ["C"])
    inner = {"Ref": name}
    return random.choice(
        (
            {"Ref": name},
            {"Fn::GetAtt": [random.choice(resources), random.choice(("Arn", "Id", "Name", "Outputs.X"))]},
            {"Fn::Sub": "${" + name + "}-${AWS::Region}"},
            {"Fn::Sub": ["${a}${" + name + "}", {"a": inner}]},
            {"Fn::Join": ["-", ["a", inner]]},
            {"Fn::Select": [random.choice((0, "1", 7, inner)), {"Fn::Split": [",", inner]}]},
            {"Fn::If": [condition, inner, {"Ref": "AWS::NoValue"}]},
            {
                "Fn::FindInMap": [
                    random.choice(_names(data, "Mappings") or ["M"]),
                    inner,
                    "k",
                    {"DefaultValue": inner},
                ]
            },
            {"Fn::ImportValue": inner},
            {"Fn::GetAZs": ""},
            {"Fn::Cidr": ["10.0.0.0/16", random.choice((1, 300, inner)), 8]},
            {"Fn::Base64": inner},
            {"Fn::Length": random.choice((inner, ["a"], {"Fn::Split": [",", "a,b"]}))},
            {"Fn::ToJsonString": random.choice((inner, {"a": inner}, ["b"]))},
            {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}},
            {
                "Fn::ForEach::L": [
                    "I",
                    random.choice((["a", "b-1"], inner)),
                    {"X${I}": at_random(data, random)},
                ]
            },
            {"Fn::Equals": [inner, "a"]},
            {"Fn::And": [{"Condition": condition}, {"Fn::Not": [{"Condition": condition}]}]},
        )
    )


def at_random(data: Any, random: Random) -> Any:
    return copy.deepcopy(at(data, random.choice(list(paths(data)))))


def _names(data: Any, section: str) -> list[str]:
    members = data.get(section) if isinstance(data, dict) else None
    return [str(name) for name in members] if isinstance(members, dict) else []


def _text(data: Any, random: Random) -> str:
    try:
        text = json.dumps(data) if random.random() < 0.6 else yaml.safe_dump(data, allow_unicode=True)
    except (yaml.YAMLError, UnicodeError, ValueError):
        text = json.dumps(data)
    if random.random() < 0.1 and text:  # a slip of the finger
        place = random.randrange(len(text))
        text = (
            text[:place]
            + random.choice(("", "{", "}", ":", "\t", "!Sub ", "- ", "\n", "&a ", "*a ", '"'))
            + text[place + 1 :]
        )
    return text
