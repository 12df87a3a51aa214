"""Where gradients are read: sites of the residual stream, and one backward pass to all of them."""
