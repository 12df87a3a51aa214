"""How much of the width is used: second moments of the stream and of gradients, apart for folds of the windows.

WidthSums.zeros(width, device)      .add_activations(stream, first), .add_gradients(gradients, first)
site_use(name, sums, spectrum=K)    -> SiteUse: effective ranks, functional rank, rank staircase, with intervals
"""

from shape_audit.interaction.width.site_use import site_use
from shape_audit.interaction.width.width_sums import WidthSums

__all__ = ["WidthSums", "site_use"]
