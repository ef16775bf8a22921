"""What is measured, and against what. Each module prints a table; figures are ratios within one run."""
