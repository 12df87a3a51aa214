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
from tests.interaction.measured import LONG, measured_sums, random_windows
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
    """E[(P J u)(P J u)^T], u Gaussian over all input embeddings, by the double-backward product the authors call."""
    model, windows, protocol = tiny_model("gpt2", torch.float64), random_windows(5, LONG), ProjectedOutput()
    model.set_attn_implementation("eager")
    projection = protocol.projection(256)
    assert projection.shape == (PROJECTIONS, 256)
    assert float(projection.var()) == pytest.approx(1 / PROJECTIONS, rel=0.05)
    agop = torch.zeros(PROJECTIONS, PROJECTIONS, dtype=torch.float64)
    for number, window in enumerate(windows):
        embeddings = model.get_input_embeddings()(torch.tensor([window[:-1]])).detach()
        tangent = protocol.tangent(number, *embeddings.shape[1:]).unsqueeze(0)
        _, product = torch.autograd.functional.jvp(
            lambda e: model(inputs_embeds=e).logits[:, -1] @ projection.T, embeddings, tangent
        )
        agop += product.T @ product / len(windows)
    site = site_interaction("output", measured_sums(model, windows, protocol=protocol)[OUTPUT])
    for figure, value in published_figures(agop.numpy()).items():
        assert getattr(site, f"{figure}_plugin") == pytest.approx(value, rel=1e-6), figure
