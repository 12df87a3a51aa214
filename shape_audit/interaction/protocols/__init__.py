"""Which scalar of the output is differentiated: one file a protocol, `registry` has them by name."""
