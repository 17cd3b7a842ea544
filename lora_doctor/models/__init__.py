"""What each base model is, and how to tell which one a name, a file or a folder holds.

`families` are the facts, `names` reads names, `header` reads headers, `identify` combines both, `modules` knows
which layers an adapter reaches. Nothing here imports more than the standard library, and no tensor data is read.
"""
