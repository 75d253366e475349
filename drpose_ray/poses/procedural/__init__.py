"""Poses that nobody recorded: standing, dance, within the limits of joints."""
