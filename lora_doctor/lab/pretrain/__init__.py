"""Pretraining the micro pipelines from nothing, resumable: pictures, autoencoder, denoiser with its text encoder."""
