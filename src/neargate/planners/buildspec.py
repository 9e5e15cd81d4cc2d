"""Buildspecs, versions 0.1 and 0.2, YAML or JSON: read, checked, refused in CodeBuild's words (facts 2.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import yaml

PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")

_VERSIONS = ("0.1", "0.2")
_PHASE_KEYS = frozenset("commands finally on-failure run-as runtime-versions".split())
_TOP_KEYS = frozenset(
    "version run-as env environment_variables proxy batch phases reports artifacts cache".split()
)
_ON_FAILURE = ("", "ABORT", "CONTINUE")
_SHELLS = ("", "sh", "bash", "/bin/sh", "/bin/bash")
_MOST_REPORT_GROUPS = 5


class BuildspecError(Exception):
    """The build must fail in DOWNLOAD_SOURCE with code YAML_FILE_ERROR and this message."""


@attrs.frozen
class Secret:
    """A variable whose value lies elsewhere: a parameter's name, or `secret-id:json-key:stage:version`."""

    name: str
    reference: str


@attrs.frozen
class PhaseSpec:
    """What a phase runs. `on_failure` is ABORT, CONTINUE or empty; `run_as` a Linux user or empty."""

    name: str
    commands: tuple[str, ...] = ()
    final_commands: tuple[str, ...] = ()
    on_failure: str = ""
    run_as: str = ""


@attrs.frozen
class ArtifactSpec:
    """Which files an artifact is made of. `identifier` is empty for the primary one."""

    files: tuple[str, ...]
    identifier: str = ""
    base_directory: str = ""
    discard_paths: bool = False
    exclude_paths: tuple[str, ...] = ()
    name: str = ""


@attrs.frozen(kw_only=True)
class Buildspec:
    """A buildspec that can be run. `phases` are the four of `PHASES`, in order, also those without commands.

    `declared` says which of them the file names. `notes` are sentences for the build's log about what it asks
    for and does not get.
    """

    version: str
    shell: str = "sh"
    variables: Mapping[str, str] = attrs.field(factory=dict)
    parameters: tuple[Secret, ...] = ()
    secrets: tuple[Secret, ...] = ()
    exported: tuple[str, ...] = ()
    phases: tuple[PhaseSpec, ...] = ()
    declared: tuple[str, ...] = ()
    artifacts: ArtifactSpec | None = None
    secondary: tuple[ArtifactSpec, ...] = ()
    cache_paths: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def phase(self, name: str) -> PhaseSpec:
        return self.phases[PHASES.index(name)]


def parse(
    text: str, runtimes: Mapping[str, tuple[str, ...]] | None = None, *, runtime_required: bool = False
) -> Buildspec:
    """The buildspec in a text. Raises `BuildspecError`.

    `runtimes` are the language runtimes of the build image and their versions; None for an image that has no
    notion of them, where the section is only noted. `runtime_required`: the image wants one to be selected.
    """
    root = _Section(_composed(text), "buildspec")
    version = root.text("version")
    if version not in _VERSIONS:
        raise BuildspecError(f"Invalid buildspec version: {version or 'none'}. Expecting: 0.1,0.2")
    env = root.section("env")
    shell = env.text("shell") or "sh"
    if shell not in _SHELLS:
        raise BuildspecError(f"Invalid shell: {shell}. Expecting: bash,/bin/sh (powershell.exe on Windows)")
    phases, declared, asked = _phases(root)
    artifacts, secondary = _artifacts(root)
    reports = tuple(root.section("reports").names())
    if len(reports) > _MOST_REPORT_GROUPS:
        raise BuildspecError(
            f"Too many report groups: {len(reports)}. At most {_MOST_REPORT_GROUPS} are allowed"
        )
    notes = [*_runtime_notes(asked, runtimes, runtime_required), *_notes(root, reports)]
    return Buildspec(
        version=version,
        shell=shell.rpartition("/")[2],
        variables=_variables(root, env),
        parameters=_references(env.section("parameter-store")),
        secrets=_references(env.section("secrets-manager")),
        exported=_exported(env),
        phases=phases,
        declared=declared,
        artifacts=artifacts,
        secondary=secondary,
        cache_paths=root.section("cache").texts("paths"),
        reports=reports,
        notes=tuple(notes),
    )


