"""The EHR's language: FHIR, SMART and CDS Hooks on the wire.

Neither Flask nor medicine: bytes and settings in; records, grants and verified callers out. Start with
`tenants.py` (whom we trust), then `transport.py` (how we ask), `smart.py` and `trust.py` (who may ask) and
`reader.py` (FHIR -> Chart). Refuses to talk to a host that is on no tenant's list.
"""
