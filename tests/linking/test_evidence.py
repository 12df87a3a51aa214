"""Evidence on the shipped table and on simulated leaderboards whose truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import shape_audit
from shape_audit.interval import shipped_interval
from shape_audit.linking import Point, facts_of_records, link_evidence, make_points, parse_params
from shape_audit.linking.resampling import mid_ranks, partial_spearman, resample_counts
from shape_audit.linking.words import NOT_SUPPORTED, SUPPORTED, TOO_FEW, given_size
from shape_audit.records import LinkEvidence, ScoreRecord
from shape_audit.reports.comparison import comparison_table
from shape_audit.scores import LM_EVAL_LETTERS, OFFICIAL_COT, published_scores
from tests.conftest import Program
from tests.linking.simulated import simulated

DRAWS = 500


def evidence(points: list[Point], **how: object) -> LinkEvidence:
    given = {"protocol": LM_EVAL_LETTERS, "interval": shipped_interval(), "draws": DRAWS} | how
    return link_evidence(points, **given)  # type: ignore[arg-type]


def test_ranks_and_correlations_of_counts_are_those_of_the_resample() -> None:
    generator = np.random.default_rng(0)
    x, y, z = generator.integers(0, 6, size=(3, 30)).astype(float)
    counts = resample_counts([str(i // 3) for i in range(30)], 20, generator)
    assert (counts.sum(1) == 30).all() and (counts[:, 0] == counts[:, 1]).all()
    for row, found, given in zip(
        counts, partial_spearman([x, y], counts), partial_spearman([x, y, z], counts), strict=True
    ):
        index = np.repeat(np.arange(30), row.astype(int))
        assert mid_ranks(x, row[None])[0][index] == pytest.approx(stats.rankdata(x[index]))
        assert found == pytest.approx(stats.spearmanr(x[index], y[index])[0])
        ranks = [stats.rankdata(v[index]) for v in (x, y, z)]
        design = np.column_stack([np.ones(30), ranks[2]])
        left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in ranks[:2]]
        assert given == pytest.approx(np.corrcoef(*left)[0, 1])


def test_a_constant_column_has_no_correlation() -> None:
    ones = np.ones((2, 5))
    assert np.isnan(partial_spearman([np.zeros(5), np.arange(5.0)], ones)).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_effect_is_found(seed: int) -> None:
    found = evidence(simulated(seed, effect=0.06))
    assert found.verdict == SUPPORTED
    distance = given_size(found.predictors, "log_distance")
    assert distance and distance.rho and distance.rho < -0.4 and distance.p_permutation < 0.01


def test_an_effect_of_size_alone_is_hardly_ever_called_one_of_shape() -> None:
    """benchmarks/link_simulations.py has the rates over hundreds; one in twenty is what 95 % intervals allow."""
    found = [evidence(simulated(seed, effect=0.0, by_size=0.2), draws=100) for seed in range(20)]
    assert sum(one.verdict == SUPPORTED for one in found) <= 4
    for one in found:
        plain, given = one.predictors[1].associations[:2]
        assert plain.rho and given.rho is not None and plain.rho > 0.2 and abs(given.rho) < 0.35  # size made it


def test_few_models_say_nothing() -> None:
    found = evidence(simulated(0, effect=0.06, families=5))
    assert found.verdict == TOO_FEW and "15 models are not enough" in found.summary
    for inside, few in ((3, "3 models inside (117 outside)"), (117, "3 models outside"), (120, "0 models outside")):
        points = [replace(point, is_inside=i < inside) for i, point in enumerate(simulated(0, effect=0.06))]
        assert evidence(points).verdict == TOO_FEW and few in evidence(points).summary
    with pytest.raises(shape_audit.UsageError, match="nothing to link"):
        evidence([])


def test_the_shipped_table_agrees_with_an_independent_look() -> None:
    """The reference: 99 models, 49 families, 36 shapes; -.26 [-.42, -.07] and, given parameters, +.27 [+.10, +.43];
    distance given parameters -.26 [-.41, -.07]; 12 inside, mean .127 against .203; not supported."""
    points, left_out = make_points(
        published_scores(), shipped_interval(), protocol=LM_EVAL_LETTERS, params=parse_params("1e8:1e10")
    )
    found = evidence(points, left_out=left_out, draws=2000)
    assert (found.n_models, found.n_families, found.n_shapes) == (99, 49, 36)
    ratio, distance = found.predictors
    plain, given = ratio.associations[:2]
    assert plain.rho == pytest.approx(-0.26, abs=0.005) and given.rho == pytest.approx(0.27, abs=0.03)
    assert plain.ci_models == pytest.approx((-0.42, -0.07), abs=0.03)
    assert given.ci_models == pytest.approx((0.10, 0.43), abs=0.06)
    assert distance.associations[1].rho == pytest.approx(-0.26, abs=0.005)
    assert distance.associations[1].ci_models == pytest.approx((-0.41, -0.07), abs=0.03)
    shapes = distance.associations[1].ci_shapes
    assert shapes and shapes[0] < 0 < shapes[1] + 0.05
    assert found.contrast and found.optimum
    assert (found.contrast.n_inside, found.contrast.mean_inside) == (12, pytest.approx(0.127, abs=5e-4))
    assert found.contrast.mean_outside == pytest.approx(0.203, abs=5e-4)
    assert found.verdict == NOT_SUPPORTED and not found.optimum.is_located


@pytest.mark.parametrize(
    ("scores", "located", "says"),
    [
        ((0, 1, 2, 1, 0), True, "is located: peaks from 0.0"),
        ((2, 1, 0, 1, 2), False, "is not located: peaks from 0.0010 to 0.1000 of 0.0010"),
        ((0, 1, 2, 3, 4), False, "is not located: peaks from 0.0"),
        ((0, 3, 0, 3, 0), False, ", but for 0.0089 to 0.0126, of 0.0010"),
    ],
)
def test_a_best_ratio_is_one_from_which_scores_fall(scores: tuple[int, ...], located: bool, says: str) -> None:
    points = []
    for number, point in enumerate(simulated(0, effect=0.0, by_size=0.0)):
        step = number % len(scores)
        ratio = 0.001 * 100 ** (step / (len(scores) - 1))
        points.append(replace(point, r_dw=ratio, score=point.score + 0.02 * scores[step]))
    found = evidence(points)
    assert found.optimum and found.optimum.is_located is located and says in found.summary


def test_the_best_ratio_by_least_squares() -> None:
    """Of the shipped table, by numpy: twice the difference in log-likelihood from the best peak is within 3.84."""
    points, _ = make_points(published_scores(), shipped_interval(), protocol=LM_EVAL_LETTERS)
    score, size = (np.array([getattr(point, name) for point in points]) for name in ("score", "log_params"))
    ratio = np.log([point.r_dw for point in points])
    centres = np.linspace(ratio.min(), ratio.max(), 41)

    def fit(*columns: np.ndarray) -> tuple[float, float]:
        design = np.column_stack([np.ones_like(size), size, *columns])
        found, (left,), *_ = np.linalg.lstsq(design, score, rcond=None)
        return float(np.log(left) * len(points)), float(found[-1])

    fits = [fit(np.abs(ratio - centre)) for centre in centres]
    lack = np.array([lack if slope < 0 else fit()[0] for lack, slope in fits])
    close = np.exp(centres[lack - lack.min() <= 3.84])
    found = evidence(points).optimum
    assert found and found.best == pytest.approx(np.exp(centres[lack.argmin()]))
    assert found.compatible == pytest.approx((close[0], close[-1])) and close[0] == pytest.approx(0.0146, abs=1e-4)
    assert found.gaps == [] and len(close) == 25 and not found.is_located


def test_the_same_seed_gives_the_same_evidence() -> None:
    points = simulated(1, effect=0.02)
    assert evidence(points) == evidence(points) != evidence(points, seed=1)


def test_protocols_and_limited_runs_are_never_pooled() -> None:
    score = published_scores()[0]
    limited = score.model_copy(update={"is_limited": True})
    other = score.model_copy(update={"protocol": "lm-eval:leaderboard_mmlu_pro@0.2"})
    points, left_out = make_points([score, limited, other], shipped_interval(), protocol=score.protocol)
    assert [point.model for point in points] == [score.model] and left_out == ["limited runs: 1"]
    twice = score.model_copy(update={"value": score.value + 0.01})
    points, left_out = make_points([score, twice], shipped_interval(), protocol=score.protocol)
    assert points == [] and left_out == [f"{score.model}: its scores of this protocol disagree"]
    _, left_out = make_points(published_scores(), shipped_interval(), protocol=score.protocol)
    assert sorted(left_out) == [
        "instruction-tuned models: 6", "models made from another one: 15",
        "models of another domain than general text: 7", "models of fewer than 0.1B or more than 15B parameters: 2",
        "models whose shape is neither in the shipped table nor in a record: 1",
    ]  # fmt: skip
    cot, _ = make_points(published_scores(), shipped_interval(), protocol=OFFICIAL_COT, base_only=False)
    assert 5 <= len(cot) < 20


def test_base_and_tuned_models_of_one_shape_count_once() -> None:
    base, _ = make_points(published_scores(), shipped_interval(), protocol=LM_EVAL_LETTERS)
    everything, left_out = make_points(
        published_scores(), shipped_interval(), protocol=LM_EVAL_LETTERS, base_only=False
    )
    keys = [(point.family, point.shape, point.log_params) for point in everything]
    assert f"models of one family, shape and size with another: {109 + 6 - len(keys)}" in left_out
    assert len(set(keys)) == len(keys) >= len({(p.family, p.shape, p.log_params) for p in base})


@pytest.fixture(scope="module")
def record() -> shape_audit.AuditRecord:
    return shape_audit.audit("builtin:books-300k", windows=8, seq_len=64, device="cpu")


def test_measured_records_are_linked_and_never_mixed(record: shape_audit.AuditRecord) -> None:
    models = [score for score in published_scores() if score.protocol == LM_EVAL_LETTERS][:40]
    records = [
        record.model_copy(update={"model": record.model.model_copy(update={"repo_id": s.model, "source": "hub"})})
        for s in models
    ]
    points, _ = make_points(models, shipped_interval(), protocol=LM_EVAL_LETTERS, base_only=False,
                            facts=facts_of_records(records))  # fmt: skip
    assert set(points[0].predictors) == {
        "r_dw", "log_distance", "aofe_ratio", "aofe_normalized", "effective_rank", "share_of_width",
        "channel_alignment",
    }  # fmt: skip
    assert record.calibration is not None
    other = records[0].model_copy(update={"calibration": record.calibration.model_copy(update={"seq_len": 65})})
    with pytest.raises(shape_audit.UsageError, match="2 different texts, window lengths or protocols"):
        facts_of_records([*records, other])


@pytest.mark.parametrize("text", ["", "1e8", "a:b", "1e9:1e8", "0:5", "1:inf", "nan:2"])
def test_a_range_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(shape_audit.UsageError, match="it must be LOW:HIGH"):
        parse_params(text)


def test_the_command_prints_evidence_and_figures(program: Program, tmp_path: Path) -> None:
    done = program("link", "--draws", "200", "--figures", "figures", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    order = [done.stdout.index(claim) for claim in ("Loss at", "Benchmarks at", "MMLU-Pro across families. Not supp")]
    assert order == sorted(order), "what models trained alike say comes first"
    assert "Not supported: 109 models" in done.stdout and "Leaving them out selects on the outcome" in " ".join(
        done.stdout.split())  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "residual_against_distance.png", "residual_against_distance.svg", "score_against_r_dw.png",
        "score_against_r_dw.svg"]  # fmt: skip
    found = json.loads(program("link", "--draws", "200", "-f", "json").stdout)
    sets = [LinkEvidence.model_validate(one) for one in found]
    assert [one.with_floor for one in sets] == [True, False]
    assert [[claim.claim for claim in one.controlled] for one in sets] == [["loss", "benchmarks"], []]
    markdown = program("link", "--draws", "200", "-f", "markdown").stdout
    assert markdown.startswith("# Loss at equal size. Supported: 22 models") and "Not supported: 109 models" in markdown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--protocol", "choice-0shot"), "0 models with a score of choice-0shot are left"),
        (("--draws", "1"), "--draws must be between"),
        (("--params", "x"), "LOW:HIGH"),
        (("--records", "none"), "no such folder"),
        (("--scores", "none.json"), "No such file"),
    ],
)
def test_what_cannot_be_linked_is_said_in_a_line(program: Program, arguments: tuple[str, ...], says: str) -> None:
    done = program("link", *arguments)
    assert done.returncode in (2, 4) and says in done.stderr and done.stderr.count("\n") == 1


def test_scores_are_records() -> None:
    assert all(isinstance(score, ScoreRecord) for score in published_scores())


def test_folders_of_one_name_are_several_models(record: shape_audit.AuditRecord) -> None:
    """`checkpoint-1000`, `final`: what most scripts call every run's."""
    score = published_scores()[0].model_copy(update={"protocol": LM_EVAL_LETTERS, "model": "runs/x/final"})
    audits = []
    for number in range(2):
        model = record.model.model_copy(update={"repo_id": "final", "source": "folder", "revision": f"{number}" * 64})
        shape = record.shape.model_copy(update={"params_total": 10**9, "num_hidden_layers": 4 + number})
        own = [score.model_copy(update={"value": (0.2, 0.21)[number]})]
        audits.append(record.model_copy(update={"model": model, "shape": shape, "scores": own}))
    points, _ = make_points([], shipped_interval(), protocol=LM_EVAL_LETTERS, facts=facts_of_records(audits))
    assert [(point.model, point.score, point.shape) for point in points] == [
        ("final@0000000", 0.2, "4/64"), ("final@1111111", 0.21, "5/64"),
    ]  # fmt: skip
    assert [row[0] for row in comparison_table(audits).rows] == ["final@0000000", "final@1111111"]


