"""IAM's nouns. IAM is global: keys are `account/name`, in lower case, as names are unique without case.

Policy documents are kept as the text that was given. Session and access-key records are keyed by the access
key id alone, so that whoever verifies a signature finds the owner without knowing the account.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

import attrs

from neargate.model.tags import Tags

_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def derived_id(prefix: str, *parts: str) -> str:
    """A unique id in IAM's form (`ANPA…`, 21 characters) that is the same for the same parts."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return prefix + "".join(_ID_ALPHABET[byte % 32] for byte in digest[:17])


def key_of(account: str, name: str) -> str:
    """The store key of a role, policy, user or instance profile."""
    return f"{account}/{name.lower()}"


@attrs.frozen(kw_only=True)
class Role:
    """A role with its trust policy, inline policies (name to document) and attached policy ARNs."""

    KIND: ClassVar[str] = "iam.role"
    account: str
    name: str
    id: str
    trust_policy: str
    created: float
    path: str = "/"
    description: str | None = None
    max_session: int = 3600
    permissions_boundary: str | None = None
    inline: dict[str, str] = attrs.field(factory=dict)
    attached: tuple[str, ...] = ()
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return key_of(self.account, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


@attrs.frozen(kw_only=True)
class User:
    """An IAM user: it exists, it holds policies and keys."""

    KIND: ClassVar[str] = "iam.user"
    account: str
    name: str
    id: str
    created: float
    path: str = "/"
    permissions_boundary: str | None = None
    inline: dict[str, str] = attrs.field(factory=dict)
    attached: tuple[str, ...] = ()
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return key_of(self.account, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"


@attrs.frozen(kw_only=True)
class Group:
    """A group of users, by name. It holds policies; nothing bounds it and nobody tags it."""

    KIND: ClassVar[str] = "iam.group"
    permissions_boundary: ClassVar[str | None] = None
    account: str
    name: str
    id: str
    created: float
    path: str = "/"
    users: tuple[str, ...] = ()
    inline: dict[str, str] = attrs.field(factory=dict)
    attached: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return key_of(self.account, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:group{self.path}{self.name}"


@attrs.frozen(kw_only=True)
class ServerCertificate:
    """An uploaded TLS certificate: PEM texts without a trailing newline. The private key is never given back."""

    KIND: ClassVar[str] = "iam.server-certificate"
    account: str
    name: str
    id: str
    uploaded: float
    expires: float
    body: str
    private_key: str = attrs.field(repr=False)
    chain: str | None = None
    path: str = "/"
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return key_of(self.account, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:server-certificate{self.path}{self.name}"


@attrs.frozen(kw_only=True)
class OpenIdProvider:
    """An OpenID Connect identity provider. `url` is without `https://`, as IAM's answers have it."""

    KIND: ClassVar[str] = "iam.openid-provider"
    account: str
    url: str
    created: float
    client_ids: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return key_of(self.account, self.url)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:oidc-provider/{self.url}"


@attrs.frozen(kw_only=True)
class AccessKey:
    """A user's long-lived key (AKIA…). The gateway verifies signatures with `secret`."""

    KIND: ClassVar[str] = "iam.access-key"
    id: str
    secret: str
    account: str
    user: str
    created: float
    status: str = "Active"  # or "Inactive"

    @property
    def key(self) -> str:
        return self.id


@attrs.frozen
class PolicyVersion:
    """One version of a managed policy."""

    id: str
    document: str
    created: float


@attrs.frozen(kw_only=True)
class Policy:
    """A customer managed policy. `next_version` is the number of the version created next."""

    KIND: ClassVar[str] = "iam.policy"
    account: str
    name: str
    id: str
    created: float
    updated: float
    versions: tuple[PolicyVersion, ...]
    default_version: str = "v1"
    next_version: int = 2
    path: str = "/"
    description: str | None = None
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return key_of(self.account, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"

    @property
    def document(self) -> str:
        """The document in force."""
        return next(v.document for v in self.versions if v.id == self.default_version)


@attrs.frozen(kw_only=True)
class InstanceProfile:
    """A container for one role, which EC2 instances would use."""

    KIND: ClassVar[str] = "iam.instance-profile"
    account: str
    name: str
    id: str
    created: float
    path: str = "/"
    role: str | None = None
    tags: Tags = attrs.field(factory=dict)

    @property
    def key(self) -> str:
        return key_of(self.account, self.name)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:instance-profile{self.path}{self.name}"


@attrs.frozen(kw_only=True)
class ServiceLinkedRoleDeletion:
    """The task that DeleteServiceLinkedRole returns: the role is gone once this record exists."""

    KIND: ClassVar[str] = "iam.service-linked-role-deletion"
    account: str
    id: str

    @property
    def key(self) -> str:
        return f"{self.account}/{self.id}"


@attrs.frozen(kw_only=True)
class Session:
    """Temporary credentials that STS issued: a key (ASIA…), its secret and token, until `expires`.

    `principal` is the ARN that acts (`arn:aws:sts::A:assumed-role/R/S`), `role` the ARN of the role whose
    permissions apply (None: those of the one who asked), `user_id` what GetCallerIdentity returns. `policy`
    and `policy_arns` are session policies, `source` the principal that asked, `via` the service it asked
    through ("" for a direct call).
    """

    KIND: ClassVar[str] = "iam.session"
    id: str
    secret: str
    token: str
    account: str
    principal: str
    user_id: str
    issued: float
    expires: float
    role: str | None = None
    session_name: str = ""
    policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    tags: Tags = attrs.field(factory=dict)
    source: str = ""
    source_identity: str | None = None
    via: str = ""

    @property
    def key(self) -> str:
        return self.id
