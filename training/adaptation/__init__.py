"""A released model made this site's own: from its bulk export to an artefact folder with a version of its own.

Four ways are laid beside one another on folds by patient: the release as it is, recalibrated, fine-tuned, and a model
trained on the site alone. The best of what keeps the release is taken unless training anew is clearly better; the
new release says which and why. Nothing leaves the site, and no patient's row is in what is written. Refuses
(AdaptationRefused) what it cannot be sure of, before anything is written.
"""

from __future__ import annotations


class AdaptationRefused(ValueError):
    """An export, a release or a setting that no adaptation can be made of; the message says what and where."""