def test_what_was_measured_of_a_branch_is_not_held_against_scores_of_another(record: shape_audit.AuditRecord) -> None:
    name = "EleutherAI/pythia-410m"
    audits = [
        record.model_copy(update={"model": record.model.model_copy(update={
            "repo_id": name, "source": "hub", "revision": letter * 40, "branch": branch})})
        for letter, branch in (("a", None), ("b", "step1000"))
    ]  # fmt: skip
    facts = facts_of_records(audits)
    assert facts.keys() == {name, f"{name}@step1000"}
    points, left_out = make_points(published_scores(), shipped_interval(), protocol=LM_EVAL_LETTERS, facts=facts)
    assert "aofe_ratio" in next(point for point in points if point.model == name).predictors
    assert "models without a score of this protocol: 1" in left_out


def test_records_bring_models_that_no_table_knows(record: shape_audit.AuditRecord) -> None:
    score = published_scores()[0].model_copy(update={"protocol": LM_EVAL_LETTERS})
    own = []
    for name in ("own/a", "own/b", "./folder"):
        model = record.model.model_copy(update={"repo_id": name})
        scores = [score.model_copy(update={"model": name, "value": 0.2 + len(own) / 100})]
        shape = record.shape.model_copy(update={"params_total": 10**9})
        own.append(record.model_copy(update={"model": model, "scores": scores, "shape": shape}))
    given = [score for one in own for score in one.scores or ()]
    without, left_out = make_points(given, shipped_interval(), protocol=LM_EVAL_LETTERS)
    assert without == [] and left_out == ["models whose shape is neither in the shipped table nor in a record: 3"]
    points, _ = make_points(given, shipped_interval(), protocol=LM_EVAL_LETTERS, facts=facts_of_records(own))
    assert [(point.model, point.family) for point in points] == [
        ("./folder", "."), ("own/a", "own"), ("own/b", "own"),
    ]  # fmt: skip
    assert {point.r_dw for point in points} == {record.shape.r_dw} and "aofe_ratio" in points[0].predictors
    found = shape_audit.link([], records=own, draws=100)
    assert [one.n_models for one in found] == [3] and found[0].verdict == TOO_FEW


def test_models_without_a_score_are_named_where_nothing_is_left_to_link(record: shape_audit.AuditRecord) -> None:
    with pytest.raises(shape_audit.UsageError, match=r"nothing to link .left out: models without a score .*: 1"):
        shape_audit.link([], records=[record], draws=100)
