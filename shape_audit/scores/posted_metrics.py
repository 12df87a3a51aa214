"""What the metric of a posted entry measures: an accuracy of all that was asked, of one subject, or something else.

A metric counts as an accuracy if every word of its name can belong to one. A standard error, a latency or a rank stands
beside accuracies in the same list, and no size tells them apart.
"""

from __future__ import annotations

import re

from shape_audit.scores.benchmark_names import Benchmark, meant_part
from shape_audit.scores.entry_words import groups_of
from shape_audit.scores.protocols import is_protocol

_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")


COUNTED = {"extent", "counted"}


class NotAnAccuracy(ValueError):
    """A metric that may be anything; the message is its name."""


def measured(name: str, metric: str) -> Benchmark:
    """What of the benchmark of this name a metric is the accuracy of.

    Raises:
        NotAnAccuracy: by its name it is none.
    """
    metric_alone = " ".join(word for word in metric.split() if not is_protocol(word))  # as `leaderboard card` writes it
    one = meant_part(name, metric_alone)
    groups = groups_of(_BRACKETS.sub(" ", metric_alone))
    is_setting = "setting" in groups and "accuracy" not in groups  # "average tokens"
    is_count = groups & COUNTED and groups <= {*COUNTED, "function"} and one.kind == "whole"  # "questions", "shots"
    if one.kind == "other" or is_setting or is_count:
        raise NotAnAccuracy(metric)
    return one
