"""Plug-in values against the definitions of the authors' code, written out here in our own words.

Law of Neural Interaction, github.com/wenjie1835/Interaction_Law, commit 5664889: AGOP of token embeddings and its three
figures (`shape_scan/transformer_shape_scan.py`), the projected output AGOP (`budget_scaling/transformer_ntp_shape_
sweep.py`).
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from shape_audit.interaction.protocols.projected_output import PROJECTIONS, ProjectedOutput
from shape_audit.interaction.site_report import site_interaction
from shape_audit.interaction.stream.sites import OUTPUT, Site
from shape_audit.interaction.twins.profile_twin import projected_jacobian
from tests.interaction.measured import LONG, SHORT, measured_sums, random_windows
from tests.tiny_models import tiny_model


def published_figures(agop: np.ndarray) -> dict[str, float]:
    """Off-diagonal energy, its share, and the weighted mean of squared cosines of a Gram-like matrix."""
    diagonal = np.diag(agop)
    aofe = float(((agop - np.diag(diagonal)) ** 2).sum())
    weights = float(diagonal.sum() ** 2 - (diagonal**2).sum())
    return {"aofe": aofe, "aofe_ratio": aofe / float((agop**2).sum()), "mean_cos2": aofe / weights}


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt"])
def test_embedding_channels(name: str) -> None:
    """Gradients of the summed loss of a batch with respect to token embeddings; g g^T averaged over tokens."""
    model, windows = tiny_model(name, torch.float64), random_windows(6, LONG)
    ids = torch.tensor(windows)
    embeddings = model.get_input_embeddings()(ids[:, :-1]).detach().requires_grad_(True)
    logits = model(inputs_embeds=embeddings).logits
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
    flat = torch.autograd.grad(loss, embeddings)[0].flatten(0, 1).numpy()
    expected = published_figures(flat.T @ flat / len(flat))
    site = site_interaction("embedding", measured_sums(model, windows)[Site(0)])
    for figure, value in expected.items():
        assert getattr(site, f"{figure}_plugin") == pytest.approx(value, rel=1e-6), figure


def test_projected_logits_of_the_last_position() -> None:
    """Columns y and the rest of a window against the double-backward product the authors call, and G against M M^T."""
    model, (window,), protocol = tiny_model("gpt2", torch.float64), random_windows(1, LONG), ProjectedOutput()
    model.set_attn_implementation("eager")
    projection = protocol.projection(256)
    assert projection.shape == (PROJECTIONS, 256)
    assert float(projection.var()) == pytest.approx(1 / PROJECTIONS, rel=0.05)
    embeddings = model.get_input_embeddings()(torch.tensor([window[:-1]])).detach()

    def projected(e: torch.Tensor) -> torch.Tensor:
        return model(inputs_embeds=e).logits[:, -1] @ projection.T

    cotangent, tangents = protocol.draws(0, *embeddings.shape[1:])
    q = torch.autograd.functional.vjp(projected, embeddings, cotangent.unsqueeze(0))[1]
    q /= q.norm()
    agop = torch.zeros(PROJECTIONS, PROJECTIONS, dtype=torch.float64)
    for direction, share in [(q, 1.0), *((u - q * (q * u).sum(), 1 / len(tangents)) for u in tangents)]:
        product = torch.autograd.functional.jvp(projected, embeddings, direction.view_as(embeddings))[1]
        agop += share * product.T @ product
    site = site_interaction("output", measured_sums(model, [window], protocol=protocol)[OUTPUT])
    for figure, value in published_figures(agop.numpy()).items():
        assert getattr(site, f"{figure}_plugin") == pytest.approx(value, rel=1e-6), figure


def test_windows_average_over_draws_to_the_whole_jacobian() -> None:
    """E A_s = M M^T, M row by row: a direction taken from M itself biases nothing. Draws are of a window's number."""
    model, (window,), protocol = tiny_model("gpt2", torch.float64), random_windows(1, SHORT), ProjectedOutput()
    model.set_attn_implementation("eager")
    jacobian = projected_jacobian(model, window, protocol)
    expected, draws = jacobian @ jacobian.T, 800
    sums = measured_sums(model, [window] * draws, batch=100, protocol=protocol)[OUTPUT]
    rows = sums.rows()
    trace_K = rows.trace_K / (rows.tokens / draws)
    error = float(trace_K.std()) / draws**0.5
    assert error < 0.02 * float(expected.trace())
    assert float(trace_K.mean()) == pytest.approx(float(expected.trace()), abs=4 * error)
    # the noise of 800 draws is some 6 % of the norm; q counted twice would add half of it
    assert float((sums.agop_DD / rows.tokens - expected).norm() / expected.norm()) < 0.12
