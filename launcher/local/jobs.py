"""What all kinds of jobs have in common: a description, and a thread that brings the
job to a final state, whatever happens.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from launcher.local.descriptions import Description, Descriptions, ResourceKind
from launcher.local.errors import reason_of
from launcher.local.operation import Operation, Parameters, Result
from launcher.local.stack_parts import StackParts

UNDER_WAY = ("InProgress", "Stopping")
ENDED = ("Completed", "Failed", "Stopped")


class JobRun(threading.Thread, ABC):
    """Runs one job.

    Attributes:
        descriptions: where the job's description is kept.
        job_name: of the job.
        job: its description when it was made.
        stopped: set by `stop`, unless a kind of job stops in a way of its own.
    """

    def __init__(self, descriptions: Descriptions, name: str) -> None:
        super().__init__(daemon=True, name=f"{descriptions.kind.noun}-{name}")
        self.descriptions = descriptions
        self.job_name = name
        self.job = descriptions.get(name)
        self.stopped = threading.Event()

    @abstractmethod
    def work(self) -> str:
        """Do the job; gives its final status.

        Raises:
            FailureReasonError: if it fails.
        """

    def stop(self) -> None:
        """Have `work` end soon."""
        self.stopped.set()

    def close(self, description: Description) -> None:
        """Say in the description of a job when it has ended, and how."""
        description[self.descriptions.kind.ended] = time.time()

    def run(self) -> None:
        """Run the job."""
        final = {self.descriptions.kind.status: "Failed"}
        try:
            final[self.descriptions.kind.status] = self.work()
        except Exception as error:  # noqa: BLE001 a bug mustn't leave a job InProgress
            final["FailureReason"] = reason_of(error)

        def change(description: Description) -> None:
            description.update(final)
            self.close(description)

        self.descriptions.update(self.job_name, change)


class Jobs(ABC):
    """The jobs of one kind.

    Attributes:
        parts: of the stack.
        descriptions: of the jobs.
        runs: the thread of each job.
        operations: those that all kinds have.
    """

    def __init__(self, parts: StackParts, kind: ResourceKind) -> None:
        self.parts = parts
        self.descriptions = Descriptions(kind, parts.settings.region, parts.tags)
        self.runs: dict[str, JobRun] = {}
        self.operations: dict[str, Operation] = {
            **self.descriptions.operations,
            f"Create{kind.prefix}": self.create,
            f"Stop{kind.prefix}": self.stop,
            f"Delete{kind.prefix}": self.delete,
        }

    @abstractmethod
    def create(self, parameters: Parameters) -> Result:
        """Check a request, and run the job.

        Raises:
            RefusedError: if the request isn't one that can be run.
        """

    def begin(
        self,
        new_run: Callable[[Descriptions, str], JobRun],
        parameters: Parameters,
        **members: Any,
    ) -> Result:
        """Describe a job and run it.

        Args:
            new_run: gives what runs the job of a name.
            parameters: of the request.
            members: of the description, beside the request's.

        Raises:
            RefusedError: if the name is taken.
        """
        kind = self.descriptions.kind
        name = parameters[kind.name]
        described = {**parameters, kind.status: "InProgress", **members}
        result = self.descriptions.add(described)
        self.runs[name] = new_run(self.descriptions, name)
        self.runs[name].start()
        return result

    def stop(self, parameters: Parameters) -> Result:
        """Begin to stop a job; its description says when it is stopped.

        Raises:
            RefusedError: if there is no such job, or it has ended.
        """
        kind = self.descriptions.kind
        name = parameters[kind.name]
        self.descriptions.check(name, UNDER_WAY)
        self.descriptions.set(name, **{kind.status: "Stopping"})
        self.runs[name].stop()
        return {}

    def delete(self, parameters: Parameters) -> Result:
        """Forget a job that has ended.

        Raises:
            RefusedError: if there is no such job, or it runs.
        """
        name = parameters[self.descriptions.kind.name]
        self.descriptions.check(name, ENDED)
        del self.runs[name]
        return self.descriptions.delete(parameters)
