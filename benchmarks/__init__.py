"""The figures of docs/performance.md: `python -m benchmarks [start|memory|stack|requests|all]`.

Every figure is taken beside what it is compared with, in the same run on the same machine; a target that is missed is
printed as MISS and makes the exit code 1. Nothing but loopback addresses is asked, and every loop is bounded.
"""
