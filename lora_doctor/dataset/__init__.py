"""Datasets: images, captions, buckets, duplicates, pairs, masks become facts."""
