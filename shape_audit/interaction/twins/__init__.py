"""The same numbers the long way, in float64, sharing no code with the fast estimators."""
