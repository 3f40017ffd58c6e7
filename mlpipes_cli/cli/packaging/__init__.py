"""Commands that make what a model or a project needs elsewhere: images, environments, files."""
