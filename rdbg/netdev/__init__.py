"""The host's ends of networks: what a network card's cable leads to."""