# -- sections ----------------------------------------------------------------------------------------------


def _phases(root: _Section) -> tuple[tuple[PhaseSpec, ...], tuple[str, ...], dict[str, str]]:
    """The four phases, the names of those in the file, and the runtimes they ask for."""
    given = root.section("phases")
    if not given.names():
        raise BuildspecError("No phases found in YAML. Expecting: build,install,post_build,pre_build")
    for name in given.names():
        if name.upper() not in PHASES or not name.islower():
            raise BuildspecError(
                f"Invalid buildspec phase name: {name}. Expecting: build,install,post_build,pre_build"
            )
    run_as = root.text("run-as")
    found = tuple(_phase(name, given.section(name.lower()), run_as) for name in PHASES)
    asked = given.section("install").section("runtime-versions")
    declared = tuple(name for name in PHASES if name.lower() in given.names())
    return found, declared, {name: asked.text(name) for name in asked.names()}


def _phase(name: str, section: _Section, run_as: str) -> PhaseSpec:
    on_failure = section.text("on-failure")
    if on_failure not in _ON_FAILURE:
        raise BuildspecError(
            f"on-failure: {on_failure} in phase {name.lower()} is not implemented by Neargate yet "
            "(docs/coverage.md#codebuild). Expecting: ABORT,CONTINUE"
        )
    return PhaseSpec(
        name=name,
        commands=section.texts("commands", "Commands"),
        final_commands=section.texts("finally", "Finally"),
        on_failure=on_failure,
        run_as=section.text("run-as") or run_as,
    )


def _artifacts(root: _Section) -> tuple[ArtifactSpec | None, tuple[ArtifactSpec, ...]]:
    section = root.section("artifacts")
    several = section.section("secondary-artifacts")
    secondary = tuple(_artifact(several.section(name), name) for name in several.names())
    if not section.names() or (not section.texts("files") and secondary):
        return None, secondary
    return _artifact(section, ""), secondary


def _artifact(section: _Section, identifier: str) -> ArtifactSpec:
    files = section.texts("files", "Files")
    if not files:
        raise BuildspecError("Invalid artifacts section: files must be specified")
    return ArtifactSpec(
        files=files,
        identifier=identifier,
        base_directory=section.text("base-directory"),
        discard_paths=section.flag("discard-paths"),
        exclude_paths=section.texts("exclude-paths"),
        name=section.text("name"),
    )


def _variables(root: _Section, env: _Section) -> dict[str, str]:
    """0.2's `env.variables`, or 0.1's `environment_variables.plaintext`."""
    old = root.section("environment_variables").section("plaintext")
    new = env.section("variables")
    return {name: section.text(name) for section in (old, new) for name in section.names()}


def _references(section: _Section) -> tuple[Secret, ...]:
    return tuple(Secret(name, section.text(name)) for name in section.names())


def _exported(env: _Section) -> tuple[str, ...]:
    hidden = {*env.section("parameter-store").names(), *env.section("secrets-manager").names()}
    names = env.texts("exported-variables")
    for name in names:
        if name in hidden or name.startswith("AWS_"):
            raise BuildspecError(f"Invalid exported variable: {name} cannot be exported")
    return tuple(dict.fromkeys(names))


