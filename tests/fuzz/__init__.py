"""Random templates over CloudFormation's whole path.

Each is refused with an AWS error, or its stack ends in a final state: no traceback, no hang.
"""
