"""Frozen result types: what one audit found, as JSON that can be read, hashed and compared.

ModelRef                     which model is meant: the one identity, and the rule for "the same model"
AuditRecord                  one audit; `AuditRecord.model_json_schema()` is its JSON Schema
Board                        the comparison leaderboard
CheckReport                  findings of one `shape-audit check`
ScoreRecord                  one score of one model, with its protocol
SweepPlan, SweepRow          what a sweep trains, and a line of its table
ShapeSuggestion              shapes that `shape-audit suggest` found for a number of parameters
IntervalDerivation           what `shape-audit interval` derives from a sweep table
ShapeCost, Serving           what a shape costs in loss, and when the model is served
YardstickReport              what a fixed-budget sweep says of the best shape
sealed, write_record, read_record      hash, write atomically, read and verify
"""

from shape_audit.records.atomic import write_bytes_atomically, write_text_atomically
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
from shape_audit.records.folder_lock import FolderLock
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
from shape_audit.records.model_ref import ModelRef, Source
from shape_audit.records.reading import MAX_SMALL_FILE, read_small_file
from shape_audit.records.score_record import AmongSize, Provider, ScoreRecord
from shape_audit.records.shape_cost import Basis, Price, Serving, ShapeCost
from shape_audit.records.shape_facts import Interval, Ledger, ModelShape, Placement, Side
from shape_audit.records.shape_suggestion import (
    Counted,
    ExistingModel,
    Goal,
    ShapeSuggestion,
    SizeNeighbours,
    SuggestedShape,
)
from shape_audit.records.sweep_plan import LeftOutShape, PlannedShape, Precision, SweepPlan
from shape_audit.records.sweep_row import SweepRow
from shape_audit.records.yardstick_report import (
    Band,
    BestAt,
    GroupShape,
    LawVariant,
    OtherLaw,
    ShapeGroup,
    ShapeLaw,
    YardstickReport,
)

__all__ = [
    "MAX_SMALL_FILE",
    "SCHEMA_VERSION",
    "SEVERITIES",
    "Accepted",
    "AmongSize",
    "Association",
    "AuditRecord",
    "Band",
    "Basis",
    "BestAt",
    "BestShape",
    "Board",
    "BoardMeasurement",
    "BoardRow",
    "BudgetRange",
    "Calibration",
    "CheckReport",
    "Contrast",
    "Counted",
    "Edge",
    "Environment",
    "ExistingModel",
    "Finding",
    "FittedBest",
    "FolderLock",
    "Frozen",
    "Goal",
    "GroupShape",
    "Interaction",
    "Interval",
    "IntervalDerivation",
    "LawVariant",
    "Ledger",
    "LeftOutShape",
    "LinkEvidence",
    "Loss",
    "LossFit",
    "ModelIdentity",
    "ModelRef",
    "ModelShape",
    "Optimum",
    "Order",
    "OtherLaw",
    "Placement",
    "PlannedShape",
    "Precision",
    "Predictor",
    "Price",
    "Provider",
    "RowSource",
    "ScoreRecord",
    "SeedBootstrap",
    "Serving",
    "Severity",
    "ShapeCost",
    "ShapeGroup",
    "ShapeLaw",
    "ShapeSuggestion",
    "Side",
    "SiteInteraction",
    "SizeNeighbours",
    "Source",
    "SuggestedShape",
    "SweepPlan",
    "SweepRow",
    "ToleranceRow",
    "WallSeconds",
    "WeightInteraction",
    "YardstickReport",
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
