"""Captions: what this trainer reads beside the images, word by word, becomes facts. No image is opened."""
