"""Manifest -> audits and records -> the board, its folder, and proof that they fit."""