def _runtime_notes(
    asked: Mapping[str, str], runtimes: Mapping[str, tuple[str, ...]] | None, required: bool
) -> Iterator[str]:
    if required and not asked:
        raise BuildspecError("This build image requires selecting at least one runtime version.")
    for name, version in asked.items():
        if runtimes is None:
            yield f"runtime-versions is for the images that AWS manages; {name}: {version} is left out."
            continue
        if name not in runtimes:
            raise BuildspecError(
                f"Unknown runtime named '{name}'. This build image has the following runtimes: "
                + ", ".join(sorted(runtimes))
            )
        newest = runtimes[name][-1]
        yield f"Selecting '{name}' runtime version '{newest}' based on manual selections..."
        if version not in (*runtimes[name], "latest"):
            yield f"This build image has {name} {newest} only; {version} was asked for."


def _notes(root: _Section, reports: tuple[str, ...]) -> Iterator[str]:
    for name in root.names():
        if name not in _TOP_KEYS:
            yield f"{name} at line {root.line(name)} is nothing that a buildspec has; it is left out."
    phases = root.section("phases")
    for phase in phases.names():
        section = phases.section(phase)
        for name in section.names():
            if name not in _PHASE_KEYS:
                yield f"{name} at line {section.line(name)} is nothing that a phase has; it is left out."
    if reports:
        yield (
            f"Test reports ({', '.join(reports)}) are not collected by Neargate yet (docs/coverage.md#codebuild)."
        )
    if root.section("env").flag("git-credential-helper"):
        yield "git-credential-helper has no effect: Neargate hands the source over without its remote."


# -- YAML --------------------------------------------------------------------------------------------------


def _composed(text: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BuildspecError(f"{error.problem} at line {line}") from error
    except yaml.YAMLError as error:
        raise BuildspecError(str(error).splitlines()[0]) from error
    if node is None:
        raise BuildspecError("YAML file is empty")
    return node


class _Section:
    """A mapping of the file, read by key. What is absent, or has no value, reads as empty."""

    def __init__(self, node: yaml.Node | None, name: str) -> None:
        self._name = name
        self._keys: dict[str, yaml.Node] = {}
        self._values: dict[str, yaml.Node] = {}
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value.strip()):
            return
        if not isinstance(node, yaml.MappingNode):
            found = "a list" if isinstance(node, yaml.SequenceNode) else f"'{node.value}'"
            raise BuildspecError(f"Expected {name} to be a map: found {found} instead at line {_line(node)}")
        self._take(node)

    def _take(self, node: yaml.MappingNode) -> None:
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BuildspecError(
                    f"Expected a key of {self._name} to be of string type at line {_line(key)}"
                )
            if key.value == "<<":  # a merge: what the section says itself wins
                for merged in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    if isinstance(merged, yaml.MappingNode):
                        earlier = dict(self._values)
                        self._take(merged)
                        self._values.update(earlier)
            else:
                self._keys[key.value] = key
                self._values[key.value] = value

    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def line(self, key: str) -> int:
        return _line(self._keys[key])

    def section(self, key: str) -> _Section:
        return _Section(self._values.get(key), key)

    def text(self, key: str) -> str:
        """A scalar as it is written."""
        node = self._values.get(key)
        return "" if node is None else self._scalar(node, key)

    def flag(self, key: str) -> bool:
        return self.text(key).lower() in ("yes", "true", "on")

    def texts(self, key: str, title: str = "") -> tuple[str, ...]:
        """A list of scalars, or one plain string; empty items are left out."""
        node = self._values.get(key)
        if node is None:
            return ()
        if isinstance(node, yaml.SequenceNode):
            items = [self._scalar(each, f"{title or key}[{at}]") for at, each in enumerate(node.value)]
        else:
            items = [self._scalar(node, title or key)]
        return tuple(item for item in items if item.strip())

    def _scalar(self, node: yaml.Node, name: str) -> str:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        found = "subkeys" if isinstance(node, yaml.MappingNode) else "a list"
        line = _line(node)
        raise BuildspecError(
            f"Expected {name} to be of string type: found {found} instead at line {line}, "
            f"value of the key tag on line {max(1, line - 1)} might be empty"
        )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
