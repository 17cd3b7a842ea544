"""What a run folder shows: signals over steps, from images, weights, logs and captions, and the verdicts on them.

`examine` measures, the rules in `rules/symptoms` judge; thresholds stand in `signals.json`, each with its provenance.
"""
