"""The tables' history, one step a file, each up and down; a step imports nothing of ours."""
