"""What a worker sends while it works, seen without a cluster."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shape_audit.cluster import Desk, Keepsakes
from shape_audit.cluster.versions import versions_here
from shape_audit.cluster.worker import News, Order, do_task
from tests.cluster.stand_ins import StandIn, until
from tests.processes import LONG


@dataclass(frozen=True)
class SlowlyLookedAt(Keepsakes):
    """Files on so slow a disk that another thread's look at them ends when the work has saved something."""

    saved: threading.Event = field(default_factory=threading.Event)
    looks: list[Path] = field(default_factory=list)

    def stamps(self, folder: Path) -> dict[str, tuple[int, int]]:
        if threading.current_thread() is not threading.main_thread():
            assert self.saved.wait(LONG)
            self.looks.append(folder)
        return super().stamps(folder)


@dataclass(frozen=True)
class Saves(StandIn):
    """Saves a file at once, and is done when it has been looked at often enough to be sent."""

    watched: SlowlyLookedAt = field(kw_only=True)

    @property
    def keepsakes(self) -> Keepsakes:
        return self.watched

    def work(self, desk: Desk, attempt: int) -> Any:
        (desk.kept / "sums.txt").write_text("sums")
        self.watched.saved.set()
        until(lambda: len(self.watched.looks) > 4)


def test_what_is_saved_first_is_sent_however_late_the_sender_looks(tmp_path: Path) -> None:
    sent: list[dict[str, bytes]] = []

    def post(news: News) -> None:
        if news.files:
            sent.append(dict(news.files))

    order = Order(number=0, threads=1, versions=versions_here(), folder=str(tmp_path), ship_seconds=0.01)
    do_task(Saves("saves", tmp_path, watched=SlowlyLookedAt(tmp_path, "*.txt")), order, {}, None, post)
    assert sent == [{"sums.txt": b"sums"}]
