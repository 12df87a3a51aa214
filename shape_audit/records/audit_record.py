"""One audit as one record. The keys are a promise to readers; absent parts are null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from shape_audit.records.frozen import Frozen
from shape_audit.records.model_ref import ModelRef
from shape_audit.records.model_use import ModelUse
from shape_audit.records.score_record import ScoreRecord
from shape_audit.records.shape_cost import Serving, ShapeCost
from shape_audit.records.shape_facts import ModelShape, Placement
from shape_audit.records.superposition import Superposition

SCHEMA_VERSION: Literal[3] = 3

CI = tuple[float, float] | None
"""A 95 % interval [low, high]; null where none was computed."""


class ModelIdentity(Frozen):
    """Which model, at which revision."""

    repo_id: str
    """`org/name` on the Hub, the folder's name, or `builtin:NAME`."""
    revision: str
    """Commit sha on the Hub; for a folder or built-in model the sha256 described in `hub.fingerprint`."""
    source: Literal["hub", "folder", "builtin", "memory"]
    """`memory` is a model that was audited without files, of which name and revision are not known."""
    subfolder: str | None
    """Where in the repository the model lies; null for its root."""
    variant: str | None
    """Weight-file variant, such as fp16; null for the plain ones."""
    architecture: str | None
    """Class named by the config, for instance LlamaForCausalLM."""
    model_type: str | None
    family: str | None
    """As the shipped table of known models has it; null for a model that is not in it."""
    released: str | None = None
    """The day on which its repository on the Hub was made, as YYYY-MM-DD; null for one from before 3 March 2022, whose
    day the Hub does not know, for a model that is not on the Hub, and in older records, as the next two."""
    license: str | None = None
    """As its card on the Hub states it."""
    license_link: str | None = None
    """Where the card says that the licence's text is: an address, or a file of the repository."""
    branch: str | None = None
    """The branch or tag of the Hub that was asked for by its name; null for the default one, for a commit, and in older
    records."""

    @property
    def ref(self) -> ModelRef:
        """The same as a reference; where a folder lay is not recorded."""
        inside = self.subfolder or ""
        return ModelRef(self.source, self.repo_id, self.revision, inside, self.variant, asked=self.branch)

    @property
    def label(self) -> str:
        """What it is called among other models."""
        return self.ref.label


def names_apart(models: Sequence[ModelIdentity]) -> list[str]:
    """The label of each model; where models of different revisions would have the same, with the beginning of the
    revision: `final@ab12cd3`."""
    revisions: dict[str, set[str]] = {}
    for model in models:
        revisions.setdefault(model.label, set()).add(model.revision)
    return [
        f"{model.label}@{model.revision[:7]}" if len(revisions[model.label]) > 1 else model.label for model in models
    ]


class Calibration(Frozen):
    """The text the numbers were measured on."""

    dataset: str
    config: str | None
    revision: str | None
    split: str | None
    column: str | None
    text_sha256: str
    tokenizer_sha256: str
    adds_bos: bool
    windows: int
    seq_len: int
    """Input ids of each window (BOS included); each has one target."""
    passage_bytes: int | None
    """Length of a slot in bytes; null for replayed windows."""
    tokens: int
    """Targets over all windows: windows * seq_len."""
    bytes: int | None
    """UTF-8 bytes that the targets cover; null where the tokenizer gives no offsets."""
    seed: int | None


class Loss(Frozen):
    """Cross-entropy on the calibration windows."""

    nats_per_token: float
    nats_per_token_ci: CI = None
    bits_per_byte: float | None
    bits_per_byte_ci: CI = None


