"""The medicine: a chart in, an assessment out.

Pure. Nothing here knows of the web, the clock, the environment or torch; whoever calls passes the moment,
the random seed and the model in. Start with `assess.py`.
"""
