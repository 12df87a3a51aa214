"""Rules and a policy -> findings: a gate for CI.

check("./my-model", deep=True)        -> CheckReport
read_policy(path), policy_in_pyproject(folder)       -> Policy
write_baseline(report, path)          today's findings, accepted
RULES                                 id -> Rule: what it looks for, why that matters, what to do
formats.as_sarif(report, ...) ...     the report for whoever reads it: one file a format
"""

from shape_audit.checks.baseline import write_baseline
from shape_audit.checks.formats import FORMATS, Format, formatted
from shape_audit.checks.options import CheckOptions
from shape_audit.checks.policy import Policy, policy_in_pyproject, read_policy
from shape_audit.checks.rule import RULES, Rule
from shape_audit.checks.run import OPTIONS, check

__all__ = [
    "FORMATS",
    "OPTIONS",
    "RULES",
    "CheckOptions",
    "Format",
    "Policy",
    "Rule",
    "check",
    "formatted",
    "policy_in_pyproject",
    "read_policy",
    "write_baseline",
]
