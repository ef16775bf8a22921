"""The workshop: public data in, a signed-off artefact folder out. Offline; not on the web path.

    readers/    the publishers' files -> inference.chart.Record       cohorts.py  who is asked about, and when
    labels.py   what happened next                                    leaks.py    what betrays the answer
    matrix.py   cohort -> numbers, with inference.features itself     network.py  the ensemble and its graph
    baselines.py  what it has to beat     measure.py  how well        release.py  the folder that is shipped

Start with `__main__.py`. Refuses to train on an input that the leak scan names, unless the run's
configuration says why.
"""
