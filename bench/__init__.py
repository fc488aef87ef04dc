"""Measurements; every file runs by itself: `python bench/gy.py`."""
