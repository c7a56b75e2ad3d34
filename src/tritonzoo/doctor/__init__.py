"""`tritonzoo doctor`: what on this machine would keep tritonzoo from serving, each with its remedy."""

from tritonzoo.doctor.examination import examine
from tritonzoo.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "examine"]
