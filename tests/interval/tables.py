"""Sweep tables for tests."""

from pathlib import Path

HEADER = "target_params,num_hidden_layers,hidden_size,test_ce\n"


def table(tmp_path: Path, rows: list[tuple[object, ...]], header: str = HEADER) -> Path:
    path = tmp_path / "sweep.csv"
    path.write_text(header + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def budget(n: float, losses: list[float]) -> list[tuple[object, ...]]:
    """A budget with R_D/W = 0.01, 0.02, 0.03 ... and these losses."""
    return [(int(n), depth, 100, loss) for depth, loss in enumerate(losses, start=1)]