class SiteInteraction(Frozen):
    """How the channels of the residual stream interact at one site; formulas are in
    `interaction.estimators.statistics`.

    Plain and `_raw` values are U-statistics (products of different windows only), null for a single window and for
    a site that no gradient reaches;
    `_plugin` values are the biased ones that published figures use; plain ratios are `_raw` ones without their
    first-order bias, from 6 windows on. `_ci` values are 95 % intervals, from 6 windows on.
    """

    name: str
    """`embedding` (the input of block 0), `block.K` (the output of block K), `output` (projected logits), or `input`
    (the one-hot inputs of all positions)."""
    width: int
    aofe: float | None
    """Off-diagonal energy of the AGOP: ||G||_F^2 - sum_i G_ii^2, in nats^4 per activation unit^4."""
    aofe_plugin: float
    aofe_ci: CI = None
    aofe_ratio: float | None
    """AOFE / ||G||_F^2."""
    aofe_ratio_raw: float | None
    aofe_ratio_plugin: float | None
    aofe_ratio_ci: CI = None
    aofe_normalized: float | None
    """AOFE / tr(G)^2."""
    aofe_normalized_raw: float | None
    aofe_normalized_plugin: float | None
    aofe_normalized_ci: CI = None
    mean_cos2: float | None
    """Mean squared cosine between channel gradients: AOFE / (tr(G)^2 - sum_i G_ii^2)."""
    mean_cos2_raw: float | None
    mean_cos2_plugin: float | None
    mean_cos2_ci: CI = None
    effective_rank: float | None
    """Participation ratio tr(G)^2 / ||G||_F^2."""
    effective_rank_raw: float | None
    effective_rank_plugin: float | None
    effective_rank_ci: CI = None
    aofe_ratio_random_basis: float | None = None
    """R0 = 1 - (effective rank + 2) / (width + 2): what the AOFE-ratio of this AGOP is on average over all bases."""
    aofe_ratio_random_basis_raw: float | None = None
    aofe_ratio_random_basis_plugin: float | None = None
    aofe_ratio_random_basis_ci: CI = None
    aofe_ratio_excess: float | None = None
    """AOFE-ratio - R0: below 0 where channels are more separate than those of a random basis."""
    aofe_ratio_excess_raw: float | None = None
    aofe_ratio_excess_plugin: float | None = None
    aofe_ratio_excess_ci: CI = None
    """Null in records that were written before schema 2, as the next one's."""
    channel_alignment: float | None = None
    """- excess / R0: 0 where channels are as any basis would be, 1 where every channel acts alone."""
    channel_alignment_raw: float | None = None
    channel_alignment_plugin: float | None = None
    channel_alignment_ci: CI = None
    trace: float
    """tr(G): mean squared gradient norm per token, in nats^2 per activation unit^2."""
    trace_ci: CI = None
    spectrum: list[float] | None = None
    """The largest eigenvalues of the plug-in G, where asked for, in descending order."""
    spectrum_share: float | None = None
    """The share of tr(G) that they carry."""
    below_noise_floor: bool
    """True where a U-statistic leaves its range (negative AOFE, rank above the width): noise, never clipped."""
    rounding_error: dict[str, float | None] = Field(default_factory=dict)
    """Number (`aofe`, `aofe_ratio`, `aofe_ratio_plugin`, `spectrum`, ...) -> bound on its rounding error, in its own
    unit; null where it may be all of it. That of a plain ratio holds for its `_raw` value too; that of `spectrum` for
    each eigenvalue. See `interaction.estimators.rounding`. Empty where no gradient reaches the site, and in older
    records."""
    limited_by_rounding: list[str] = Field(default_factory=list)
    """Those whose bound is more than a tenth of half the interval, or where there is none a hundredth of the value."""
    heaviest_window: int | None = None
    """Number of the window with the largest gradients, from 0; null in older records."""
    heaviest_window_share: float | None = None
    """Its share of tr(G): of K like windows each has 1/K."""

    @property
    def share_of_width(self) -> float | None:
        """The effective rank over the width: the share of all directions that gradients use."""
        return None if self.effective_rank is None else self.effective_rank / self.width

    @property
    def is_rounding_only(self) -> bool:
        """Whether rounding errors are as large as the gradients themselves: the true ones may be zero."""
        return (self.rounding_error.get("trace") or 0.0) > self.trace / 2


class Interaction(Frozen):
    """The interaction profile: one protocol, every chosen site."""

    protocol: str
    parameters: dict[str, float | int | str]
    dtype: str
    attn_implementation: str
    protocol_hash: str
    windows_used: int
    converged: bool | None
    """Whether the tolerance was reached; null where none was asked for."""
    sites: list[SiteInteraction]


