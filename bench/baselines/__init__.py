"""Servers that the product is compared with, each started as a process of its own (Stage.baseline)."""
