"""The memory: what was said, by which model, to whom, and whether it was right.

Keeps every answer before it is shown. Refuses to forget, to change what it holds, and to hold anything that
names a patient in the clear. Does not know FHIR, HTTP or Flask.
"""
