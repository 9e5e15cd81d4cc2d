"""The certificates of HTTPS and TLS listeners, as whoever serves them needs them: with their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from neargate.model.balancer import Certificate
from neargate.model.elbv2 import AdoptedCertificate, Listener, LoadBalancer
from neargate.model.errors import AwsError
from neargate.model.iam import ServerCertificate
from neargate.model.operations import Caller
from neargate.model.ports import Store
from neargate.services.dispatch import Dispatcher

Issue = Callable[[Iterable[str]], Certificate]

_ACTOR = "elasticloadbalancing.amazonaws.com"


class NoCertificate(Exception):
    """A certificate cannot be had. The text is for a person."""


class Certificates:
    """IAM's with their own keys; for ACM's, whose keys nobody gets, one for the same names that `issue` makes."""

    def __init__(self, store: Store, dispatcher: Dispatcher, issue: Issue) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._issue = issue
        self._issued: dict[tuple[str, str], Certificate] = {}

    async def of(self, balancer: LoadBalancer, listener: Listener) -> dict[str, Certificate]:
        """Those of a listener, by ARN. Raises `NoCertificate`."""
        return {arn: await self._one(balancer, arn) for arn in listener.certificates}

    async def _one(self, balancer: LoadBalancer, arn: str) -> Certificate:
        if arn.split(":")[2] == "iam":
            return self._uploaded(arn)
        found = self._issued.get((arn, balancer.dns_name))
        if found is None:
            names = [*await self._names(balancer, arn), balancer.dns_name]
            found = await asyncio.to_thread(self._issue, names)
            self._issued[arn, balancer.dns_name] = found
        return found

    def _uploaded(self, arn: str) -> Certificate:
        account, resource = arn.split(":", 5)[4:]
        stored = self._store.read(lambda view: view.scan(ServerCertificate, f"{account}/"))
        name = resource.rpartition("/")[2]
        one = next((each for each in stored if each.name == name), None)
        if one is None:
            raise NoCertificate(f"The certificate {arn} does not exist.")
        chain = "\n".join(part for part in (one.body, one.chain) if part)
        return Certificate(chain + "\n", one.private_key + "\n")

    async def _names(self, balancer: LoadBalancer, arn: str) -> list[str]:
        account = balancer.account
        key = f"{balancer.scope}/{arn}"
        if self._store.read(lambda view: view.get(AdoptedCertificate, key)) is not None:
            return []
        caller = Caller(account, balancer.region, f"arn:aws:iam::{account}:root", via=_ACTOR)
        try:
            answer = await self._dispatcher.call(
                caller, "acm", "DescribeCertificate", {"CertificateArn": arn}
            )
        except AwsError as error:
            raise NoCertificate(f"The certificate {arn} cannot be read: {error.message}") from error
        certificate = answer["Certificate"]
        return [certificate["DomainName"], *(certificate.get("SubjectAlternativeNames") or ())]
