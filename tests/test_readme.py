"""The README: short, whole, and without pasted help. Its commands run in tests/docs."""

import re
from pathlib import Path

from shape_audit.hub.builtin_models import builtin_names
from shape_audit.interval import derive_interval, shipped_interval
from shape_audit.leaderboard import read_manifest
from shape_audit.shape import known_models
from shape_audit.yardsticks import shipped_yardstick

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INTERVAL_PAGE = " ".join((ROOT / "docs" / "concepts" / "interval.md").read_text(encoding="utf-8").split())


def test_it_can_be_read_in_a_sitting() -> None:
    assert len(README.splitlines()) <= 150
    assert "Usage: shape-audit" not in README


def test_extras_it_names_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r"'\.\[(\w+)\]'", README)
    assert named and all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in named)


def test_the_interval_it_names_is_the_shipped_one() -> None:
    interval = shipped_interval()
    assert f"[{interval.low:.4f}, {interval.high:.4f}]" in " ".join(README.split())


def test_what_the_site_says_of_the_models_that_ship_is_so() -> None:
    pages = [(ROOT / "docs" / name).read_text() for name in ("getting-started.md", "tutorials/leaderboard.md")]
    start, board = (" ".join(page.split()) for page in pages)
    assert len(builtin_names()) == 8 and "Eight small models ship" in start
    assert all(name.removeprefix("zoo-300k") in start for name in builtin_names())
    assert f"covers {len(read_manifest(None).entries())} of the {len(known_models())} models of the shipped" in board


def test_the_yardstick_it_names_is_the_shipped_one() -> None:
    law = shipped_yardstick("gemstones").law
    assert law.a_star_ci is not None
    low, high = law.a_star_ci
    assert f"R_D/W is {law.a_star:.3f} [{low:.3f}, {high:.3f}]" in " ".join(README.split())


def test_what_the_site_says_of_the_fitted_best_shape_is_what_the_fit_says() -> None:
    for min_params, says in ((1e6, "with no drift to be seen ({})"), (3e5, "there is one ({}: larger budgets ask")):
        fit = derive_interval(min_params=min_params).fit
        assert fit and fit.drift_ci
        low, high = fit.drift_ci
        assert says.format(f"N^{fit.drift:.2f} [{low:.2f}, {high:.2f}]") in INTERVAL_PAGE
        if min_params == 1e6:
            assert f"a* is {fit.best[0].r_dw:.3f} to {fit.best[-1].r_dw:.3f} from 1M to 10M parameters" in INTERVAL_PAGE
