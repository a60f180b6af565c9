"""Which training images look poisoned: fine detail in the face, spectral signatures, clusters of activations."""
