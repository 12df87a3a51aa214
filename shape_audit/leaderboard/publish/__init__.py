"""A rendered board -> a dataset repository on the Hub."""
