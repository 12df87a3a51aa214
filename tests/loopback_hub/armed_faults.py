"""Which request meets which fault, and how often each was applied."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from tests.loopback_hub.faults import Fault
from tests.loopback_hub.server import Incoming

# What huggingface_hub asks about the agent it may run in: no repository's, and not asked every time.
AGENTS_PATH = "/api/agent-harnesses"

On = str | Callable[[Incoming], bool]


@dataclass
class ArmedFault:
    """A fault in place. `times_applied` counts the requests that it has befallen."""

    fault: Fault
    on: On
    times_applied: int = 0

    def meets(self, incoming: Incoming) -> bool:
        """Whether the request is one of those meant, and the fault not yet used up."""
        if self.fault.first is not None and self.times_applied >= self.fault.first:
            return False
        if isinstance(self.on, str):
            method, space, part = self.on.rpartition(" ")
            of_repository = incoming.path != AGENTS_PATH
            if not of_repository or part not in incoming.path or (space and method != incoming.method):
                return False
        elif not self.on(incoming):
            return False
        return self.fault.befalls(incoming)


class ArmedFaults:
    """The faults in place, in the order in which they were armed."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self._lock = Lock()

    def arm(self, fault: Fault, on: On) -> ArmedFault:
        """Put `fault` in place."""
        armed = ArmedFault(fault, on)
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Take all away. Answers under way still meet theirs."""
        with self._lock:
            self._armed.clear()

    def take(self, incoming: Incoming) -> Fault | None:
        """The first that meets the request, counted here: of parallel requests, `first` spoils no more."""
        with self._lock:
            for armed in self._armed:
                if armed.meets(incoming):
                    armed.times_applied += 1
                    return armed.fault
        return None
