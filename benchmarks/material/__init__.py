"""The claims of the material, each put to the test: what the posts say, what archlint says, what the lab measured."""
