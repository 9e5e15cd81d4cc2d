"""The shapes of sections, each with AWS's text."""

import pytest
import yaml

from neargate.model.errors import AwsError
from neargate.planners import template as language

R = "Resources:\n  A: {Type: 'AWS::SNS::Topic'}\n"

REFUSED = {
    "no resources": ("Outputs: {}", "Template format error: At least one Resources member must be defined."),
    "no resource": ("Resources: {}", "Template format error: At least one Resources member must be defined."),
    "resource text": ("Resources: {A: b}", "Template format error: Any Resources member must be an object."),
    "no type": (
        "Resources: {A: {Properties: {}}}",
        "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
    ),
    "resource name": (
        "Resources: {my-bad-id: {Type: T}}",
        "Template format error: Resource name my-bad-id is non alphanumeric.",
    ),
    "parameter name": (
        R + "Parameters: {a_b: {Type: String}}",
        "Template format error: Parameter name a_b is non alphanumeric.",
    ),
    "parameter type": (
        R + "Parameters: {P: {Default: a}}",
        "Template format error: Every Parameters object must contain a Type member.",
    ),
    "unknown parameter type": (
        R + "Parameters: {P: {Type: Bool}}",
        "Template format error: Unrecognized parameter type: Bool",
    ),
    "key pair list": (
        R + "Parameters: {P: {Type: 'List<AWS::EC2::KeyPair::KeyName>'}}",
        "Template format error: Unrecognized parameter type: List<AWS::EC2::KeyPair::KeyName>",
    ),
    "default list": (
        R + "Parameters: {P: {Type: String, Default: [a]}}",
        "Template format error: Every Default member must be a string.",
    ),
    "parameter member": (
        R + "Parameters: {P: {Type: String, Defualt: a}}",
        "Invalid template parameter property 'Defualt'",
    ),
    "pattern": (
        R + "Parameters: {P: {Type: String, AllowedPattern: '['}}",
        "Parameter 'P' AllowedPattern must be a valid regular expression.",
    ),
    "section": (R + "Resurces: {}\nOther: 1", "Invalid template property or properties [Resurces, Other]"),
    "attribute": (
        "Resources: {A: {Type: T, Tags: []}}",
        "Invalid template resource property 'Tags'",
    ),
    "version": (
        "AWSTemplateFormatVersion: 2010-09-10\n" + R,
        "Template format error: unsupported value for AWSTemplateFormatVersion.",
    ),
    "long description": (
        "Description: " + "x" * 1025 + "\n" + R,
        "Template format error: 'Description' length is greater than 1024.",
    ),
    "null output": (
        R + "Outputs: {X: {Value: }}",
        "[/Outputs/X/Value] 'null' values are not allowed in templates",
    ),
    "null section": (R + "Outputs:", "[/Outputs] 'null' values are not allowed in templates"),
    "null property": (
        "Resources: {A: {Type: T, Properties: {P: [{Q: }]}}}",
        "[/Resources/A/Type/P/0/Q] 'null' values are not allowed in templates",
    ),
    "output without value": (
        R + "Outputs: {X: {Description: d}}",
        "Template format error: Every Outputs member must contain a Value object",
    ),
    "output member": (
        R + "Outputs: {X: {Value: a, Nmae: b}}",
        "Invalid output property or properties [Nmae]",
    ),
    "export": (
        R + "Outputs: {X: {Value: a, Export: b}}",
        "Template format error: Output X is malformed. The Name field of every Export member must be specified and "
        "consist only of alphanumeric characters, colons, or hyphens.",
    ),
    "mapping": (R + "Mappings: {M: a}", "Template format error: Every Mappings member M must be a map"),
    "mapping key": (
        R + "Mappings: {M: {k: a}}",
        "Template format error: Every Mappings member k must be a map",
    ),
    "mapping attribute": (
        R + "Mappings: {M: {k: {a: {b: c}}}}",
        "Template format error: Every Mappings attribute must be a String or a List.",
    ),
    "depends on": (
        "Resources: {A: {Type: T, DependsOn: {B: c}}}",
        "Template format error: DependsOn must be a string or list of strings.",
    ),
    "depends on numbers": (
        "Resources: {A: {Type: T, DependsOn: [1]}}",
        "Template format error: Every DependsOn value must be a string.",
    ),
    "loop": (
        "Resources: {'Fn::ForEach::X': [a, [b], {}]}",
        "Template format error: [/Resources/Fn::ForEach::X] resource definition is malformed",
    ),
    "too many resources": (
        "Resources: {" + ", ".join(f"A{n}: {{Type: T}}" for n in range(501)) + "}",
        "Template format error: Number of resources, 501, is greater than maximum allowed, 500",
    ),
    "too deep": (
        "Resources: " + "{a: " * 150 + "1" + "}" * 150,
        "Template format error: unsupported structure.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_shape_is_refused_in_aws_words(name):
    body, message = REFUSED[name]
    with pytest.raises(AwsError) as refused:
        language.parse(body)
    assert (refused.value.code, refused.value.message) == ("ValidationError", message)


def test_everything_a_template_can_declare():
    template = language.parse(
        """
AWSTemplateFormatVersion: 2010-09-09
Description: All
Metadata: {M: 1}
Parameters:
  P: {Type: Number, Default: 5, AllowedValues: [5, 6], MinValue: 1, MaxValue: 9, NoEcho: true, Description: d}
  L: {Type: CommaDelimitedList, MinLength: '1', MaxLength: 3, ConstraintDescription: three}
Mappings: {M: {a: {b: [1, 2]}}}
Conditions: {C: !Equals [a, b]}
Resources:
  A:
    Type: AWS::SNS::Topic
    Condition: C
    DependsOn: [B, B]
    DeletionPolicy: Retain
    UpdateReplacePolicy: Delete
    Metadata: {N: 1}
    Properties: {TopicName: a}
  B: {Type: AWS::SNS::Topic, DependsOn: A}
Outputs:
  O: {Value: !Ref A, Export: {Name: x}, Condition: C, Description: o}
"""
    )
    assert template.version == "2010-09-09"
    assert template.description == "All"
    number, items = template.parameters["P"], template.parameters["L"]
    assert (number.default, number.allowed_values, number.no_echo) == ("5", ("5", "6"), True)
    assert (number.min_value, number.max_value, number.description) == (1.0, 9.0, "d")
    assert (items.min_length, items.max_length, items.constraint_description) == (1, 3, "three")
    assert items.is_list
    a = template.resources["A"]
    assert (a.depends_on, a.condition, a.deletion_policy, a.update_replace_policy) == (
        ("B",),
        "C",
        "Retain",
        "Delete",
    )
    assert template.resources["B"].depends_on == ("A",)
    assert template.mappings["M"]["a"]["b"] == [1, 2]
    assert language.resource_types(template) == ["AWS::SNS::Topic"]


def test_a_json_template_and_its_yaml_say_the_same():
    data = {
        "Resources": {
            "A": {"Type": "T", "Properties": {"P": {"Fn::Sub": "${AWS::Region}"}, "Q": [1, "1", True]}}
        }
    }
    assert language.parse(yaml.safe_dump(data)) == language.parse(
        str(data).replace("'", '"').replace("True", "true")
    )
