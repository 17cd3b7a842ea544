"""Pretraining the micro pipelines from nothing: pictures, autoencoder, denoiser with its text encoder, judges. Resumable."""
