"""Frozen result types: what one audit found, as JSON that can be read, hashed and compared.

ModelRef                     which model is meant: the one identity, and the rule for "the same model"
AuditRecord                  one audit; `AuditRecord.model_json_schema()` is its JSON Schema
Board                        the comparison leaderboard
CheckReport                  findings of one `shape-audit check`
ScoreRecord                  one score of one model, with its protocol
SweepPlan, SweepRow          what a sweep trains, and a line of its table
ShapeSuggestion              shapes that `shape-audit suggest` found for a number of parameters
IntervalDerivation           what `shape-audit interval` derives from a sweep table
sealed, write_record, read_record      hash, write atomically, read and verify
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.records.atomic import write_bytes_atomically, write_text_atomically
from shape_audit.records.folder_lock import FolderLock
from shape_audit.records.model_ref import ModelRef, Source
from shape_audit.records.reading import MAX_SMALL_FILE, read_small_file

if TYPE_CHECKING:
    from shape_audit.records.audit_record import (
        SCHEMA_VERSION,
        AuditRecord,
        Calibration,
        Environment,
        Interaction,
        Loss,
        ModelIdentity,
        SiteInteraction,
        WallSeconds,
        WeightInteraction,
    )
    from shape_audit.records.board import Board, BoardMeasurement, BoardRow, Order, RowSource
    from shape_audit.records.check_report import SEVERITIES, Accepted, CheckReport, Finding, Severity
    from shape_audit.records.files import check_writable, read_record, record_file_name, safe_file_name, write_record
    from shape_audit.records.frozen import Frozen
    from shape_audit.records.hashing import canonical_json, sealed, sha256_of
    from shape_audit.records.interval_derivation import (
        BestShape,
        BudgetRange,
        Edge,
        FittedBest,
        IntervalDerivation,
        LossFit,
        SeedBootstrap,
        ToleranceRow,
    )
    from shape_audit.records.link_evidence import Association, Contrast, LinkEvidence, Optimum, Predictor
    from shape_audit.records.model_use import BlockNumbers, BlockUse, DepthSummary, ModelUse, SpanUse
    from shape_audit.records.score_record import AmongSize, Provider, ScoreRecord
    from shape_audit.records.shape_facts import Interval, Ledger, ModelShape, Placement, Side
    from shape_audit.records.shape_suggestion import (
        Counted,
        ExistingModel,
        ShapeSuggestion,
        SizeNeighbours,
        SuggestedShape,
    )
    from shape_audit.records.superposition import MatrixSuperposition, Superposition
    from shape_audit.records.sweep_plan import LeftOutShape, PlannedShape, Precision, SweepPlan
    from shape_audit.records.sweep_row import SweepRow

__all__ = [
    "MAX_SMALL_FILE",
    "SCHEMA_VERSION",
    "SEVERITIES",
    "Accepted",
    "AmongSize",
    "Association",
    "AuditRecord",
    "BestShape",
    "BlockNumbers",
    "BlockUse",
    "Board",
    "BoardMeasurement",
    "BoardRow",
    "BudgetRange",
    "Calibration",
    "CheckReport",
    "Contrast",
    "Counted",
    "DepthSummary",
    "Edge",
    "Environment",
    "ExistingModel",
    "Finding",
    "FittedBest",
    "FolderLock",
    "Frozen",
    "Interaction",
    "Interval",
    "IntervalDerivation",
    "Ledger",
    "LeftOutShape",
    "LinkEvidence",
    "Loss",
    "LossFit",
    "MatrixSuperposition",
    "ModelIdentity",
    "ModelRef",
    "ModelShape",
    "ModelUse",
    "Optimum",
    "Order",
    "Placement",
    "PlannedShape",
    "Precision",
    "Predictor",
    "Provider",
    "RowSource",
    "ScoreRecord",
    "SeedBootstrap",
    "Severity",
    "ShapeSuggestion",
    "Side",
    "SiteInteraction",
    "SizeNeighbours",
    "Source",
    "SpanUse",
    "SuggestedShape",
    "Superposition",
    "SweepPlan",
    "SweepRow",
    "ToleranceRow",
    "WallSeconds",
    "WeightInteraction",
    "canonical_json",
    "check_writable",
    "read_record",
    "read_small_file",
    "record_file_name",
    "safe_file_name",
    "sealed",
    "sha256_of",
    "write_bytes_atomically",
    "write_record",
    "write_text_atomically",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Accepted": "check_report",
        "AmongSize": "score_record",
        "Association": "link_evidence",
        "AuditRecord": "audit_record",
        "BestShape": "interval_derivation",
        "BlockNumbers": "model_use",
        "BlockUse": "model_use",
        "Board": "board",
        "BoardMeasurement": "board",
        "BoardRow": "board",
        "BudgetRange": "interval_derivation",
        "Calibration": "audit_record",
        "CheckReport": "check_report",
        "Contrast": "link_evidence",
        "Counted": "shape_suggestion",
        "DepthSummary": "model_use",
        "Edge": "interval_derivation",
        "Environment": "audit_record",
        "ExistingModel": "shape_suggestion",
        "Finding": "check_report",
        "FittedBest": "interval_derivation",
        "Frozen": "frozen",
        "Interaction": "audit_record",
        "Interval": "shape_facts",
        "IntervalDerivation": "interval_derivation",
        "Ledger": "shape_facts",
        "LeftOutShape": "sweep_plan",
        "LinkEvidence": "link_evidence",
        "Loss": "audit_record",
        "LossFit": "interval_derivation",
        "ModelIdentity": "audit_record",
        "ModelShape": "shape_facts",
        "ModelUse": "model_use",
        "Optimum": "link_evidence",
        "Order": "board",
        "Placement": "shape_facts",
        "PlannedShape": "sweep_plan",
        "Precision": "sweep_plan",
        "Predictor": "link_evidence",
        "Provider": "score_record",
        "RowSource": "board",
        "SCHEMA_VERSION": "audit_record",
        "SEVERITIES": "check_report",
        "ScoreRecord": "score_record",
        "SeedBootstrap": "interval_derivation",
        "Severity": "check_report",
        "ShapeSuggestion": "shape_suggestion",
        "Side": "shape_facts",
        "SiteInteraction": "audit_record",
        "SizeNeighbours": "shape_suggestion",
        "SuggestedShape": "shape_suggestion",
        "SweepPlan": "sweep_plan",
        "MatrixSuperposition": "superposition",
        "SpanUse": "model_use",
        "Superposition": "superposition",
        "SweepRow": "sweep_row",
        "ToleranceRow": "interval_derivation",
        "WallSeconds": "audit_record",
        "WeightInteraction": "audit_record",
        "canonical_json": "hashing",
        "check_writable": "files",
        "read_record": "files",
        "record_file_name": "files",
        "safe_file_name": "files",
        "sealed": "hashing",
        "sha256_of": "hashing",
        "write_record": "files",
    },
)
