"""The workshop, at several hospitals at once: each trains at home, and only weights travel.

    recipe.py     what every site is asked to do       learner.py    the network; the one file that knows it
    sites.py      who is a site, and its own rows      home.py       what a site does when asked
    audit.py      its door: a list of all that left    scaling.py    centre and step from sums over sites
    rounds.py     agree on scaling, train in turns     averaging.py  many sites' weights -> one network's
    client.py, server.py  the same over Flower         flower.py     Flower's processes, on loopback
    experiment.py  alone, pooled, federated            report.py     their figures

Rows never leave a site. Weights, counts and sums do, and weights can betray rows to somebody who works at it:
this is no secure aggregation, and no differential privacy is claimed.
"""
