"""What brings Pinflow to MWAA: the bundle, its upload, the environment's update, connections in Secrets Manager."""
