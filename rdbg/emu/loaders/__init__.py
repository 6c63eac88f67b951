"""Image loaders: from files to bytes at guest-physical addresses, with errors a user can act on."""
