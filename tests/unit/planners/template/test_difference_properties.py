"""What holds for the two views of any change set."""

from hypothesis import given
from hypothesis import strategies as st

from neargate.planners.template import UNKNOWN, Scope, evaluate
from neargate.planners.template.difference import After, Before, difference
from neargate.planners.template.functions import references

NAMES = ("A", "B", "C", "D", "E")
PROPERTIES = ("Name", "Launch", "Size", "Tags")


def replacement(type_name, path):
    first = path.split("/")[0]
    return {"Name": "Always", "Launch": "Conditionally"}.get(first, "Never")


@st.composite
def templates(draw):
    """Resources by logical id; each may refer to those before it."""
    template, earlier = {}, []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True).map(sorted)):
        values = [st.sampled_from([1, "a", ["x"], ["x", "y"], {"K": "v"}])]
        if earlier:
            target = st.sampled_from(earlier)
            values += [
                target.map(lambda other: {"Ref": other}),
                target.map(lambda other: {"Fn::GetAtt": [other, "Arn"]}),
                target.map(lambda other: [{"Fn::Sub": f"${{{other}.Arn}}/x"}]),
            ]
        template[name] = draw(st.dictionaries(st.sampled_from(PROPERTIES), st.one_of(values), max_size=3))
        earlier.append(name)
    return template


def sides(before, after):
    def evaluated(source, unknown):
        def reference(name, attribute):
            return UNKNOWN if name in unknown or name not in before else f"{name}.{attribute}"

        return evaluate(source, Scope(references=reference))

    def wanted(source):
        needs = {reference.name for reference in references(source)}
        return After("T", source, lambda unknown: evaluated(source, unknown or ()), needs)

    old = {name: Before("T", evaluated(source, ()), "id") for name, source in before.items()}
    return old, {name: wanted(source) for name, source in after.items()}


@given(templates(), templates())
def test_the_view_with_values_shows_nothing_that_the_other_does_not(before, after):
    old, new = sides(before, after)
    plain = {change.logical_id: change for change in difference(old, new, replacement)}
    for change in difference(old, new, replacement, values=True):
        assert change.action == plain[change.logical_id].action
        assert (change.replacement is None) == (plain[change.logical_id].replacement is None)
        change.to_wire(values=True)


@given(templates())
def test_the_same_template_changes_nothing(template):
    for values in (False, True):
        assert difference(*sides(template, template), replacement, values=values) == []


@given(templates(), templates())
def test_every_change_has_its_reasons_and_nothing_is_missing(before, after):
    old, new = sides(before, after)
    changes = difference(old, new, replacement)
    assert [change.logical_id for change in changes] == sorted(change.logical_id for change in changes)
    by_action = {
        action: {c.logical_id for c in changes if c.action == action} for action in ("Add", "Remove")
    }
    assert by_action == {"Add": after.keys() - before.keys(), "Remove": before.keys() - after.keys()}
    assert all(bool(change.details) == (change.action == "Modify") for change in changes)
