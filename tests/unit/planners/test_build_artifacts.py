"""Which files an artifact is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neargate.planners.build_artifacts import expanded, pattern, select
from neargate.planners.buildspec import ArtifactSpec

ROOT = "/codebuild/output/src1/src"
PATHS = (
    ".hidden",
    "a.yml",
    "b.yml",
    "dist/app.js",
    "dist/app.js.map",
    "dist/css/site.css",
    "parameters/dev.params.json",
    "parameters/prod.params.json",
)


def chosen(*files: str, **settings: object) -> dict[str, str]:
    artifact = ArtifactSpec(files, **settings)  # type: ignore[arg-type]
    selection = select(artifact, PATHS, ROOT, {"FILE": "b.yml", "DIR": "dist"})
    return {name: path for path, name in selection.files}


def test_a_plain_path_and_a_glob_on_one_level() -> None:
    assert chosen("a.yml", "parameters/*.params.json") == {
        "a.yml": "a.yml",
        "parameters/dev.params.json": "parameters/dev.params.json",
        "parameters/prod.params.json": "parameters/prod.params.json",
    }
    assert list(chosen("*")) == [".hidden", "a.yml", "b.yml"]


def test_two_stars_are_everything_below() -> None:
    assert sorted(chosen("**/*")) == sorted(PATHS)
    assert sorted(chosen("dist/**/*")) == ["dist/app.js", "dist/app.js.map", "dist/css/site.css"]
    assert sorted(chosen("**/*.js*")) == ["dist/app.js", "dist/app.js.map", *sorted(PATHS)[6:]]


def test_discarded_paths_leave_the_names() -> None:
    assert list(chosen("a.yml", "parameters/*", discard_paths=True)) == [
        "a.yml",
        "dev.params.json",
        "prod.params.json",
    ]


@pytest.mark.parametrize("base", ["dist", "./dist/", f"{ROOT}/dist", "${DIR}"])
def test_a_base_directory_is_not_part_of_the_names(base: str) -> None:
    assert chosen("**/*", base_directory=base) == {
        "app.js": "dist/app.js",
        "app.js.map": "dist/app.js.map",
        "css/site.css": "dist/css/site.css",
    }


def test_exclusions_count_from_the_base_directory() -> None:
    names = chosen("**/*", base_directory="dist", exclude_paths=("**/*.map", "css/**/*"))
    assert list(names) == ["app.js"]


def test_variables_and_absolute_paths_are_understood() -> None:
    assert list(chosen("${FILE}")) == ["b.yml"]
    assert list(chosen("$FILE")) == ["b.yml"]
    assert list(chosen(f"{ROOT}/a.yml")) == ["a.yml"]
    assert expanded("$NONE-${NONE}", {}) == "-"


def test_the_log_names_what_matched_and_what_did_not() -> None:
    selection = select(ArtifactSpec(("a.yml", "imagedefinitions.json")), PATHS, ROOT, {})
    assert selection.lines == (
        "Expanding base directory path: .",
        "Assembling file list",
        "Expanding a.yml",
        "Found 1 file(s)",
        "Expanding imagedefinitions.json",
        "Skipping invalid file path imagedefinitions.json",
    )
    assert select(ArtifactSpec(("none",)), PATHS, ROOT, {}).files == ()


def test_character_classes() -> None:
    assert [name for name in ("a1", "b1", "c1") if pattern("[ab]?").fullmatch(name)] == ["a1", "b1"]
    assert [name for name in ("a1", "b1") if pattern("[!a]1").fullmatch(name)] == ["b1"]
    assert pattern("[x").fullmatch("[x")


@given(st.lists(st.text("ab./*[]-!^\\", min_size=1, max_size=8), max_size=3))
def test_any_glob_is_understood(globs: list[str]) -> None:
    select(ArtifactSpec(tuple(globs)), PATHS, ROOT, {})
