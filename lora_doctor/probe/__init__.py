"""Questions asked of a denoiser, with its adapter and without: only a `Family` is needed, nothing is drawn at random.

With image, caption, noise and noise level fixed, what two measurements differ by is the adapter alone. Formulas and
where they come from stand beside each.
"""
