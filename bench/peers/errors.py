"""What ends a comparison: a contender that does not start, fails, or answers wrongly."""


class ContenderError(Exception):
    """The sentence says who, and what it said itself."""
