"""What a person sees, as data: `render(state) -> lines`. A line is pieces of text, each with a rich style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neargate.cli.delivery import Action, Delivery, Environment, Stage
from neargate.cli.stacks import Resource, StackView

Line = tuple[tuple[str, str], ...]

LIVE_LOG_LINES = 8
FAILED_LOG_LINES = 25

_COMMAND = "Running command "  # how CodeBuild's log begins and ends a command
_FAILED_COMMAND = "Command did not exit successfully"

_MARKS = {
    "": ("○", "dim"),
    "InProgress": ("●", "cyan"),
    "Succeeded": ("✓", "green"),
    "Failed": ("✗", "bold red"),
    "Abandoned": ("✗", "bold red"),
}


def plain(lines: Iterable[Line]) -> list[str]:
    """The lines without colours."""
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def delivery_lines(delivery: Delivery, now: float) -> list[Line]:
    """The whole delivery: stages, their actions, and under those that run what they do now."""
    title = f"{delivery.revision[:7]} {delivery.subject}".strip()
    lines: list[Line] = [((delivery.pipeline, "bold"), (f"  {title}" if title else "", ""))]
    width = max((len(_label(s, a)) for s in delivery.stages for a in s.actions), default=0)
    for stage in delivery.stages:
        for action in stage.actions:
            lines += _action_lines(_label(stage, action), width, action, now)
    if delivery.waiting and not delivery.over:
        lines.append(((f"  {delivery.waiting}", "yellow"),))
    return lines


def _label(stage: Stage, action: Action) -> str:
    return stage.name if len(stage.actions) == 1 else f"{stage.name} / {action.name}"


def _action_lines(label: str, width: int, action: Action, now: float) -> list[Line]:
    mark, style = _MARKS.get(action.status, ("?", ""))
    seconds = action.seconds(now)
    took = "" if seconds is None else duration(seconds)
    said = action.error if action.status in ("Failed", "Abandoned") else _first_line(action.summary)
    lines: list[Line] = [
        (
            (f"  {mark} ", style),
            (f"{label:{width}}", "" if action.status else "dim"),
            (f"  {action.provider:15}{took:>8}", "dim"),
            (f"  {said}" if said else "", "red" if action.error else "dim"),
        )
    ]
    if action.status == "InProgress":
        lines += [((f"      │ {line}", "dim"),) for line in action.log[-LIVE_LOG_LINES:]]
        if action.stack is not None:
            lines += [((("    "), ""), *line) for line in resource_lines(action.stack.resources)]
    return lines


def stack_lines(stack: StackView) -> list[Line]:
    """A stack: the reason of its failure on top, then its resources."""
    lines: list[Line] = [((stack.name, "bold"), (f"  {stack.status}", _status_style(stack.status)))]
    if stack.failure:
        lines.append(((f"  {stack.failure}", "bold red"),))
    return lines + resource_lines(stack.resources)


def resource_lines(resources: Sequence[Resource]) -> list[Line]:
    """A line for each resource: mark, name, type, status, and why or what it waits for."""
    name_width = max((len(r.logical_id) for r in resources), default=0)
    type_width = max((len(r.type) for r in resources), default=0)
    lines: list[Line] = []
    for r in resources:
        mark, style = _resource_mark(r.status)
        failed = r.status.endswith("_FAILED")
        said = r.waiting if r.waiting else r.reason if failed else ""
        lines.append(
            (
                (f"  {mark} ", style),
                (f"{r.logical_id:{name_width}}", ""),
                (f"  {r.type:{type_width}}  ", "dim"),
                (r.status, _status_style(r.status)),
                (f"  {said}" if said else "", "red" if failed else "yellow"),
            )
        )
        if r.trouble:
            lines.append(((f"      {r.trouble}", "red"),))
    return lines


def _resource_mark(status: str) -> tuple[str, str]:
    if status.endswith("_FAILED"):
        return "✗", "bold red"
    if status.endswith("_IN_PROGRESS"):
        return "●", "cyan"
    return "✓", "green"


def _status_style(status: str) -> str:
    if "FAILED" in status or "ROLLBACK" in status:
        return "red"
    return "cyan" if status.endswith("_IN_PROGRESS") else "green"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `1 min 04 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def failure_lines(delivery: Delivery) -> list[Line]:
    """Why a delivery ended without success: where, AWS's own words, then what led to it."""
    failed = delivery.failed
    if failed is None:
        return [((f"The execution {delivery.execution} ended: {delivery.status}.", "bold red"),)]
    stage, action = failed
    lines: list[Line] = [
        ((f"{stage.name} failed: {action.error or action.summary or action.status}", "bold red"),)
    ]
    lines += [((f"  │ {line}", ""),) for line in failing_lines(action.log)]
    if action.stack is not None:
        lines += stack_lines(action.stack)
    return lines


def failing_lines(log: Sequence[str]) -> list[str]:
    """The end of a build's log as far as its first failing command: what CodeBuild does after that explains nothing.

    CodeBuild's own lines before the command that failed are left out too.
    """
    end = next((i for i, line in enumerate(log) if _FAILED_COMMAND in line), len(log) - 1)
    begin = max((i for i, line in enumerate(log[:end]) if _COMMAND in line), default=0)
    return list(log[begin : end + 1])[-FAILED_LOG_LINES:]


def serving_lines(environments: Sequence[Environment]) -> list[Line]:
    """After a failure: what goes on as it was."""
    up = [e.stack for e in environments if e.addresses and e.up]
    if not up:
        return []
    words = " and ".join([", ".join(up[:-1]), up[-1]]) if len(up) > 1 else up[0]
    return [((f"{words} {'keep' if len(up) > 1 else 'keeps'} serving.", ""),)]


def environment_lines(environments: Sequence[Environment]) -> list[Line]:
    """The addresses, an environment each."""
    width = max((len(e.stack) for e in environments), default=0)
    lines: list[Line] = []
    for environment in environments:
        mark = ("✓", "green") if environment.up else ("✗", "bold red")
        head = ((f"{mark[0]} ", mark[1]), (f"{environment.stack:{width}}  ", "bold"))
        if environment.trouble:
            lines.append((*head, (environment.trouble, "red")))
        elif not environment.addresses:
            lines.append((*head, ("no ECS service in it", "dim")))
        for address in environment.addresses:
            said = "" if address.up else "  does not answer"
            lines.append((*head, (address.url, "cyan"), (said, "red")))
    return lines


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]
