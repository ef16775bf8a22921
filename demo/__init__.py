"""A stand-in hospital: FHIR server, SMART authorisation, order entry and authored patients, all synthetic.

It imports nothing of inference, ehr, governance or webapp, so it cannot share their mistakes: what it reads
and writes is FHIR R4, SMART 2.2 and CDS Hooks 2.0 as the specifications say, spelt out here a second time.

Refuses to be anything but a stand-in: it listens on loopback, keeps everything in memory, and its secrets are
printed in this repository.
"""
