"""The end of a server: what it stops stays stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from neargate import plant as plant_module
from neargate.data_directory import DataDirectory
from neargate.model.runtime import ContainerSpec, EngineUnavailable, SandboxSpec
from neargate.plant import OWNER_LABEL, Plant
from neargate.runtimes.memory import MemoryRuntime, World, never_ends, serves


def plant(tmp_path: Path, runtime: Any, driver: asyncio.Task[None] | None = None) -> Plant:
    unused: dict[str, Any] = dict.fromkeys(
        ("store", "dispatcher", "clock", "ids", "blobs", "repositories", "front")
    )
    return Plant(
        **unused,
        data=DataDirectory(tmp_path),
        runtime=runtime,
        engine={"state": "ready"},
        containers=driver,
    )


async def run(runtime: MemoryRuntime, owner: str, name: str, *command: str) -> str:
    labels = {OWNER_LABEL: owner}
    sandbox = await runtime.create_sandbox(SandboxSpec(name=name, labels=labels, hostname=name))
    made = await runtime.create(
        ContainerSpec(name=name, image="app", sandbox=sandbox, command=command, labels=labels)
    )
    await runtime.start(made)
    return made


@pytest.mark.anyio
async def test_stopping_all_tasks_ends_what_would_replace_them_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plant_module, "STOP_GRACE", 0.1)
    owner = DataDirectory(tmp_path).owner()
    world = World(programs={("deaf",): never_ends(), ("polite",): serves()})
    world.add_image("app", command=())
    runtime = MemoryRuntime(world)
    polite, deaf = await run(runtime, owner, "a", "polite"), await run(runtime, owner, "b", "deaf")

    async def replace() -> None:
        await runtime.wait(polite)
        await run(runtime, owner, "c", "polite")

    driver = asyncio.create_task(replace())
    await asyncio.sleep(0)
    await plant(tmp_path, runtime, driver).stop_tasks()
    await asyncio.wait_for(runtime.wait(deaf), 5)
    states = {state.name: state for state in await runtime.list({OWNER_LABEL: owner})}
    assert states.keys() == {"a", "b"}
    assert {state.status for state in states.values()} == {"exited"}
    assert (states["a"].exit_code, states["b"].exit_code) == (0, 137)


@pytest.mark.anyio
async def test_a_server_ends_although_its_engine_has_gone(tmp_path: Path) -> None:
    class Away(MemoryRuntime):
        async def list(self, labels: Any) -> Any:
            raise EngineUnavailable("nothing answers", "start it")

    await plant(tmp_path, Away(World())).stop_tasks()
