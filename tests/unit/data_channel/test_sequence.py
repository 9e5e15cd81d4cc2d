"""Numbered streams over a channel that delays, repeats and swaps messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neargate.data_channel.message import INPUT, SYN, Message
from neargate.data_channel.sequence import LONGEST_PATIENCE, Incoming, Outgoing

ID = bytes(16)


def stream(*texts: bytes) -> tuple[Outgoing, list[Message]]:
    outgoing = Outgoing(INPUT)
    return outgoing, [outgoing.number(1, text, ID, 0.0) for text in texts]


def test_messages_are_numbered_and_the_first_says_so() -> None:
    _, sent = stream(b"a", b"b")
    assert [(m.sequence, m.flags, m.payload) for m in sent] == [(0, SYN, b"a"), (1, 0, b"b")]


def test_what_nobody_acknowledges_is_sent_again() -> None:
    outgoing, (first, second) = stream(b"a", b"b")
    assert outgoing.overdue(0.1) is None
    assert outgoing.due_at() == 0.2
    assert outgoing.overdue(0.2) == first
    assert outgoing.overdue(0.25) is None
    outgoing.acknowledged(0, 0.3)
    assert outgoing.overdue(0.3) == second
    outgoing.acknowledged(1, 0.4)
    outgoing.acknowledged(1, 0.5)
    assert outgoing.due_at() is None
    assert outgoing.overdue(9.0) is None


def test_slow_acknowledgements_make_it_patient_up_to_a_second() -> None:
    outgoing = Outgoing(INPUT)
    for number in range(20):
        outgoing.number(1, b"", ID, number * 10.0)
        outgoing.acknowledged(number, number * 10.0 + 5.0)
    outgoing.number(1, b"", ID, 1000.0)
    assert outgoing.due_at() == 1000.0 + LONGEST_PATIENCE


def test_a_message_that_came_early_waits_for_its_turn() -> None:
    _, (a, b, c) = stream(b"a", b"b", b"c")
    incoming = Incoming()
    assert incoming.take(c) == []
    assert incoming.take(b) == []
    assert incoming.take(a) == [a, b, c]
    assert incoming.take(b) == []


def test_there_is_an_end_to_what_is_held() -> None:
    incoming = Incoming()
    for number in range(1, 10_001):
        assert incoming.take(Message(type=INPUT, id=ID, created=0, sequence=number)) == []
    assert incoming.take(Message(type=INPUT, id=ID, created=0, sequence=20_000)) is None


@given(st.lists(st.integers(0, 9), min_size=10, max_size=60), st.randoms(use_true_random=False))
def test_whatever_order_and_however_often_it_arrives_in_order_and_once(
    arrivals: list[int], random: object
) -> None:
    _, sent = stream(*(bytes([number]) for number in range(10)))
    order = [*arrivals, *range(10)]
    random.shuffle(order)  # type: ignore[attr-defined]
    incoming, seen = Incoming(), []
    for number in order:
        ready = incoming.take(sent[number])
        assert ready is not None
        seen += ready
    assert seen == sent
