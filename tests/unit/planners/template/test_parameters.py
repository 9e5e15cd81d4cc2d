"""Parameter values: constraints with AWS's texts, defaults, previous values, lists, what must exist."""

import pytest

from neargate.model.errors import AwsError
from neargate.planners import template as language


def declared(**parameters):
    return language.parse(
        str({"Resources": {"A": {"Type": "T"}}, "Parameters": parameters}).replace("'", '"')
    )


BROKEN = [
    ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "Parameter 'P' must be one of AllowedValues"),
    ({"Type": "String", "AllowedValues": [1, 2]}, "3", "Parameter 'P' must be one of AllowedValues"),
    ({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", "Parameter 'P' must match pattern [a-z]+"),
    ({"Type": "String", "MaxLength": 3}, "abcd", "Parameter 'P' must contain at most 3 characters"),
    ({"Type": "String", "MinLength": "2"}, "a", "Parameter 'P' must contain at least 2 characters"),
    ({"Type": "Number"}, "abc", "Parameter 'P' must be a number."),
    ({"Type": "Number"}, "", "Parameter 'P' must be a number."),
    ({"Type": "List<Number>"}, "1,x", "Parameter 'P' must be a number."),
    ({"Type": "Number", "MinValue": 2}, "1", "Parameter 'P' must be a number not less than 2"),
    ({"Type": "Number", "MaxValue": 2.5}, "3", "Parameter 'P' must be a number not greater than 2.5"),
    (
        {"Type": "CommaDelimitedList", "AllowedValues": ["a"]},
        "a,b",
        "Parameter 'P' must be one of AllowedValues",
    ),
    ({"Type": "CommaDelimitedList", "AllowedPattern": "a+"}, "a, b", "Parameter 'P' must match pattern a+"),
    (
        {"Type": "String", "AllowedPattern": "a", "ConstraintDescription": "only an a"},
        "b",
        "Parameter P failed to satisfy constraint: only an a",
    ),
    (
        {"Type": "AWS::SSM::Parameter::Value<String>", "AllowedPattern": "/x"},
        "/y",
        "Parameter 'P' must match pattern /x",
    ),
    (
        {"Type": "String"},
        "x" * 4097,
        "Parameter 'P' value exceeds the maximum parameter value length of 4096 bytes.",
    ),
]


@pytest.mark.parametrize(("declaration", "value", "message"), BROKEN)
def test_a_value_that_breaks_its_declaration(declaration, value, message):
    with pytest.raises(AwsError) as refused:
        language.resolve_parameters(declared(P=declaration), {"P": value}, None, ())
    assert (refused.value.code, refused.value.message) == ("ValidationError", message)


FINE = [
    ({"Type": "Number", "AllowedValues": [1, 2]}, "1.0"),
    ({"Type": "Number", "MinValue": 1, "MaxValue": 1}, "1"),
    ({"Type": "String", "AllowedPattern": "a|b"}, "b"),
    ({"Type": "String", "AllowedValues": [256, 512]}, "256"),
    ({"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]}, "b, a"),
    ({"Type": "String"}, ""),
    ({"Type": "String", "AllowedPattern": r"[\w-\+]+@\p{Alpha}+"}, "a-b+c@d"),
]


@pytest.mark.parametrize(("declaration", "value"), FINE)
def test_a_value_that_fits(declaration, value):
    assert language.resolve_parameters(declared(P=declaration), {"P": value}, None, ()) == {"P": value}


def test_missing_values_are_named_together():
    template = declared(A={"Type": "String"}, B={"Type": "Number"}, C={"Type": "String", "Default": "c"})
    with pytest.raises(AwsError, match=r"^Parameters: \[A, B\] must have values$"):
        language.resolve_parameters(template, {}, None, ())


def test_unknown_parameters_are_named_together():
    with pytest.raises(AwsError, match=r"^Parameters: \[X, Y\] do not exist in the template$"):
        language.resolve_parameters(declared(A={"Type": "String"}), {"A": "a", "X": "x"}, {}, ["Y"])


def test_a_default_that_is_no_text_becomes_one():
    template = declared(N={"Type": "Number", "Default": 8}, F={"Type": "String", "Default": 1.5})
    assert language.resolve_parameters(template, {}, None, ()) == {"N": "8", "F": "1.5"}


def test_previous_values_are_kept_only_where_asked():
    template = declared(A={"Type": "String", "Default": "d"}, B={"Type": "String", "Default": "d"})
    assert language.resolve_parameters(template, {}, {"A": "old", "B": "old"}, ["A"]) == {
        "A": "old",
        "B": "d",
    }


def test_use_previous_without_a_previous_value_is_a_missing_one():
    with pytest.raises(AwsError, match=r"^Parameters: \[A\] must have values$"):
        language.resolve_parameters(declared(A={"Type": "String", "Default": "d"}), {}, {}, ["A"])


def test_ref_gets_lists_for_list_types_and_texts_for_the_others():
    template = declared(
        L={"Type": "CommaDelimitedList"},
        N={"Type": "Number", "Default": "1"},
        S={"Type": "List<AWS::EC2::Subnet::Id>"},
        V={"Type": "AWS::SSM::Parameter::Value<List<String>>"},
    )
    values = language.parameter_values(template, {"L": "a, b ,c", "S": "subnet-1,subnet-2", "V": "x,y"})
    assert values == {"L": ["a", "b", "c"], "N": "1", "S": ["subnet-1", "subnet-2"], "V": ["x", "y"]}


def test_what_must_exist():
    template = declared(
        V={"Type": "AWS::EC2::VPC::Id"},
        S={"Type": "List<AWS::EC2::Subnet::Id>"},
        K={"Type": "AWS::EC2::KeyPair::KeyName"},
        T={"Type": "String"},
        P={"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"},
        N={"Type": "AWS::SSM::Parameter::Name"},
    )
    values = {"V": "vpc-1", "S": "subnet-1, subnet-2", "K": "", "T": "t", "P": "/ami", "N": "/name"}
    assert language.typed_references(template, values) == [
        ("V", "AWS::EC2::VPC::Id", "vpc-1"),
        ("S", "AWS::EC2::Subnet::Id", "subnet-1"),
        ("S", "AWS::EC2::Subnet::Id", "subnet-2"),
        ("K", "AWS::EC2::KeyPair::KeyName", ""),
        ("P", "AWS::EC2::Image::Id", "/ami"),
        ("N", "AWS::SSM::Parameter::Name", "/name"),
    ]
    assert language.ssm_references(template, values) == [
        ("P", "AWS::EC2::Image::Id", "/ami"),
        ("N", "AWS::SSM::Parameter::Name", "/name"),
    ]
