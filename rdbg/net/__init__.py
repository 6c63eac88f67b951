"""Where somebody can be listened to over TCP."""
