"""Control charts: pure functions over counts and means, each with the run length it promises when nothing changed.

A run length is the mean number of samples until an alarm. It is computed for the chart as it stands (exactly for
rates, by Markov chain for sums), never copied from a table. A chart says that something changed, not why.
"""
