"""Auditing a model that is in memory already: a notebook's, or one in training."""

from __future__ import annotations

from typing import Any

from shape_audit.auditing.costs import costs_of
from shape_audit.auditing.environment import environment
from shape_audit.auditing.measurement import measure_live
from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.phases import Phases
from shape_audit.auditing.subject import Subject
from shape_audit.calibration import tokenizer_in_memory
from shape_audit.errors import NotAuditableError, UsageError
from shape_audit.interaction import parse_sites
from shape_audit.interval import read_interval, shipped_interval
from shape_audit.parallel import SingleProcess
from shape_audit.records import AuditRecord, ModelIdentity
from shape_audit.shape import described, place

UNKNOWN = "unknown"
"""Name and revision of a model that came without files."""
NOTE = "a model in memory: its name and revision are not known"


def audit_live(
    model: Any, tokenizer: Any, options: AuditOptions, phases: Phases, processes: SingleProcess
) -> AuditRecord:
    """The record that the saved model would give, but for its identity; not yet sealed.

    The model is left as it was: training flags, hooks, forward, dtype, requires_grad.

    Args:
        tokenizer: of transformers, or the folder of one.

    Raises:
        UsageError: no tokenizer, options that are about files, or another dtype or attention than the model has.
        NotAuditableError: not a dense causal LM.
        IncompleteError, NonFiniteError: as `audit` says.
    """
    from shape_audit.models import as_loaded, bare_model, headers_of

    model = bare_model(model)
    config = {**model.config.to_dict(), "dtype": str(model.dtype).removeprefix("torch.")}  # as it would be saved
    reading = described(type(model).__name__, config, headers_of(model))
    if reading.refusal:
        raise NotAuditableError(f"{type(model).__name__}: {reading.refusal}")
    interval = read_interval(options.interval) if options.interval else shipped_interval()
    record = AuditRecord(
        notes=[NOTE, *reading.notes],
        model=ModelIdentity(
            repo_id=UNKNOWN, revision=UNKNOWN, source="memory", subfolder=None, variant=None,
            architecture=type(model).__name__, model_type=reading.model_type, family=None,
        ),
        shape=reading.shape,
        placement=place(reading.shape.r_dw, interval, is_dense=reading.shape.is_dense),
        shape_cost=costs_of(reading.shape, options.yardstick, None),
        serving=reading.serving,
        calibration=None,
        loss=None,
        interaction=None,
        environment=environment(),
    )  # fmt: skip
    if options.shape_only:
        return record
    if tokenizer is None:
        raise UsageError("audit(model): a model in memory comes without files; give tokenizer= too")
    sites = parse_sites(options.measure.sites, reading.shape.num_hidden_layers)
    subject = Subject(type(model).__name__, reading.shape, sites)
    with as_loaded(model) as loaded:
        _refuse(options, loaded.dtype_name, loaded.attn_implementation)
        live = loaded, tokenizer_in_memory(tokenizer)
        return measure_live(subject, live, options, phases, processes).added_to(record)


def _refuse(options: AuditOptions, dtype: str, attention: str) -> None:
    """Raises UsageError where options ask for what only a checkpoint on disk can give."""
    if options.measure.nfa:
        raise UsageError("audit(model, nfa=True) reads weight files; save the model and audit its folder")
    if options.load.device_map is not None or options.load.device != "auto":
        raise UsageError("audit(model): a model in memory stays where it is; leave out device and device_map")
    if options.load.dtype not in ("auto", dtype):
        raise UsageError(f"audit(model): the model is {dtype}; leave out dtype, or convert the model first")
    wanted = "eager" if options.measure.protocol == "projected-output" else options.load.attn_implementation
    if wanted not in (None, attention):
        raise UsageError(f"audit(model): the model runs {attention} attention, not {wanted}; load it with that one")
    if options.score is not None:
        raise UsageError("audit(model): MMLU-Pro is run on a checkpoint; save the model and audit its folder")
