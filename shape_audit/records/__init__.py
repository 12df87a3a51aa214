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
ModelUse, Superposition      what a model does with its depth, and how crowded its tokens' directions are
YardstickReport              what a fixed-budget sweep says of the best shape
sealed, write_record, read_record      hash, write atomically, read and verify
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.records.atomic import write_bytes_atomically, write_text_atomically
from shape_audit.records.model_ref import ModelRef, Source
from shape_audit.records.reading import MAX_SMALL_FILE, read_small_file

if TYPE_CHECKING:
    from shape_audit.records.audit_record import (
        AuditRecord,
        Calibration,
        Environment,
        Interaction,
        Loss,
        ModelIdentity,
        SiteInteraction,
        WallSeconds,
        WeightInteraction,
        names_apart,
    )
    from shape_audit.records.board import Board, BoardMeasurement, BoardRow, Order
    from shape_audit.records.check_report import SEVERITIES, Accepted, CheckReport, Finding, Severity
    from shape_audit.records.controlled_evidence import (
        BestAtEqualSize,
        ControlledEvidence,
        Effect,
        SuiteBudget,
        SuiteShape,
    )
    from shape_audit.records.files import (
        check_writable,
        former_file_name,
        read_record,
        read_record_folder,
        record_file_name,
        ref_file_name,
        safe_file_name,
        write_record,
    )
    from shape_audit.records.folder_lock import FolderLock
    from shape_audit.records.frozen import Frozen
    from shape_audit.records.hashing import findings_sha256, sealed, sha256_of
    from shape_audit.records.interaction_loss import (
        AgainstRandomBasis,
        BudgetCorrelation,
        InteractionAndLoss,
        LossCorrelation,
        OpenModelsAndLoss,
        PowerFit,
        QuantityAndLoss,
    )
    from shape_audit.records.interval_derivation import (
        BestAgainstLength,
        BestShape,
        BudgetRange,
        Edge,
        FittedBest,
        IntervalDerivation,
        LengthDrift,
        LengthRange,
        LossFit,
        SeedBootstrap,
        ToleranceRow,
    )
    from shape_audit.records.link_evidence import Association, Contrast, LinkEvidence, Optimum, Predictor
    from shape_audit.records.model_use import BlockNumbers, BlockUse, DepthSummary, ModelUse, RankStep, SiteUse, SpanUse
    from shape_audit.records.reading import parse_toml
    from shape_audit.records.score_record import SAME_SCORE, AmongSize, ScoreRecord
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
    from shape_audit.records.superposition import MatrixSuperposition, Superposition
    from shape_audit.records.sweep_plan import LeftOutShape, PlannedShape, Precision, SweepPlan
    from shape_audit.records.sweep_row import SweepRow
    from shape_audit.records.yardstick_report import (
        Band,
        BestAt,
        ComparedShape,
        Comparison,
        GroupShape,
        LawVariant,
        OtherLaw,
        ShapeGroup,
        ShapeLaw,
        YardstickReport,
    )

__all__ = [
    "MAX_SMALL_FILE",
    "SAME_SCORE",
    "SEVERITIES",
    "Accepted",
    "AgainstRandomBasis",
    "AmongSize",
    "Association",
    "AuditRecord",
    "Band",
    "Basis",
    "BestAgainstLength",
    "BestAt",
    "BestAtEqualSize",
    "BestShape",
    "BlockNumbers",
    "BlockUse",
    "Board",
    "BoardMeasurement",
    "BoardRow",
    "BudgetCorrelation",
    "BudgetRange",
    "Calibration",
    "CheckReport",
    "ComparedShape",
    "Comparison",
    "Contrast",
    "ControlledEvidence",
    "Counted",
    "DepthSummary",
    "Edge",
    "Effect",
    "Environment",
    "ExistingModel",
    "Finding",
    "FittedBest",
    "FolderLock",
    "Frozen",
    "Goal",
    "GroupShape",
    "Interaction",
    "InteractionAndLoss",
    "Interval",
    "IntervalDerivation",
    "LawVariant",
    "Ledger",
    "LeftOutShape",
    "LengthDrift",
    "LengthRange",
    "LinkEvidence",
    "Loss",
    "LossCorrelation",
    "LossFit",
    "MatrixSuperposition",
    "ModelIdentity",
    "ModelRef",
    "ModelShape",
    "ModelUse",
    "OpenModelsAndLoss",
    "Optimum",
    "Order",
    "OtherLaw",
    "Placement",
    "PlannedShape",
    "PowerFit",
    "Precision",
    "Predictor",
    "Price",
    "QuantityAndLoss",
    "RankStep",
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
    "SiteUse",
    "SizeNeighbours",
    "Source",
    "SpanUse",
    "SuggestedShape",
    "SuiteBudget",
    "SuiteShape",
    "Superposition",
    "SweepPlan",
    "SweepRow",
    "ToleranceRow",
    "WallSeconds",
    "WeightInteraction",
    "YardstickReport",
    "check_writable",
    "findings_sha256",
    "former_file_name",
    "names_apart",
    "parse_toml",
    "read_record",
    "read_record_folder",
    "read_small_file",
    "record_file_name",
    "ref_file_name",
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
        "audit_record": (
            "AuditRecord Calibration Environment Interaction Loss ModelIdentity SiteInteraction WallSeconds "
            "WeightInteraction names_apart"
        ),
        "board": "Board BoardMeasurement BoardRow Order",
        "check_report": "Accepted CheckReport Finding SEVERITIES Severity",
        "controlled_evidence": "BestAtEqualSize ControlledEvidence Effect SuiteBudget SuiteShape",
        "files": (
            "check_writable former_file_name read_record read_record_folder record_file_name ref_file_name "
            "safe_file_name write_record"
        ),
        "folder_lock": "FolderLock",
        "frozen": "Frozen",
        "hashing": "findings_sha256 sealed sha256_of",
        "interaction_loss": (
            "AgainstRandomBasis BudgetCorrelation InteractionAndLoss LossCorrelation OpenModelsAndLoss PowerFit "
            "QuantityAndLoss"
        ),
        "interval_derivation": (
            "BestAgainstLength BestShape BudgetRange Edge FittedBest IntervalDerivation LengthDrift LengthRange "
            "LossFit SeedBootstrap ToleranceRow"
        ),
        "link_evidence": "Association Contrast LinkEvidence Optimum Predictor",
        "model_use": "BlockNumbers BlockUse DepthSummary ModelUse RankStep SiteUse SpanUse",
        "reading": "parse_toml",
        "score_record": "AmongSize SAME_SCORE ScoreRecord",
        "shape_cost": "Basis Price Serving ShapeCost",
        "shape_facts": "Interval Ledger ModelShape Placement Side",
        "shape_suggestion": "Counted ExistingModel Goal ShapeSuggestion SizeNeighbours SuggestedShape",
        "superposition": "MatrixSuperposition Superposition",
        "sweep_plan": "LeftOutShape PlannedShape Precision SweepPlan",
        "sweep_row": "SweepRow",
        "yardstick_report": (
            "Band BestAt ComparedShape Comparison GroupShape LawVariant OtherLaw ShapeGroup ShapeLaw YardstickReport"
        ),
    },
)
