"""Conditions, what lives, who needs whom; and what holds for any template at all."""

import json

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neargate.model.errors import AwsError
from neargate.planners import template as language

CONDITIONAL = """
Parameters: {Env: {Type: String}, Zones: {Type: CommaDelimitedList, Default: 'a,b'}}
Mappings: {M: {prod: {big: 'true'}, dev: {big: 'false'}}}
Conditions:
  Prod: !Equals [!Ref Env, prod]
  Dev: !Not [!Condition Prod]
  Big: !Equals [!FindInMap [M, !Ref Env, big], true]
  Both: !And [!Condition Prod, !Condition Big]
  Either: !Or [!Condition Dev, !Condition Big]
  Named: {Condition: Prod}
  Listed: !Equals [!Join ['', !Ref Zones], ab]
Resources:
  Db: {Type: T, Condition: Prod}
  Web: {Type: T, Properties: {P: !If [Prod, !GetAtt Db.Arn, !Ref 'AWS::NoValue']}, DependsOn: Db}
  Log: {Type: T, Properties: {P: !Sub '${Web}'}, Metadata: {N: !Ref Topic}}
  Topic: {Type: T}
Outputs:
  O: {Value: !Ref Db, Condition: Prod}
  I: {Value: !ImportValue {'Fn::Sub': '${Env}-vpc'}}
"""


def outcome(work):
    """What a piece of work gives, or AWS's refusal."""
    try:
        return work()
    except AwsError as refused:
        return refused


def settled(body, **parameters):
    template = language.parse(body)
    language.validate(template)
    values = language.resolve_parameters(template, parameters, None, ())
    scope = language.Scope(
        parameters=language.parameter_values(template, values),
        mappings=template.mappings,
        exports=lambda name: "x",
    )
    conditions = language.conditions(template, scope)
    return template, attrs.evolve(scope, conditions=conditions), conditions


def test_conditions():
    _, _, prod = settled(CONDITIONAL, Env="prod")
    assert prod == {
        "Prod": True,
        "Dev": False,
        "Big": True,
        "Both": True,
        "Either": True,
        "Named": True,
        "Listed": True,
    }
    _, _, dev = settled(CONDITIONAL, Env="dev")
    assert [name for name, holds in dev.items() if holds] == ["Dev", "Either", "Listed"]


def test_a_condition_over_a_list_is_refused():
    with pytest.raises(AwsError) as refused:
        settled(
            "Parameters: {L: {Type: CommaDelimitedList, Default: a}}\nConditions: {C: !Equals [!Ref L, a]}\n"
            "Resources: {A: {Type: T}}"
        )
    assert (
        refused.value.message
        == "Template error: every Fn::Equals object requires a list of 2 string parameters."
    )


def test_dependencies_follow_the_branches_that_are_taken():
    template, _, prod = settled(CONDITIONAL, Env="prod")
    assert language.dependencies(template, prod) == {
        "Db": frozenset(),
        "Web": frozenset({"Db"}),
        "Log": frozenset({"Web", "Topic"}),
        "Topic": frozenset(),
    }
    template, _, dev = settled(CONDITIONAL, Env="dev")
    assert language.dependencies(template, dev) == {
        "Web": frozenset(),
        "Log": frozenset({"Web", "Topic"}),
        "Topic": frozenset(),
    }
    assert language.resource_types(template, dev) == ["T"]


def test_imports_name_the_exports_in_use():
    template, scope, _ = settled(CONDITIONAL, Env="dev")
    assert language.imports(template, scope) == {"dev-vpc"}


DEAD = [
    (
        "Resources: {A: {Type: T, Condition: C}, B: {Type: T, Properties: {P: !Ref A}}}",
        "Template format error: Unresolved resource dependencies [A] in the Resources block of the template",
    ),
    (
        "Resources: {A: {Type: T, Condition: C}, B: {Type: T}}\nOutputs: {O: {Value: !GetAtt A.Arn}}",
        "Unresolved resource dependencies [A] in the Outputs block of the template",
    ),
]


@pytest.mark.parametrize(("body", "message"), DEAD)
def test_a_living_thing_may_not_refer_to_a_dead_one(body, message):
    template, _, conditions = settled("Conditions: {C: !Equals [a, b]}\n" + body)
    with pytest.raises(AwsError) as refused:
        language.live_resources(template, conditions)
    assert refused.value.message == message


