"""Texts to data: what is well-formed, and the scalars that other YAML readers get wrong."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neargate.model.errors import AwsError
from neargate.planners.template.reading import read
from neargate.planners.template.scalars import plain, text_of

REFUSED = [
    ("{}}", "Template format error: JSON not well-formed. (line 1, column 3)"),
    ('{"Resources":\n  {"A": }}', "Template format error: JSON not well-formed. (line 2, column 9)"),
    ('{"A": NaN}', "Template format error: JSON not well-formed. (line 1, column 1)"),
    ('{"A": "\\ud83d"}', "Template format error: JSON not well-formed. (line 1, column 1)"),
    ('{"\\ude42": 1}', "Template format error: JSON not well-formed. (line 1, column 1)"),
    ('{"A": 1e999}', "Template format error: JSON not well-formed. (line 1, column 1)"),
    ("A: [1\nB: 2", "Template format error: YAML not well-formed. (line 2, column 2)"),
    ("A: b: c", "Template format error: YAML not well-formed. (line 1, column 5)"),
    ("A: !Sub !Ref B", "Template format error: YAML not well-formed. (line 1, column 9)"),
    ("A:\n  B: !GetAttr C.D", "Template format error: YAML not well-formed. (line 2, column 6)"),
    ("A: !!binary aGk=", "Template format error: YAML not well-formed. (line 1, column 4)"),
    ("A: 1\n---\nB: 2", "Template format error: YAML not well-formed. (line 2, column 1)"),
    ("A: x\x01", "Template format error: YAML not well-formed. (line 1, column 5)"),
    ("A: &x 1\nB: *x", "Template error: YAML aliases are not allowed in CloudFormation templates"),
    ("just words", "Template format error: unsupported structure."),
    ("", "Template format error: unsupported structure."),
    ("- A", "Template format error: unsupported structure."),
    ('["A"]', "Template format error: unsupported structure."),
    ("[" * 5000, None),
    ('{"A":' + "[" * 100_000, None),
    (
        "Mappings:\n  Accounts:\n    123456789012: {A: b}",
        "Template format error: [/Mappings/Accounts] map keys must be strings; received numeric [123456789012] "
        "instead",
    ),
    (
        "Resources:\n  R:\n    Properties:\n      P:\n        !Sub '${A}:sub': x",
        "Template format error: [/Resources/R/Type/P] map keys must be strings; received a map instead",
    ),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_text_that_is_no_template_is_refused(body, message):
    with pytest.raises(AwsError) as refused:
        read(body)
    assert refused.value.code == "ValidationError"
    if message is not None:
        assert refused.value.message == message


SHORT_FORMS = [
    ("!Ref A", {"Ref": "A"}),
    ("!Condition A", {"Condition": "A"}),
    ("!GetAtt A.B.C", {"Fn::GetAtt": ["A", "B.C"]}),
    ("!GetAtt [A, B.C]", {"Fn::GetAtt": ["A", "B.C"]}),
    ("!GetAtt A", {"Fn::GetAtt": ["A"]}),
    ("!Sub '${A}'", {"Fn::Sub": "${A}"}),
    ("!Sub ['${A}', {A: !Ref B}]", {"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}),
    ("!GetAZs ''", {"Fn::GetAZs": ""}),
    ("!Select [0, !GetAZs '']", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
    ("!If [A, !Ref 'AWS::NoValue', {B: c}]", {"Fn::If": ["A", {"Ref": "AWS::NoValue"}, {"B": "c"}]}),
    ("!Transform {Name: AWS::Include}", {"Fn::Transform": {"Name": "AWS::Include"}}),
    ("{'Fn::Sub': x}", {"Fn::Sub": "x"}),
]


@pytest.mark.parametrize(("text", "value"), SHORT_FORMS)
def test_short_forms_become_long_forms(text, value):
    assert read(f"A: {text}") == {"A": value}


SCALARS = [
    ("2012-10-17", "2012-10-17"),
    ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
    ("0.5GB", "0.5GB"),
    ("256", 256),
    ("1.5", 1.5),
    ("yes", True),
    ("Off", False),
    ("y", "y"),
    ("0755", 493),
    ("0x1F", 31),
    ("0b11", 3),
    ("22:22", 1342),
    ("1_000", 1000),
    ("'256'", "256"),
    ('"yes"', "yes"),
    ("!!str 256", "256"),
    ("!!int '256'", 256),
    (".inf", ".inf"),
    ("sg-123", "sg-123"),
    ("10.0.0.0/16", "10.0.0.0/16"),
    ("-", None),
]


@pytest.mark.parametrize(("text", "value"), SCALARS[:-1])
def test_plain_scalars_follow_yaml_1_1_without_timestamps(text, value):
    found = read(f"A: {text}")["A"]
    assert found == value
    assert type(found) is type(value)


def test_an_account_id_with_a_leading_zero_is_a_number_as_on_aws():
    assert text_of(read("A: 012345678901")["A"]) == "1.2345678901E10"
    assert text_of(read("A: 123456789012")["A"]) == "123456789012"
    assert text_of(read("A: 012345670123")["A"]) == "1402433619"


WRITTEN = [
    (True, "true"),
    (0.5, "0.5"),
    (1.0, "1.0"),
    (1e7, "1.0E7"),
    (12345678.5, "1.23456785E7"),
    (0.001, "0.001"),
    (0.0001, "1.0E-4"),
    (-1e8, "-1.0E8"),
    (0.0, "0.0"),
    (1.5e300, "1.5E300"),
]


@pytest.mark.parametrize(("number", "text"), WRITTEN)
def test_numbers_are_written_as_java_writes_them(number, text):
    assert text_of(number) == text


def test_the_last_of_two_equal_keys_counts():
    assert read("A: 1\nB: 2\nA: 3") == {"A": 3, "B": 2}
    assert read('{"A": 1, "A": 2}') == {"A": 2}


def test_words_that_yaml_takes_as_booleans_are_fine_as_keys():
    assert read("on: 1\nyes: 2\n2010-09-09: 3") == {"on": 1, "yes": 2, "2010-09-09": 3}


def test_a_byte_order_mark_is_skipped():
    assert read("\ufeffA: 1") == {"A": 1}
    assert read('\ufeff{"A": 1}') == {"A": 1}


def test_empty_values_are_null():
    assert read("A:\nB: ~") == {"A": None, "B": None}


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_json_survives_unchanged(data):
    assert read(json.dumps(data)) == data


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        found = read(text)
    except AwsError as refused:
        found = refused
    assert isinstance(found, dict) or found.message.startswith("Template ")


@settings(max_examples=300, deadline=None)
@given(st.from_regex(re.compile(r"[-+0-9_.:exbA-Fa-f]{1,12}"), fullmatch=True))
def test_any_number_like_scalar_has_a_text(text):
    value = plain(text)
    assert value is None or isinstance(text_of(value), str)
