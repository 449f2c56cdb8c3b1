"""An AWS account on a laptop: runs the unchanged program without an engine, its AWS resources created in moto."""
