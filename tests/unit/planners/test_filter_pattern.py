from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.planners.filter_pattern import InvalidPattern, compile_pattern


def matches(pattern: str, message: str) -> bool:
    return compile_pattern(pattern).matches(message)


TERMS = [
    ("", "anything", True),
    ("  ", "anything", True),
    ("ERROR", "[ERROR 400] BAD REQUEST", True),
    ("ERROR", "error: lower case", False),
    ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
    ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", False),
    ("?ERROR ?WARN", "WARN disk", True),
    ("?ERROR ?WARN", "INFO disk", False),
    ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", True),
    ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
    ("-health", "GET /hello", True),
    ("-health", "GET /health", False),
    ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
    ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR of SERVER", False),
    ('-"GET /health"', "GET /hello 200", True),
    (r'"say \"hi\""', 'they say "hi" often', True),
    ("?INFO REQUEST -UNAUTHORIZED", "[ERROR] REQUEST", True),  # ?INFO has no effect beside other terms
    ("?INFO REQUEST -UNAUTHORIZED", "[INFO] UNAUTHORIZED REQUEST", False),
    ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
    (r"%\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}%", "from 10.0.0.7 today", True),
    (r"%5\d\d% -health", "GET /health 500", False),
    ("%^[hc]at%", "that cat", False),
    ("%[hc]at$%", "that cat", True),
    (r"%a\x28b\x29%", "f(a(b))", True),
    ("%[[|]%", "a|b", True),
]


@pytest.mark.parametrize(("pattern", "message", "expected"), TERMS)
def test_terms(pattern: str, message: str, expected: bool) -> None:
    assert matches(pattern, message) is expected


EVENT = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": None,
    "cluster.name": "c",
    "flag": True,
    "off": False,
    "n": 4.5,
    "status": 404,
    "text": "75",
}

JSON = [
    ('{ $.eventType = "UpdateTrail" }', True),
    ("{$.eventType=UpdateTrail}", True),
    ('{ $.eventType = "*Trail" }', True),
    ('{ $.eventType = "Update" }', False),
    ("{ $.sourceIPAddress != 123.123.* }", True),
    ("{ $.sourceIPAddress = 111.* }", True),
    ('{ $.arrayKey[0] = "value" }', True),
    ('{ $.arrayKey[2] = "value" }', False),
    ('{ $.arrayKey[*] = "another value" }', True),
    ('{ $.arrayKey = "value" }', False),
    ("{ $.objectList[1].id = 2 }", True),
    ("{ $['cluster.name'] = c }", True),
    ("{ $.SomeObject IS NULL }", True),
    ("{ $.flag IS TRUE }", True),
    ("{ $.flag IS FALSE }", False),
    ("{ $.off IS FALSE }", True),
    ("{ $.flag = true }", True),
    ("{ $.flag IS NOT NULL }", True),
    ("{ $.missing IS NULL }", False),
    ("{ $.missing NOT EXISTS }", True),
    ("{ $.SomeObject EXISTS }", True),
    ("{ $.flag NOT EXISTS }", False),
    ("{ $.missing != 1 }", False),
    ("{ $.n > 4 }", True),
    ("{ $.n >= 4.5 && $.n <= 4.5 }", True),
    ("{ $.n < 4.5 }", False),
    ("{ $.n = 45e-1 }", True),
    ("{ $.status = 4* }", True),
    ("{ $.status != 404 }", False),
    ("{ $.text = 75 }", True),
    ("{ $.eventType = %^Up.*l$% }", True),
    ("{ ($.n > 100 || $.flag IS TRUE) && $.status = 404 }", True),
    ("{ $.n > 100 || $.flag IS TRUE && $.status = 500 }", False),
]


@pytest.mark.parametrize(("pattern", "expected"), JSON)
def test_json(pattern: str, expected: bool) -> None:
    assert matches(pattern, json.dumps(EVENT)) is expected


def test_json_patterns_match_json_only() -> None:
    assert not matches("{ $.a NOT EXISTS }", "plain text")
    assert not matches("{ $.a NOT EXISTS }", '"a string"')
    assert not matches("{ $.a NOT EXISTS }", "[" * 100_000)
    assert matches("{ $[0] = 1 }", "[1]")


ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

FIELDS = [
    ("[ip, user, username, timestamp, request, status_code, bytes]", True),
    ("[ip, user, username, timestamp, request, status_code]", False),
    ("[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]", True),
    ("[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes]", True),
    ('[ip, user, username, timestamp, request = "GET *", status_code != 404, bytes]', False),
    ("[..., status_code = 404, bytes]", True),
    ("[ip = %^127%, ..., bytes >= 1534 && bytes < 2000]", True),
    ("[ip, ..., bytes = 1 || bytes = 1534]", True),
    ("[ip, user = Dev, ...]", False),
    ("[ip, user, username, timestamp = 10/Oct*, ...]", True),
    ("[a, b, c, d, e, f, g, ..., h]", False),
    ("[...]", True),
    ("[w1 != ERROR && w1 != WARN, ...]", True),
]


@pytest.mark.parametrize(("pattern", "expected"), FIELDS)
def test_space_delimited(pattern: str, expected: bool) -> None:
    assert matches(pattern, ACCESS) is expected