def test_a_circle_on_taken_branches():
    template, _, conditions = settled(
        """
Conditions: {C: !Equals [a, a]}
Resources:
  Out: {Type: T, Properties: {P: !Ref A}}
  A: {Type: T, Properties: {P: !If [C, !Ref B, x]}}
  B: {Type: T, Condition: C, Properties: {P: !Ref D}}
  D: {Type: T, Properties: {P: !Sub '${A}', Q: !Ref Root}}
  Root: {Type: T}
"""
    )
    with pytest.raises(AwsError) as refused:
        language.dependencies(template, conditions)
    assert refused.value.message == "Circular dependency between resources: [A, B, D]"


# -- any template at all ------------------------------------------------------------------------------------

names = st.sampled_from(["A", "B", "C", "P", "L", "AWS::Region", "AWS::NoValue", "Nope"])
functions = (
    "Ref Fn::GetAtt Fn::Sub Fn::Join Fn::Split Fn::Select Fn::If Fn::FindInMap Fn::GetAZs Fn::ImportValue Fn::Base64 "
    "Fn::Cidr Fn::Equals Fn::And Fn::Or Fn::Not Fn::Length Fn::ToJsonString Condition"
).split()
leaves = (
    names
    | st.sampled_from(
        ["", "0", "1", "10.0.0.0/16", "${A}", "${A.B}", "${!x}", "a,b", "A.Arn", "Yes", "M", "k"]
    )
    | st.integers(-1, 9)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
)


def _well_shaped(inner):
    return st.one_of(
        st.builds(lambda n: {"Ref": n}, names),
        st.builds(lambda n: {"Fn::GetAtt": [n, "Arn"]}, names),
        st.builds(lambda n: {"Fn::Sub": f"x${{{n}}}"}, names),
        st.builds(lambda n, v: {"Fn::Sub": ["${V}" + n, {"V": v}]}, names, inner),
        st.builds(lambda v: {"Fn::Join": [",", v]}, st.lists(inner, max_size=3)),
        st.builds(lambda v: {"Fn::Split": [",", v]}, inner),
        st.builds(lambda i, v: {"Fn::Select": [i, v]}, st.integers(0, 2), st.lists(inner, max_size=3)),
        st.builds(lambda a, b: {"Fn::If": ["Yes", a, b]}, inner, inner),
        st.builds(lambda f, v: {f: v}, st.sampled_from(functions), inner),
    )


values = st.recursive(
    leaves,
    lambda inner: (
        _well_shaped(inner)
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["X", "Y", "Ref", "Fn::If", "Condition"]), inner, max_size=3)
    ),
    max_leaves=8,
)
resource = st.fixed_dictionaries(
    {"Type": st.just("T"), "Properties": st.dictionaries(st.sampled_from("XYZ"), values, max_size=3)},
    optional={
        "Condition": st.sampled_from(["Yes", "No"]),
        "DependsOn": st.lists(st.sampled_from("ABC"), max_size=2),
        "Metadata": st.dictionaries(st.sampled_from("XY"), values, max_size=1),
    },
)
templates = st.fixed_dictionaries(
    {
        "Resources": st.dictionaries(st.sampled_from("ABC"), resource, min_size=1),
        "Parameters": st.just(
            {"P": {"Type": "String", "Default": "p"}, "L": {"Type": "CommaDelimitedList", "Default": "a,b"}}
        ),
        "Mappings": st.just({"M": {"k": {"0": "v"}}}),
        "Conditions": st.just({"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}}),
    },
    optional={"Outputs": st.dictionaries(st.sampled_from("OQ"), st.fixed_dictionaries({"Value": values}))},
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_evaluating_anything_gives_a_value_or_awss_refusal(value):
    scope = language.Scope(
        parameters={"P": "p", "L": ["a", "b"]}, conditions={"Yes": True}, zones=lambda r: ["a", "b"]
    )
    found = outcome(lambda: language.evaluate(value, scope))
    assert not isinstance(found, AwsError) or found.code == "ValidationError"


@settings(max_examples=150, deadline=None)
@given(templates)
def test_any_template_is_refused_or_has_an_order(data):
    found = outcome(lambda: settled(json.dumps(data)))
    needs = (
        found if isinstance(found, AwsError) else outcome(lambda: language.dependencies(found[0], found[2]))
    )
    if isinstance(needs, AwsError):
        assert needs.code == "ValidationError"
        assume(False)
    template, scope, _ = found
    done = set()
    while len(done) < len(needs):
        ready = {name for name, needed in needs.items() if name not in done and needed <= done}
        assert ready
        done |= ready
    for name in needs:
        properties = outcome(lambda name=name: language.evaluate_resource(template.resources[name], scope))
        assert isinstance(properties, dict) or properties.code == "ValidationError"
