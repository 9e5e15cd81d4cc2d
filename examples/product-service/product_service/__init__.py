"""A small HTTP product API, delivered by AWS Fargate and by Neargate from the same files."""