INVALID = [
    ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
    ("[a, b", "If a filter pattern starts with '[' it must end with ']'"),
    ("GET /health", "Invalid character(s) in term '/health'"),
    ("ERROR:", "Invalid character(s) in term 'ERROR:'"),
    ("-", "Invalid character(s) in term '-'"),
    ('""', "Invalid character(s) in term '\"\"'"),
    ('"open', "Invalid character(s) in term '\"open'"),
    ("%(a|b)%", "Invalid character(s) in term '%(a|b)%'"),
    (r"%\(a%", r"Invalid character(s) in term '%\(a%'"),
    ("%something!%", "Invalid character(s) in term '%something!%'"),
    ("%*a%", "Invalid character(s) in term '%*a%'"),
    (r"%\bword%", r"Invalid character(s) in term '%\bword%'"),
    ("%a{99999999999}%", "Invalid character(s) in term '%a{99999999999}%'"),
    ("{ $.a > x }", "Invalid filter pattern"),
    ("{ $.a }", "Invalid filter pattern"),
    ("{ a = 1 }", "Invalid filter pattern"),
    ("{ $.a = 1 && }", "Invalid filter pattern"),
    ("{ ($.a = 1 }", "Invalid filter pattern"),
    ("{ $.a IS MAYBE }", "Invalid filter pattern"),
    ("{ $.a = %a% || $.a = %b% || $.a = %c% }", "Invalid filter pattern"),
    ("{}", "Invalid filter pattern"),
    ("[]", "Invalid filter pattern"),
    ("[..., a, ...]", "Invalid filter pattern"),
    ("[a, b = 4* && c > 1000]", "Invalid filter pattern"),
]


@pytest.mark.parametrize(("pattern", "message"), INVALID)
def test_invalid_patterns_say_so(pattern: str, message: str) -> None:
    with pytest.raises(InvalidPattern, match=f"^{re.escape(message)}$"):
        compile_pattern(pattern)


SYNTAX = st.text(alphabet='ab1 .,*-?%"\\$[]{}()<>=!&|\n_xé', max_size=40)


@given(st.one_of(SYNTAX, SYNTAX.map("{{{}}}".format), SYNTAX.map("[{}]".format)), st.text(max_size=40))
def test_any_text_is_a_pattern_or_is_refused(pattern: str, message: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except InvalidPattern:
        return
    assert compiled.matches(message) in {True, False}


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.text(min_size=1), st.text(), st.text())
def test_a_quoted_phrase_is_found_wherever_it_stands(phrase: str, before: str, after: str) -> None:
    assert matches(quoted(phrase), before + phrase + after)
    assert matches(quoted(phrase), before) is (phrase in before)
    assert matches("-" + quoted(phrase), before) is (phrase not in before)


WORDS = st.lists(st.text(alphabet="abc", min_size=1, max_size=3), min_size=1, max_size=4)


@given(WORDS, st.text(alphabet="abc ", max_size=12))
def test_terms_are_all_wanted_and_marked_ones_any(words: list[str], message: str) -> None:
    assert matches(" ".join(words), message) is all(word in message for word in words)
    assert matches(" ".join("?" + word for word in words), message) is any(word in message for word in words)


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,4}", fullmatch=True), st.text(alphabet='ab*"\\ é', max_size=6)),
    st.from_regex(r"[a-z_]{1,4}", fullmatch=True),
    st.text(alphabet='ab"\\ é', max_size=6),
)
def test_json_equality_compares_the_selected_text(document: dict[str, Any], name: str, text: str) -> None:
    message = json.dumps(document)
    assert matches(f"{{ $.{name} = {quoted(text)} }}", message) is (document.get(name) == text)
    assert matches(f"{{ $.{name} EXISTS }}", message) is (name in document)


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_numbers_are_ordered(value: int, bound: int) -> None:
    message = json.dumps({"n": value})
    assert matches(f"{{ $.n < {bound} }}", message) is (value < bound)
    assert matches(f"{{ $.n >= {bound} }}", message) is (value >= bound)
    assert matches(f"[n > {bound}]", str(value)) is (value > bound)


FIELD = st.text(alphabet="ab1-.", min_size=1, max_size=4)


@given(st.lists(FIELD, min_size=1, max_size=6), st.data())
def test_fields_are_counted_from_both_ends(fields: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(fields) - 1))
    columns = [f"w{n}" for n in range(len(fields))]
    columns[at] += f' = "{fields[at]}"'
    message = "  ".join(fields)
    assert matches(f"[{', '.join(columns)}]", message)
    assert matches(f"[{', '.join(columns[: at + 1])}, ...]", message)
    assert matches(f"[..., {', '.join(columns[at:])}]", message)
    assert not matches(f"[{', '.join(columns)}, more]", message)


@pytest.mark.parametrize(
    ("pattern", "message", "values"),
    [
        ("ERROR", "an ERROR", {}),
        ('{ $.a.b = "x" && $.n > 1 }', '{"a": {"b": "x"}, "n": 2.5, "c": 1}', {"$.a.b": "x", "$.n": "2.5"}),
        ("[ip, user, size > 1]", '1.2.3.4 "a b" 5', {"$ip": "1.2.3.4", "$user": "a b", "$size": "5"}),
        ("[first, ..., last]", "a b c d", {"$first": "a", "$2": "b", "$3": "c", "$last": "d"}),
    ],
)
def test_the_fields_that_a_pattern_names_have_values(
    pattern: str, message: str, values: dict[str, str]
) -> None:
    compiled = compile_pattern(pattern)
    assert compiled.matches(message)
    assert compiled.values(message) == values
