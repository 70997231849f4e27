"""The tests of Vera on Rootstock. ``run`` beside this folder runs them all."""
