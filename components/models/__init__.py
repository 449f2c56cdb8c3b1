"""Where models, data sets, backups and logs lie: S3 buckets, their policies, lifecycles and replication."""
