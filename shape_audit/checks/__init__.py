"""Rules and a policy -> findings: a gate for CI.

check("./my-model", deep=True)        -> CheckReport
read_policy(path), policy_of(table), only_stricter(table)       -> Policy
write_baseline(report, path)          today's findings, accepted; accepted_in_words(findings) says which
all_rules()                           id -> Rule: what it looks for, why that matters, what to do; of other packages too
formats.as_sarif(report, ...) ...     the report for whoever reads it: one file a format
verdict(report), rules_run(report), shown(report), where(finding)     the sentences that several formats share
"""

from shape_audit.checks.all_rules import all_rules
from shape_audit.checks.baseline import read_baseline, write_baseline
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.formats import FORMATS, Format, formatted
from shape_audit.checks.formats.wording import accepted_in_words, rules_run, shown, verdict, where
from shape_audit.checks.options import CheckOptions
from shape_audit.checks.policy import Policy, only_stricter, policy_of, read_policy
from shape_audit.checks.rule import RULES, Look, Rule, Seen, Unable
from shape_audit.checks.run import OPTIONS, check

__all__ = [
    "FORMATS",
    "OPTIONS",
    "RULES",
    "CheckOptions",
    "CheckedModel",
    "Format",
    "Look",
    "Policy",
    "Rule",
    "Seen",
    "Unable",
    "accepted_in_words",
    "all_rules",
    "check",
    "formatted",
    "only_stricter",
    "policy_of",
    "read_baseline",
    "read_policy",
    "rules_run",
    "shown",
    "verdict",
    "where",
    "write_baseline",
]
