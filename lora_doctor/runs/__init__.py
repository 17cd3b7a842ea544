"""Run folders of every trainer: checkpoints, sample images, logs, and the config beside them.

`read_run` is the way in. Each trainer has one small module that knows its file names; nothing here opens an image or
reads weights.
"""
