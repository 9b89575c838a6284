"""The report of a run as one HTML file, and two runs side by side.

from mathstrap.report import compare_runs
print(compare_runs("runs/a", "runs/b"))
"""

from mathstrap.report.analysis import analyse_run
from mathstrap.report.compare import RunComparison, compare_runs
from mathstrap.report.page import render_report, write_report

__all__ = ["RunComparison", "analyse_run", "compare_runs", "render_report", "write_report"]
