"""Where fits run: in this process, or as Ray tasks. The function is the same (``ml.training.outcome.fit``)."""

from collections.abc import Callable, Sequence
from typing import Any

from ml.training.outcome import Fitted, Task, fit

Progress = Callable[[float], None]  # the share that is done
Runner = Callable[[Sequence[Task], Progress], list[Fitted]]


def here(tasks: Sequence[Task], progress: Progress) -> list[Fitted]:
    """Fit one after the other."""
    return [
        fit(task, lambda share, done=done: progress((done + share) / len(tasks)))  # type: ignore[misc]
        for done, task in enumerate(tasks)
    ]


def on_ray(ray: Any) -> Runner:
    """Return a runner that gives each fit to a worker of the cluster that ``ray`` is connected to.

    The rows go to the object store once, however many fits read them.
    """

    def run(tasks: Sequence[Task], progress: Progress) -> list[Fitted]:
        remote = ray.remote(num_cpus=1)(_fit_parts)
        stored = {id(part): ray.put(part) for task in tasks for part in (task.fit, task.check)}
        waiting = [
            remote.remote(stored[id(task.fit)], stored[id(task.check)], task.heads, task.recipe) for task in tasks
        ]
        left = list(waiting)
        while left:
            _, left = ray.wait(left, num_returns=1)
            progress(1 - len(left) / len(tasks))
        fitted: list[Fitted] = ray.get(waiting)
        return fitted

    return run


def _fit_parts(fitting: Any, checking: Any, heads: Any, recipe: Any) -> Fitted:
    return fit(Task(fitting, checking, heads, recipe))
