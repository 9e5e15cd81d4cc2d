"""Neargate: Fargate, near you."""

__version__ = "0.1.0"
