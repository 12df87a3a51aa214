"""Losses and their gradients in float32, against float64, however sure the model is."""

import pytest
import torch
import torch.nn.functional as F

from shape_audit.models.logits import window_losses


@pytest.mark.parametrize("lead", [-30.0, 0.0, 3.0, 4.6, 12.0, 18.0, 40.0, 80.0])
def test_gradients_are_right_to_float32(lead: float) -> None:
    logits = torch.randn(2, 5, 40, generator=torch.Generator().manual_seed(1))
    targets = torch.randint(0, 40, (2, 5), generator=torch.Generator().manual_seed(2))
    logits.scatter_(2, targets.unsqueeze(2), lead)
    given, exact = logits.requires_grad_(), logits.detach().double().requires_grad_()
    losses = window_losses(given, targets)
    odds = exact.scatter(2, targets.unsqueeze(2), -torch.inf).logsumexp(2) - lead
    truth = F.softplus(odds, threshold=1e9).sum(1)
    torch.testing.assert_close(losses.double(), truth, rtol=2e-5, atol=0)  # 1e-2 of a sum that float32 rounds at 1e-7
    (gradient,) = torch.autograd.grad(losses.sum(), given)
    target = gradient.gather(2, targets.unsqueeze(2)).double().squeeze(2)
    torch.testing.assert_close(target, -torch.sigmoid(odds.detach()), rtol=2e-5, atol=0)
    torch.testing.assert_close(gradient.sum(2), torch.zeros(2, 5), rtol=0, atol=1e-6)