class WeightInteraction(Frozen):
    """One weight matrix W that reads the residual stream, a row an output and a column a channel; M = W^T W.

    Energies of M are exact. Correlations are with the AGOP of the loss gradient at the tensor that feeds W, whatever
    the protocol of the profile, on the same windows; see `interaction.neural_feature_ansatz`.
    """

    name: str
    """`block.K.ROLE` with ROLE one of q, k, v, gate, up, or the place in the block of a layer whose name says no role
    (`self_attn-kv_a_proj`); or `embedding`, `unembedding`."""
    tensor: str
    """Its name in the checkpoint. Parts of a fused matrix have the same, and so have tied matrices."""
    shape: tuple[int, int]
    """Rows (outputs) and columns (channels) of W, whichever way it is stored."""
    aofe_ratio: float | None
    """1 - sum_i M_ii^2 / ||M||_F^2; null for a matrix of zeros."""
    mean_cos2: float | None
    """Mean squared cosine between the columns of W."""
    nfa_correlation: float | None
    """Cosine between the off-diagonal parts of M and of the AGOP; null where that one's energy is below the noise."""
    nfa_correlation_random: float | None
    """The same of this architecture re-initialised from its config, mean over three seeds: it is not zero."""
    nfa_correlation_random_range: tuple[float, float] | None
    """Lowest and highest of the three."""

    @property
    def role(self) -> str:
        return self.name.rpartition(".")[2]


class WallSeconds(Frozen):
    """Where the time went, in seconds by phase. The phases have no gaps between them: their sum is the time from the
    start of the process, or of the call from Python, until the record was sealed. Older records have three of them."""

    start: float | None = None
    """Starting the program and reading its options; near 0 for a call from Python and for a second model."""
    read: float | None = None
    """Config and tensor headers."""
    scores: float | None = None
    """Known scores, and MMLU-Pro where it was run."""
    imports: float | None = None
    """Loading torch, transformers and the model's code, and planning memory."""
    text: float | None = None
    """Reading the text and the tokenizer, and cutting windows."""
    load: float
    """Downloading and loading the weights."""
    warm_up: float | None = None
    """The first windows, up to the end of the first forward and backward pass."""
    pass_: Annotated[float, Field(alias="pass")]
    """The windows after those; all windows in older records."""
    reduce: float
    """Turning sums into numbers."""
    use: float | None = None
    """Token vectors, and leaving out blocks."""
    weights: float | None = None
    """Comparing weights with gradients."""


class Environment(Frozen):
    """What may differ between two runs of the same audit."""

    versions: dict[str, str]
    device: str | None
    world_size: int | None
    threads: int | None
    micro_batch: int | None
    wall_seconds: WallSeconds | None
    tokens_per_second: float | None
    peak_memory_bytes: int
    date: str
    """UTC, ISO 8601."""


class AuditRecord(Frozen):
    """One audit. `record_sha256` is the hash of all the rest but `environment`, of which only
    the date is in it."""

    schema_version: Literal[3] = SCHEMA_VERSION
    record_sha256: str = ""
    notes: list[str]
    """What a reader should know: disagreements between config and tensors, numbers below the noise floor ..."""
    model: ModelIdentity
    shape: ModelShape
    placement: Placement
    shape_cost: list[ShapeCost] | None = None
    """By each yardstick, basis and price; null where the model is not dense, and in older records."""
    serving: Serving | None = None
    """Null where the model is not dense, and in older records."""
    calibration: Calibration | None
    loss: Loss | None
    interaction: Interaction | None
    weights: list[WeightInteraction] | None = None
    """The matrices that read the residual stream; null where they were not asked for, or are not known."""
    use: ModelUse | None = None
    """What the model does with its depth; null where no backward pass was made."""
    superposition: Superposition | None = None
    """How crowded the directions of its tokens are; null where nothing was measured."""
    scores: list[ScoreRecord] | None = None
    """MMLU-Pro scores known for the model, by protocol and source; null where none is."""
    environment: Environment
