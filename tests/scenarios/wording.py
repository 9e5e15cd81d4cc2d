"""What differs from run to run, put in words that do not: ids, random names, addresses."""

from __future__ import annotations

import re

_RULES = [
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b(ecs-svc)/\d{19}\b"), r"\1/ID"),
    (
        re.compile(
            r"\b(vpc|subnet|sg|eni|igw|rtb|rtbassoc|nat|acl|dopt|vpce|pcx|eipalloc|pl|fl|(?:vpc|subnet)-cidr-assoc)-0[0-9a-f]{16}\b"
        ),
        r"\1-ID",
    ),
    (re.compile(r"\b172\.31\.\d+\.\d+\b"), "172.31.X.X"),
    (re.compile(r"\b198\.1[89]\.\d+\.\d+\b"), "198.18.X.X"),
    (re.compile(r"\b((?:app|net|targetgroup)/[A-Za-z0-9-]+)((?:/[0-9a-f]{16})+)\b"), r"\1/ID"),
    (re.compile(r"-\d{9}(?=\.[a-z0-9-]+\.elb\.localhost)"), "-DIGITS"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HEX"),
]


class Wording:
    """Knows the stacks of a scenario, whose names begin the names that CloudFormation forms."""

    def __init__(self) -> None:
        self._stacks: set[str] = set()

    def know_stack(self, name: str) -> None:
        if not name.startswith("arn:"):
            self._stacks.add(re.escape(name))

    def plain(self, text: str) -> str:
        for pattern, words in _RULES:
            text = pattern.sub(words, text)
        if self._stacks:
            begins = "|".join(sorted(self._stacks, key=len, reverse=True))
            parent = "(?:-[A-Za-z0-9]+-RANDOM)*"  # a nested stack's name begins the names of its own
            formed = re.compile(rf"\b((?:{begins}){parent}-[A-Za-z0-9]+)-[A-Za-z0-9]{{12}}\b", re.IGNORECASE)
            while formed.search(text):
                text = formed.sub(r"\1-RANDOM", text)
        return text
