"""Gradients -> sums over windows -> unbiased energies -> ratios with error bars."""
