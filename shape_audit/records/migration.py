"""Records of earlier schema versions, read as records of today: through each schema in between.

Schema 3 adds what the Hub says of a model beside its files, which earlier records lack.

Schema 2 adds what a shape costs and what the model does with its depth, which a record of schema 1 lacks, and to every
site how its AOFE-ratio compares with chance. All of the latter follows from what schema 1 has, but for two intervals:
those of the excess and of the alignment hang on how two numbers vary together, and are null. (The alignment is the
quotient of two numbers without bias, which has a bias of second order of its own: the fourth digit.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

AGAINST_CHANCE = ("aofe_ratio_random_basis", "aofe_ratio_excess", "channel_alignment")
ADDED_TO_MODEL = ("released", "license", "license_link", "branch")
ADDED = ("shape_cost", "serving", "use", "superposition")
ADDED_TO_SITES = tuple(f"{name}{form}" for name in AGAINST_CHANCE for form in ("", "_raw", "_plugin", "_ci"))


def migrated(content: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a record of an earlier schema as one of today, not sealed.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: it is no record.
    """
    found = dict(content)
    if found["schema_version"] == 1:
        found = _with_sites({**found, "schema_version": 2}, _against_chance)
    return {**found, "schema_version": 3}


def as_schema(version: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a record of today without what an earlier schema does not know: what its hash was of."""
    if version == 3:
        return dict(content)
    model = {key: value for key, value in content["model"].items() if key not in ADDED_TO_MODEL}
    known = {**content, "model": model, "schema_version": version}
    if version == 2:
        return known
    return _with_sites({key: value for key, value in known.items() if key not in ADDED}, _without_what_was_added)


def _with_sites(content: dict[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    profile = content["interaction"]
    if profile is not None:
        content["interaction"] = {**profile, "sites": [change(site) for site in profile["sites"]]}
    return content


def _without_what_was_added(site: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in site.items() if key not in ADDED_TO_SITES}


def _against_chance(site: Mapping[str, Any]) -> dict[str, Any]:
    """A site with what `interaction.estimators.statistics` works out from energies, from their quotients."""
    found, width = dict(site), site["width"]

    def random_basis(rank: float) -> float:
        return float(1 - (rank + 2) / (width + 2))

    for form in ("", "_raw", "_plugin"):
        ratio, rank = site[f"aofe_ratio{form}"], site[f"effective_rank{form}"]
        if ratio is not None and rank is not None:
            basis = random_basis(rank)
            found[f"aofe_ratio_random_basis{form}"], found[f"aofe_ratio_excess{form}"] = basis, ratio - basis
            found[f"channel_alignment{form}"] = 1 - ratio / basis if basis else None
    if (ends := site.get("effective_rank_ci")) is not None:
        found["aofe_ratio_random_basis_ci"] = [random_basis(ends[1]), random_basis(ends[0])]
    return found
