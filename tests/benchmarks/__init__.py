"""Benchmarks, run by hand or by `make bench`; not collected as tests."""
