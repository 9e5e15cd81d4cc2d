"""What AWS refuses of a template before it creates anything."""

import pytest

from neargate.model.errors import AwsError
from neargate.planners import template as language

A = "  A: {Type: 'AWS::SNS::Topic'}\n"
R = "Resources:\n" + A


def resources(text):
    return "Resources:\n" + text


REFUSED = {
    "ref": (
        resources("  A: {Type: T, Properties: {P: !Ref X, Q: !Ref Y, R: !Ref X}}"),
        "Template format error: Unresolved resource dependencies [X, Y] in the Resources block of the template",
    ),
    "ref to a pseudo parameter that is none": (
        resources("  A: {Type: T, Properties: {P: !Ref AWS::Resion}}"),
        "Template format error: Unresolved resource dependencies [AWS::Resion] in the Resources block of the template",
    ),
    "sub": (
        resources("  A: {Type: T, Properties: {P: !Sub 'a${X}'}}"),
        "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
    ),
    "sub in a context": (
        resources("  A: {Type: T, Properties: {P: !Sub ['a${X}', {X: !Ref Z}]}}"),
        "Template format error: Unresolved resource dependencies [Z] in the Resources block of the template",
    ),
    "depends on": (
        resources("  A: {Type: T, DependsOn: X}"),
        "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
    ),
    "depends on a parameter": (
        resources("  A: {Type: T, DependsOn: X}") + "\nParameters: {X: {Type: String}}",
        "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
    ),
    "metadata": (
        resources("  A: {Type: T, Metadata: {P: !Ref X}}"),
        "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
    ),
    "a branch that is not taken": (
        resources("  A: {Type: T, Properties: {P: !If [C, a, !Ref X]}}")
        + "\nConditions: {C: !Equals [a, a]}",
        "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
    ),
    "output": (
        R + "Outputs: {O: {Value: !Ref X}}",
        "Unresolved resource dependencies [X] in the Outputs block of the template",
    ),
    "export": (
        R + "Outputs: {O: {Value: a, Export: {Name: !Sub '${X}'}}}",
        "Unresolved resource dependencies [X] in the Outputs block of the template",
    ),
    "getatt": (
        resources("  A: {Type: T, Properties: {P: !GetAtt X.Arn}}"),
        "Template error: instance of Fn::GetAtt references undefined resource X",
    ),
    "getatt of a parameter": (
        resources("  A: {Type: T, Properties: {P: !GetAtt X.Arn}}") + "\nParameters: {X: {Type: String}}",
        "Template error: instance of Fn::GetAtt references undefined resource X",
    ),
    "getatt in an output": (
        R + "Outputs: {O: {Value: !GetAtt X.Arn}}",
        "Template error: instance of Fn::GetAtt references undefined resource X",
    ),
    "sub of an attribute": (
        resources("  A: {Type: T, Properties: {P: !Sub '${X.Arn}'}}"),
        "Template error: instance of Fn::Sub references invalid resource attribute X.Arn",
    ),
    "circle": (
        resources(
            "  A: {Type: T, Properties: {P: !Ref B}}\n  B: {Type: T, DependsOn: A}\n  C: {Type: T, DependsOn: B}"
        ),
        "Circular dependency between resources: [A, B]",
    ),
    "circle of one": (
        resources("  A: {Type: T, Properties: {P: !GetAtt A.Arn}}"),
        "Circular dependency between resources: [A]",
    ),
    "condition of a resource": (
        resources("  A: {Type: T, Condition: C}"),
        "Template format error: Unresolved condition dependency C in the Resources block of the template",
    ),
    "condition of an output": (
        R + "Outputs: {O: {Value: a, Condition: C}}",
        "Template format error: Unresolved condition dependency C in the Outputs block of the template",
    ),
    "condition of an if": (
        resources("  A: {Type: T, Properties: {P: !If [C, a, b]}}"),
        "Template error: unresolved condition dependency C in Fn::If",
    ),
    "condition of a condition": (
        R + "Conditions: {C: !Not [!Condition D]}",
        "Template format error: Unresolved condition dependency D in the Conditions block",
    ),
    "circle of conditions": (
        R + "Conditions: {C: !Not [!Condition D], D: !And [!Condition C, !Equals [a, b]]}",
        "Template error: Found circular condition dependency: [C, D]",
    ),
    "resource in a condition": (
        R + "Conditions: {C: !Equals [!Ref A, b]}",
        "Template format error: Unresolved dependencies [A]. Cannot reference resources in the Conditions block of the "
        "template",
    ),
    "attribute in a condition": (
        R + "Conditions: {C: !Equals [!GetAtt A.Arn, b]}",
        "Template format error: Unresolved dependencies [A]. Cannot reference resources in the Conditions block of the "
        "template",
    ),
    "import in a condition": (
        R + "Conditions: {C: !Equals [!ImportValue x, b]}",
        "Template error: Cannot use Fn::ImportValue in Conditions.",
    ),
    "condition that is no condition": (
        R + "Conditions: {C: !Ref P}\nParameters: {P: {Type: String}}",
        "Template format error: Conditions can only be boolean operations on parameters and other conditions",
    ),
    "equals": (
        R + "Conditions: {C: !Equals [a]}",
        "Template error: every Fn::Equals object requires a list of 2 string parameters.",
    ),
    "equals of a list": (
        R + "Conditions: {C: !Equals [a, [b]]}",
        "Template error: every Fn::Equals object requires a list of 2 string parameters.",
    ),
    "and": (
        R + "Conditions: {C: !And [!Equals [a, b]]}",
        "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
    ),
    "or": (
        R + "Conditions: {C: !Or [" + ", ".join(["!Equals [a, b]"] * 11) + "]}",
        "Template error: every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.",
    ),
    "not": (
        R + "Conditions: {C: !Not []}",
        "Template error: Fn::Not requires a list argument with one element",
    ),
    "condition function in a property": (
        resources("  A: {Type: T, Properties: {P: !Equals [a, b]}}"),
        "Template error: Fn::Equals can only be used in the Conditions block",
    ),
    "mapping": (
        resources("  A: {Type: T, Properties: {P: !FindInMap [M, a, b]}}"),
        "Template error: Mapping named 'M' is not present in the 'Mappings' section of template.",
    ),
    "mapping key": (
        resources("  A: {Type: T, Properties: {P: !FindInMap [M, a, c]}}") + "\nMappings: {M: {a: {b: c}}}",
        "Template error: Unable to get mapping for M::a::c",
    ),
    "import of a resource": (
        resources("  A: {Type: T}\n  B: {Type: T, Properties: {P: !ImportValue {Ref: A}}}"),
        "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or "
        "Fn::GetAZs",
    ),
    "import of an import": (
        resources("  B: {Type: T, Properties: {P: {'Fn::ImportValue': !ImportValue x}}}"),
        "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or "
        "Fn::GetAZs",
    ),
    "same name": (
        R + "Parameters: {A: {Type: String}}",
        "Template error: all resources and parameters must have unique names. Common name(s):[A]",
    ),
    "output list": (
        R + "Outputs: {O: {Value: [a]}}",
        "Template format error: The Value field of every Outputs member must evaluate to a String and not a List.",
    ),
    "output map": (
        R + "Outputs: {O: {Value: {a: b, c: d}}}",
        "Template format error: The Value field of every Outputs member must evaluate to a String and not a Map.",
    ),
    "deletion policy": (
        resources("  A: {Type: T, DeletionPolicy: Keep}"),
        "Template format error: Unrecognized DeletionPolicy Keep for resource A",
    ),
    "deletion policy function": (
        resources("  A: {Type: T, DeletionPolicy: !Ref P}") + "\nParameters: {P: {Type: String}}",
        "Template format error: Every DeletionPolicy member must be a string.",
    ),
    "a selection of nothing": (
        resources("  A: {Type: T, Properties: {P: !Select [1, [b]]}}"),
        "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
    ),
    "replace policy": (
        resources("  A: {Type: T, UpdateReplacePolicy: RetainExceptOnCreate}"),
        "Template format error: Unrecognized UpdateReplacePolicy RetainExceptOnCreate for resource A",
    ),
    "snapshot": (
        resources("  A: {Type: 'AWS::S3::Bucket', DeletionPolicy: Snapshot}"),
        "Template error: resource type AWS::S3::Bucket does not support deletion policy Snapshot",
    ),
    "length of a number": (
        R + "Parameters: {P: {Type: Number, MinLength: 1}}",
        "Template error: Parameter 'P' MinLength must be on a parameter of type String.",
    ),
    "minimum of a text": (
        R + "Parameters: {P: {Type: String, MinValue: 1}}",
        "Template error: Parameter 'P' MinValue must be on a parameter of type Number.",
    ),
    "lengths turned around": (
        R + "Parameters: {P: {Type: String, MinLength: 2, MaxLength: 1}}",
        "Template error: Parameter 'P' MinLength must be less than MaxLength.",
    ),
    "getatt without an attribute": (
        resources("  A: {Type: T, Properties: {P: !GetAtt A}}"),
        "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource "
        "attribute",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_makes_no_sense_is_refused_in_aws_words(name):
    body, message = REFUSED[name]
    template = language.parse(body)
    with pytest.raises(AwsError) as refused:
        language.validate(template)
    assert (refused.value.code, refused.value.message) == ("ValidationError", message)


FINE = {
    "every branch": """
Conditions: {C: !Equals [!Ref P, a], D: !Or [!Condition C, !Not [!Condition C]]}
Parameters: {P: {Type: String}}
Mappings: {M: {a: {b: c}}}
Resources:
  A:
    Type: T
    Properties:
      P: !If [C, !Ref B, !Sub '${P}-${AWS::Region}-${!X}-${B.Arn}']
      Q: !FindInMap [M, !Ref P, b]
      R: !ImportValue {'Fn::Sub': '${P}-x'}
      Condition: {StringEquals: {a: b}}
  B: {Type: T, Condition: C, DeletionPolicy: RetainExceptOnCreate, UpdateReplacePolicy: !Ref P}
Outputs: {O: {Condition: D, Value: !GetAtt A.Arn, Export: {Name: !Sub '${AWS::StackName}-x'}}}
""",
    "a circle between branches that exclude each other": """
Conditions: {C: !Equals [a, b]}
Resources:
  A: {Type: T, Properties: {P: !If [C, !Ref B, x]}}
  B: {Type: T, Properties: {P: !If [C, x, !Ref A]}}
""",
}


@pytest.mark.parametrize("name", FINE)
def test_a_template_that_makes_sense(name):
    language.validate(language.parse(FINE[name]))


def test_functions_of_the_language_extensions_need_their_transform():
    with pytest.raises(AwsError, match=r"^Template error: Encountered unsupported function: Fn::Length "):
        language.validate(language.parse("Resources: {A: {Type: T, Properties: {P: {'Fn::Length': [a]}}}}"))
    left = (
        "Resources: {A: {Type: T, Properties: {P: {'Fn::ToJsonString': {a: !GetAtt B.Arn}}}}, B: {Type: T}}"
    )
    language.validate(language.parse(left), extended=True)


def test_only_the_language_extensions_give_find_in_map_a_default():
    body = "Resources: {A: {Type: T, Properties: {P: !FindInMap [M, !Ref P, k, {DefaultValue: d}]}}}\n"
    template = language.parse(body + "Mappings: {M: {a: {k: v}}}\nParameters: {P: {Type: String}}")
    language.validate(template, extended=True)
    with pytest.raises(AwsError, match="every Fn::FindInMap object requires three parameters"):
        language.validate(template)


def test_attributes_are_checked_where_the_caller_knows_them():
    template = language.parse(
        "Resources: {A: {Type: T}, B: {Type: T, Properties: {P: !GetAtt A.Arn, Q: !Sub '${A.X}'}}}"
    )
    language.validate(template, lambda type_name, attribute: True)
    with pytest.raises(AwsError) as refused:
        language.validate(template, lambda type_name, attribute: attribute == "Arn")
    assert (
        refused.value.message == "Template error: resource A does not support attribute type X in Fn::GetAtt"
    )


CAPABILITIES = [
    ("  A: {Type: 'AWS::SNS::Topic'}", [], ""),
    (
        "  A: {Type: 'AWS::IAM::Role'}\n  B: {Type: 'AWS::IAM::Policy', Properties: {PolicyName: p}}",
        ["CAPABILITY_IAM"],
        "The following resource(s) require capabilities: [AWS::IAM::Role, AWS::IAM::Policy]",
    ),
    (
        "  A: {Type: 'AWS::IAM::Role', Properties: {RoleName: !Ref B}}\n  B: {Type: 'AWS::SNS::Topic'}",
        ["CAPABILITY_NAMED_IAM"],
        "The following resource(s) require capabilities: [AWS::IAM::Role]",
    ),
    (
        "  A: {Type: 'AWS::SNS::Topic'}\nTransform: M",
        ["CAPABILITY_AUTO_EXPAND"],
        "The following transform(s) require capabilities: [M]",
    ),
]


@pytest.mark.parametrize(("body", "required", "reason"), CAPABILITIES)
def test_capabilities(body, required, reason):
    outline = language.outline(language.read("Resources:\n" + body))
    assert language.capabilities(outline) == (required, reason)


RULES = """
Resources: {A: {Type: T}}
Parameters: {Version: {Type: String}, Env: {Type: String, Default: prod}}
Rules:
  CheckBootstrapVersion:
    Assertions:
      - Assert: {'Fn::Not': [{'Fn::Contains': [['1', '2'], !Ref Version]}]}
        AssertDescription: CDK bootstrap stack version 3 required.
  OnlyInProd:
    RuleCondition: !Equals [!Ref Env, prod]
    Assertions:
      - Assert: {'Fn::EachMemberIn': [[!Ref Version], ['3', '4', '9']]}
"""


@pytest.mark.parametrize(
    ("version", "env", "message"),
    [
        (
            "2",
            "prod",
            "Template error: Rule CheckBootstrapVersion failed: CDK bootstrap stack version 3 required.",
        ),
        ("5", "prod", "Template error: Rule OnlyInProd failed: an assertion does not hold"),
        ("5", "dev", None),
        ("9", "prod", None),
    ],
)
def test_rules(version, env, message):
    template = language.parse(RULES)
    language.validate(template)
    scope = language.Scope(parameters={"Version": version, "Env": env})
    if message is None:
        language.check_rules(template, scope)
        return
    with pytest.raises(AwsError) as refused:
        language.check_rules(template, scope)
    assert refused.value.message == message
