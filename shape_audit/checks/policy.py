"""What a team wants its models to be: severities, bounds, an interval of its own, and what it accepts and why.

# shape-audit-policy.toml for --policy, or [tool.shape-audit.check.policy] in the pyproject.toml of --config
interval = [0.0204, 0.0645]          # or a file that `shape-audit interval -f json` wrote

[severity]
SA203 = "error"                      # or "off"

[bounds]
aofe-ratio = [0.5, 0.95]             # a site whose whole interval lies beyond is an error
functional-share = 0.02              # of the width at the median site, of a record with --use: less is an error
cheap-blocks = 4                     # that cost less than 1 % of loss left out, of one with --skip: more is an error
feed-forward-ratio = [2.0, 6.0]
shape-cost = 0.005                   # of loss, 0.5 %; where the whole interval of the cost lies beyond, an error
tensor-parallel = [2, 4]

[[ignore]]
rule = "SA311"
place = "model.layers.*.input_layernorm.weight"     # optional, * and ? allowed
reason = "norms are kept in float32 on purpose"
expires = 2027-06-30                 # optional

Of a pyproject.toml that was found and not named, only what is stricter holds: see `only_stricter`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from shape_audit.errors import UsageError
from shape_audit.interval import read_interval
from shape_audit.records import SEVERITIES, Finding, Interval, Severity, parse_toml, read_small_file
from shape_audit.shape import TENSOR_PARALLEL

_KEYS = ("interval", "severity", "bounds", "ignore")
_BOUNDS = ("aofe-ratio", "cheap-blocks", "feed-forward-ratio", "functional-share", "shape-cost", "tensor-parallel")
_IGNORE = ("rule", "place", "file", "reason", "expires")
NOTED_COST = 0.01
"""Cost in loss above which a shape gets a note where the policy says nothing."""
LARGEST_COST = 0.1
"""The largest bound on that cost: no shape of a real model costs as much, so more was meant in per cent."""


@dataclass(frozen=True)
class Ignored:
    """Findings that are accepted.

    Attributes:
        place, file: patterns; None matches all.
        expires: the last day on which this holds; None for always.
    """

    rule: str
    reason: str
    place: str | None = None
    file: str | None = None
    expires: date | None = None

    def covers(self, finding: Finding) -> bool:
        return (
            self.rule == finding.rule
            and (self.place is None or fnmatchcase(finding.place, self.place))
            and (self.file is None or fnmatchcase(finding.file, self.file))
        )


@dataclass(frozen=True)
class Policy:
    """A policy; as it is made here, the one that holds where there is none.

    Attributes:
        interval: of R_D/W, where the policy names one.
        severity: rule id -> severity other than the rule's own; `off` switches a rule off.
        aofe_ratio, feed_forward_ratio: lowest and highest; None asks for nothing.
        functional_share: the least share of the width whose directions matter; None asks for nothing.
        cheap_blocks: the most blocks that may be left out each for less than 1 % of the loss; None asks for nothing.
        shape_cost: the most loss that a shape may cost, as a fraction; None for a note above `NOTED_COST`.
        tensor_parallel: degrees that sizes should divide by.
        at_least: rule id -> severity that its findings never fall below.
        source: what a report calls it.
    """

    interval: Interval | None = None
    severity: Mapping[str, Severity | Literal["off"]] = field(default_factory=dict)
    aofe_ratio: tuple[float, float] | None = None
    feed_forward_ratio: tuple[float, float] | None = None
    functional_share: float | None = None
    cheap_blocks: float | None = None
    shape_cost: float | None = None
    tensor_parallel: tuple[int, ...] = TENSOR_PARALLEL
    ignore: tuple[Ignored, ...] = ()
    at_least: Mapping[str, Severity] = field(default_factory=dict)
    source: str | None = None

    def judged(self, rule: str, severity: Severity) -> Severity:
        """How bad a finding is that the rule itself gives this severity."""
        level = self.severity.get(rule, severity)
        levels = [severity if level == "off" else level, self.at_least.get(rule, "note")]
        return min(levels, key=SEVERITIES.index)

    def has_bound(self, name: str) -> bool:
        """Whether it sets a bound that asks for nothing where it is not set: `aofe-ratio`."""
        return getattr(self, name.replace("-", "_")) is not None

    def bounds(self) -> Iterator[str]:
        """The bounds it sets, in words and with their units, so that a report shows what a number was taken for."""
        if self.shape_cost is not None:
            yield f"shape-cost at most {100 * self.shape_cost:g} %"
        if self.functional_share is not None:
            yield f"functional-share at least {100 * self.functional_share:g} %"
        if self.cheap_blocks is not None:
            yield f"cheap-blocks at most {self.cheap_blocks:g}"
        for name, ends in (("aofe-ratio", self.aofe_ratio), ("feed-forward-ratio", self.feed_forward_ratio)):
            if ends is not None:
                yield f"{name} {ends[0]:g} to {ends[1]:g}"
        if self.tensor_parallel != TENSOR_PARALLEL:
            yield f"tensor-parallel {', '.join(map(str, self.tensor_parallel)) or 'none'}"


def read_policy(path: Path, rules: Collection[str]) -> Policy:
    """Read a policy from a TOML file: all of it, or [tool.shape-audit.check.policy] where it is a pyproject.toml.

    Args:
        rules: the ids there are.

    Raises:
        UsageError: not TOML, an unknown key or rule (the nearest one is suggested), an impossible value.
        IncompleteError: the file cannot be read.
    """
    try:
        content = parse_toml(read_small_file(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a TOML file: {error}") from error
    if path.name == "pyproject.toml":
        for part in ("tool", "shape-audit", "check", "policy"):
            content = content.get(part, {})
            if not isinstance(content, dict):
                raise UsageError(f"{path}: {part} in [tool.shape-audit.check.policy] is not a table")
    return policy_of(content, path, rules)


def policy_of(table: Mapping[str, Any], path: Path, rules: Collection[str]) -> Policy:
    """The policy of a TOML table; see `read_policy`.

    Args:
        path: the file it stands in.
    """
    try:
        return _Reader(str(path), rules, path.parent).policy(table)
    except (OverflowError, ValueError) as error:  # numbers of thousands of digits, which TOML may write
        raise UsageError(f"{path}: holds an implausible number") from error


def only_stricter(table: Mapping[str, Any], path: Path, rules: Collection[str]) -> tuple[Policy, list[str]]:
    """What holds of a policy in a file that was found, and not named by whoever runs the check; and what does not.

    Severities hold as the least ones, and bounds where they add to what is looked for. An interval, a feed-forward
    ratio and a shape's cost above what is noted without a bound replace what holds without them, and what is ignored or
    off passes a model that would fail: these wait until the file is named. A file that the interval names is not even
    opened.
    """
    read = policy_of({key: value for key, value in table.items() if key != "interval"}, path, rules)
    off = [rule for rule, level in read.severity.items() if level == "off"]
    left = [f"policy.severity.{rule} = off" for rule in off] + [f"policy.{key}" for key in ("interval", "ignore")
                                                                if key in table]  # fmt: skip
    if read.feed_forward_ratio is not None:
        left.append("policy.bounds.feed-forward-ratio")
    is_strict = read.shape_cost is not None and read.shape_cost <= NOTED_COST
    if read.shape_cost is not None and not is_strict:
        left.append("policy.bounds.shape-cost")
    return Policy(
        aofe_ratio=read.aofe_ratio,
        functional_share=read.functional_share,
        cheap_blocks=read.cheap_blocks,
        shape_cost=read.shape_cost if is_strict else None,
        tensor_parallel=tuple(sorted({*TENSOR_PARALLEL, *read.tensor_parallel})),
        at_least={rule: level for rule, level in read.severity.items() if level != "off"},
        source=f"{path} (found, not named: only what is stricter)",
    ), left


@dataclass(frozen=True)
class _Reader:
    """One policy file being read: its name for messages, the rules there are, the folder that file names are from."""

    where: str
    rules: Collection[str]
    folder: Path

    def policy(self, content: Mapping[str, Any]) -> Policy:
        self._known(content, _KEYS, "")
        bounds = self._table(content, "bounds")
        self._known(bounds, _BOUNDS, "bounds: ")
        severity = self._table(content, "severity")
        self._known(severity, self.rules, "severity: ")
        for rule, level in severity.items():
            if level not in (*get_args(Severity), "off"):
                raise self._wrong(f"severity: {rule} is {level!r}, not error, warning, note or off")
        ignore = content.get("ignore", [])
        if not isinstance(ignore, list) or not all(isinstance(entry, dict) for entry in ignore):
            raise self._wrong("ignore must be tables, each headed [[ignore]]")
        return Policy(
            interval=self._interval(content["interval"]) if "interval" in content else None,
            severity=severity,
            aofe_ratio=self._ratios(bounds, "aofe-ratio"),
            feed_forward_ratio=self._pair(bounds, "feed-forward-ratio"),
            functional_share=self._at_least_0(bounds, "functional-share", 1),
            cheap_blocks=self._at_least_0(bounds, "cheap-blocks", math.inf),
            shape_cost=self._cost(bounds),
            tensor_parallel=self._degrees(bounds.get("tensor-parallel", list(TENSOR_PARALLEL))),
            ignore=tuple(self._ignored(entry) for entry in ignore),
            source=self.where,
        )

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"{self.where}: {what}")

    def _known(self, table: Mapping[str, Any], names: Collection[str], of: str) -> None:
        for key in table:
            if key not in names:
                near = difflib.get_close_matches(key, list(names), n=1, cutoff=0.5)
                advice = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(names))}"
                raise self._wrong(f"{of}unknown {key}; {advice}")

    def _table(self, content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = content.get(name, {})
        if not isinstance(table, dict):
            raise self._wrong(f"{name} is not a table")
        return table

    def _interval(self, value: Any) -> Interval:
        if isinstance(value, str):
            return read_interval(self.folder / value)
        low, high = self._numbers(value, "interval")
        return Interval(name="the policy's", low=low, high=high, source=self.where)

    def _pair(self, table: Mapping[str, Any], name: str) -> tuple[float, float] | None:
        return self._numbers(table[name], name) if name in table else None

    def _ratios(self, table: Mapping[str, Any], name: str) -> tuple[float, float] | None:
        """Ends that no ratio of a part to the whole lies beyond."""
        ends = self._pair(table, name)
        if ends is not None and ends[1] > 1:
            raise self._wrong(f"{name} is between 0 and 1, not {ends[0]:g} to {ends[1]:g}")
        return ends

    def _numbers(self, value: Any, name: str) -> tuple[float, float]:
        is_pair = isinstance(value, list) and len(value) == 2
        if not is_pair or any(isinstance(end, bool) or not isinstance(end, int | float) for end in value):
            raise self._wrong(f"{name} must be [lowest, highest], not {value!r}")
        low, high = float(value[0]), float(value[1])
        if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high):
            raise self._wrong(f"{name}: {low:g} to {high:g} is no range")
        return low, high

    def _cost(self, bounds: Mapping[str, Any]) -> float | None:
        cost = bounds.get("shape-cost")
        is_number = isinstance(cost, int | float) and not isinstance(cost, bool)
        if cost is not None and not (is_number and 0 <= cost <= LARGEST_COST):
            raise self._wrong(
                f"shape-cost must be a fraction of the loss, at most {LARGEST_COST:g} (0.005 for 0.5 %), not {cost!r}"
            )
        return None if cost is None else float(cost)

    def _at_least_0(self, bounds: Mapping[str, Any], name: str, most: float) -> float | None:
        value = bounds.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value <= most and math.isfinite(value)):
            raise self._wrong(
                f"{name} must be a number from 0{' on' if most == math.inf else f' to {most:g}'}, not {value!r}"
            )
        return None if value is None else float(value)

    def _degrees(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or any(type(n) is not int or not 2 <= n <= 4096 for n in value):
            raise self._wrong(f"tensor-parallel must be whole numbers from 2 to 4096, not {value!r}")
        return tuple(value)

    def _ignored(self, entry: Mapping[str, Any]) -> Ignored:
        self._known(entry, _IGNORE, "ignore: ")
        texts = {key: entry[key] for key in ("rule", "reason", "place", "file") if key in entry}
        if any(not isinstance(text, str) or not text.strip() for text in texts.values()):
            raise self._wrong("ignore: rule, reason, place and file are texts")
        if "rule" not in texts:
            raise self._wrong("ignore: an entry names no rule")
        self._known({entry["rule"]: None}, self.rules, "ignore: ")
        if "reason" not in texts:
            raise self._wrong(f"ignore: {entry['rule']} has no reason")
        expires = entry.get("expires")
        if expires is not None and type(expires) is not date:
            raise self._wrong(f"ignore: {entry['rule']} expires {expires!r}, which is no date (2027-06-30)")
        return Ignored(**texts, expires=expires)
